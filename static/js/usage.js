// 介接工具與使用情形: the state of the service, the check of a token, what a company's system
// has called, and its settings.

import init, { checkUbn } from "/wasm/application.js";
import { ask } from "/js/ask.js";
import { make, own } from "/js/make.js";
import { busy, element, sheet, show, tell, tellFields } from "/js/page.js";
import { get, post, signIn, signOut } from "/js/service.js";
import { labelTables } from "/js/table.js";

labelTables();
const checks = init({ module_or_path: "/wasm/application_bg.wasm" });
const cell = (child, properties = {}) => make("td", properties, child ?? "");
const row = (...cells) => make("tr", {}, ...cells);
const none = (columns) => row(cell("無", { colSpan: columns }));
/** Codes and numbers are the same in every language. */
const code = (text) => make("code", { textContent: text, translate: false });

async function state() {
  const { ready, serverTimeRoc, outages } = await get("/api/status");
  const down = !ready || outages.some(({ underWay }) => underWay);
  element("state").replaceChildren(
    make("strong", { textContent: down ? "暫停服務" : "正常服務" }),
    make("span", { className: "clock", textContent: "伺服器時間：" }),
    code(serverTimeRoc),
  );
  element("outages").replaceChildren(...outages.map(({ fromRoc, untilRoc, note }) =>
    make("li", {}, make("span", { textContent: "公告停機：" }), code(`${fromRoc} – ${untilRoc}`), " ", own(note))));
}

async function testData() {
  const { cases } = await get("/api/test-data");
  element("test-data").replaceChildren(...cases.map(({ personId, code: answer, word }) =>
    row(cell(code(personId)), cell(code(answer)), cell(word))));
}

/** Words of our own, so that each is known in English. */
const word = (text) => make("span", { textContent: text });

async function accountStates() {
  const { states } = await get("/api/account-states");
  element("account-states").replaceChildren(...states.map((one) => row(
    make("th", { scope: "row", textContent: one.word }), cell(one.calls),
    make("td", {}, ...one.offers.flatMap((offer, index) => index ? [" · ", word(offer)] : [word(offer)])), cell(one.wayBack))));
}

accountStates().catch(() => {});
state().catch(() => { element("state").textContent = "無法取得服務狀態，請稍後再試一次。"; });
testData().catch(() => {});

element("token-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const token = new FormData(event.target).get("token").replace(/\s+/g, "").replace(/^Bearer/i, "");
  if (!token) return tellFields([{ pointer: "/token", code: "required" }], event.target);
  await busy(event.submitter, "檢查中…", async () => {
    const { passed, serverTimeRoc, checks: found } = await post("/integration/token-checks", { token });
    const words = { true: "通過", false: "不符", null: "未檢查" };
    element("checks").replaceChildren(...found.map((one) =>
      make("tr", { className: one.passed === false ? "bad" : "" },
        make("th", { scope: "row", textContent: one.word }), cell(words[one.passed]), cell(one.message))));
    element("checked-at").replaceChildren(
      make("strong", { textContent: passed ? "各項檢查皆通過" : "有項目不符" }),
      make("span", { className: "clock", textContent: "伺服器時間：" }), code(serverTimeRoc));
    element("checked").hidden = false;
    element("checked").focus();
  }, event.target);
});
element("token-form").addEventListener("reset", () => { element("checked").hidden = true; });

element("sign-in-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  await checks;
  const outcome = JSON.parse(checkUbn(new FormData(event.target).get("ubn")));
  if (outcome.errors) return tellFields(outcome.errors, event.target);
  await busy(event.submitter, "正在與讀卡元件連線…", async () => {
    await signIn({ as: "company", ubn: outcome.accepted });
    await load();
  }, event.target);
});

let settings = null;
let before = null;

async function load() {
  const usage = await get("/api/usage");
  settings = usage;
  sheet(element("account-sheet"), [
    ["apId", usage.apId],
    ["啟用狀態", usage.statusWord, "word"],
    ["最近一次查驗", usage.lastAt],
    ["每分鐘上限", String(usage.callsPerMinute)],
    ["瞬間上限", String(usage.burst)],
    ["測試模式", usage.sandbox ? "是" : "否", "word"],
    ["是否回應代碼9、A", usage.changeCodes ? "是" : "否", "word"],
  ]);
  element("idle").hidden = !usage.idle;
  element("idle").textContent = usage.idle ? `自${usage.idle.since}以後已逾一年沒有查驗紀錄。請於${usage.idle.until}前完成至少一次查驗（測試模式亦可），警告將於次日解除；逾期仍未使用者，將由審核人員辦理註銷。` : "";
  element("mode").hidden = !usage.sandbox;
  element("set-sandbox").textContent = usage.sandbox ? "結束測試模式" : "改為測試模式";
  element("set-codes").textContent = usage.changeCodes ? "不再回應代碼9、A" : "改為回應代碼9、A（統號變更紀錄）";
  element("days-caption").replaceChildren(make("span", { textContent: "統計至 " }), code(usage.asOf));
  const days = usage.days.map((one) => row(cell(code(one.day)), cell(code(one.code)), cell(one.word), cell(String(one.count))));
  element("days").replaceChildren(...(days.length ? days : [none(4)]));
  const refusals = usage.refusals.map((one) => row(cell(code(one.day)), cell(one.word), cell(String(one.count))));
  element("refusals").replaceChildren(...(refusals.length ? refusals : [none(3)]));
  element("calls").replaceChildren();
  before = null;
  await more();
  if (!element("calls").children.length) element("calls").append(none(6));
  show("result");
}

async function more() {
  const listed = await get(`/api/usage/calls${before === null ? "" : `?before=${before}`}`);
  element("calls").append(...listed.calls.map((call) => row(
    cell(code(call.at)), cell(code(call.code)), cell(call.word),
    cell(code(call.person ?? "")), cell(own(call.userId)), cell(code(call.requestId)))));
  before = listed.before;
  element("more").hidden = before === null;
}

element("more").addEventListener("click", () => busy(element("more"), "讀取中…", more));

for (const [id, name, question] of [
  ["set-sandbox", "sandbox", "測試模式中，所有查驗皆以測試資料回應；結束後，即以真實資料回應。"],
  ["set-codes", "changeCodes", "相符時回應9（無統號變更紀錄）或A（有統號變更紀錄），不再回應1；請先確認貴公司系統認得這兩個代碼。"],
]) {
  element(id).addEventListener("click", async () => {
    const dialog = ask("請確認是否變更設定?", [question], [["yes", "確定"], ["", "取消"]]);
    if (!(await dialog.answer)) return;
    await busy(element(id), "正在變更…", async () => {
      const { sandbox, changeCodes } = { ...settings, [name]: !settings[name] };
      await post("/api/usage/settings", { sandbox, changeCodes });
      await load();
      tell("設定已變更", "", { good: true });
    });
  });
}

element("sign-out").addEventListener("click", async () => {
  await signOut();
  for (const id of ["days", "refusals", "calls", "account-sheet"]) element(id).replaceChildren();
  show("sign-in");
});
