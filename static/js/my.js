// 誰查過我的身分證: the own card and the typed number, then who asked, when, what for.

import { make, own } from "/js/make.js";
import { busy, element, show, tellFields } from "/js/page.js";
import { post, signIn, signOut } from "/js/service.js";
import { labelTables } from "/js/table.js";

labelTables();

/** Whose records are shown, until signing out, and before when what is not shown yet was asked. */
let asked = "";
let before = null;

element("own-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const form = event.target;
  const nationalId = form.nationalId.value.normalize("NFKC").trim().toUpperCase();
  if (!/^[A-Z][12]\d{8}$/.test(nationalId)) {
    return tellFields([{ pointer: "/nationalId", code: nationalId ? "national-id-format" : "required" }], form);
  }
  await busy(event.submitter, "正在與讀卡元件連線…", async () => {
    // The card of whoever asks now: another person may have been here before.
    await signIn({ as: "citizen" }, "citizen");
    element("entries").replaceChildren();
    fill(await post("/api/my/records", { nationalId }).catch(told));
    asked = nationalId;
    form.reset();
    show("result");
  }, form);
});

/** A wrong number, told with how many tries are left. */
function told(trouble) {
  const { message, triesLeft } = trouble;
  if (triesLeft > 0) trouble.message = `${message}（今日尚可再試${triesLeft}次）`;
  if (triesLeft === 0) trouble.message = `${message}（今日已停止查詢）`;
  throw trouble;
}

/** Shows what was asked, below what is shown already. */
function fill({ queriedAt, entries, earlier }) {
  before = earlier;
  element("queried").replaceChildren(make("span", { textContent: "查詢時間：" }), own(queriedAt));
  const cell = (...children) => make("td", {}, ...children);
  element("entries").append(...entries.map(({ at, serviceWord, who, purpose, answer }) => make("tr", {},
    cell(own(at)), cell(make("span", { textContent: serviceWord })), cell(own(who)), cell(own(purpose)),
    cell(make("span", { textContent: answer })))));
  const count = element("entries").rows.length;
  element("entries").closest("table").hidden = !count;
  element("none").hidden = Boolean(count);
  element("count").textContent = earlier ? `最新的${count}筆紀錄，另有更早的紀錄` : `計${count}筆紀錄，最新的在前`;
  element("earlier").hidden = !earlier;
}

element("earlier").addEventListener("click", ({ target }) => busy(target, "讀取中…", async () => {
  fill(await post("/api/my/records", { nationalId: asked, before }));
}));

element("print").addEventListener("click", () => window.print());
element("sign-out").addEventListener("click", async (event) => {
  await busy(event.target, "登出中…", async () => {
    await signOut();
    element("entries").replaceChildren();
    asked = "";
    show("sign-in");
  });
});
