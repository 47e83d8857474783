// API介接服務進度查詢: account, cases, withdrawal within 24 hours.

import init, { checkUbn } from "/wasm/application.js";
import { ask } from "/js/ask.js";
import { busy, confirmed, element, groups, phones, sheet, show, tell, tellFields, tellTrouble } from "/js/page.js";
import { fillReceipt } from "/js/receipt.js";
import { config, get, post, refusal, signIn, signOut } from "/js/service.js";

const checks = init({ module_or_path: "/wasm/application_bg.wasm" });

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

const TAIPEI = { timeZone: "Asia/Taipei", hourCycle: "h23", year: "numeric", month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit" };
const time = (instant) => {
  const parts = new Intl.DateTimeFormat("en-GB", TAIPEI).formatToParts(new Date(instant));
  const { year, month, day, hour, minute } = Object.fromEntries(parts.map(({ type, value }) => [type, value]));
  return `${year - 1911}/${month}/${day} ${hour}:${minute}`;
};
const left = (instant) => {
  const minutes = Math.max(0, Math.floor((new Date(instant) - Date.now()) / 60_000));
  return `${Math.floor(minutes / 60)}小時${minutes % 60}分`;
};
const paragraph = (text, className) => Object.assign(document.createElement("p"), { textContent: text, className });

async function load() {
  const [progress, { edition }] = await Promise.all([get("/api/cases"), config()]);
  const { account } = progress;
  const ubn = ["營利事業統一編號", progress.ubn];
  sheet(element("account-sheet"), edition === "108" ? [ubn] : [
    ["公司名稱", account?.companyName],
    ubn,
    ["主機連線IP位址", account?.hostAddress],
    ["憑證序號", account?.certificateSerialNumber, "mono"],
    ["有效起始日期", account?.notBefore],
    ["有效迄止日期", account?.notAfter],
    ["啟用狀態", account?.statusWord, "word"],
    ["狀態起始日", account?.statusSince],
    ["辦理人員", account?.statusBy, "word"],
    ["查驗服務", account?.calls, "word"],
    ["恢復方式", account?.wayBack, "word"],
    ["原因", account?.statusReason],
    ["isskey", account?.issKey, "secret"],
    ["原isskey續用至", account?.formerIssKeyUntil],
    ["apId", account?.apId, "secret"],
  ]);
  warn(account);
  element("handover").hidden = !progress.handover;
  element("handover").textContent = progress.handover ? `統一編號變更：${progress.handover.words}` : "";
  const live = inUse(account);
  element("guide").hidden = !live;
  element("keys").hidden = !(live && account.issKey);
  element("count").textContent =
    `查詢結果：計${progress.count}筆申請資料　查詢日期時間：${progress.queriedAt}`;
  const opened = progress.cases.find(({ kind, state }) => kind === "api-application" && state === "approved");
  element("cases").replaceChildren(...progress.cases.map((found) =>
    caseView(found, edition, found === opened ? account : null)));
  show("result");
}

/** 啟用, with or without a certificate that is valid. */
const inUse = (account) => ["active", "certificate-expired"].includes(account?.status);

/** What the company has to know of its certificates, and of not being used. */
function warn(account) {
  const warning = account?.expiryWarning ?? null;
  element("expiry").hidden = warning === null;
  element("expiry").textContent = warning === 0
    ? "憑證已過期，系統無法查驗。請換發憑證後，於「API介接服務申請」辦理憑證上傳。"
    : `憑證將於${warning}天內到期。請儘早換發，並於「API介接服務申請」辦理憑證上傳；上傳時可指定原憑證續用至何日。`;
  const idle = account?.idle;
  element("idle").hidden = !idle;
  element("idle").textContent = idle ? `自${idle.since}以後已逾一年沒有查驗紀錄。請於${idle.until}前完成至少一次查驗（測試模式亦可），警告將於次日解除；逾期仍未使用者，將由審核人員辦理註銷。` : "";
  const ends = account?.formerUntil;
  element("former").hidden = !ends;
  element("former").textContent = ends ? `原憑證可續用至 ${ends}，期間新舊兩張憑證皆可使用。` : "";
}

/** What happens next, and by which date. */
function next({ state, kind, expectedBy, holidaysKnown, question }, account) {
  if (question) return "請由「API介接服務申請」插入憑證補件；補件前審核時間停止計算。";
  if (state === "accepted") {
    const note = holidaysKnown ? "" : "（未扣除國定假日）";
    return `內政部審核中，預計於 ${expectedBy} 前完成${note}，結果請以本頁查詢；審核期間不需要再次申請。`;
  }
  if (state === "approved" && kind === "api-application" && inUse(account) && !account.certificateSerialNumber) return "請由「API介接服務申請」選擇憑證上傳。";
  if (state === "rejected") return "請依審核結果修正後，重新申請。";
  return "";
}

/// Grounds bring their English along.
const reasons = (grounds) => grounds.map(({ word, english }) => ["理由", word, { english }]);

function caseView(found, edition, account) {
  const box = document.createElement("article");
  box.className = "case";
  const of108 = edition === "108";
  const rows = [
    ["公司資訊", [["公司名稱", found.companyName], ["營利事業統一編號", found.ubn]]],
    ["聯絡資訊", [["聯絡電話", phones(found), "word"], ["電子信箱", found.email]]],
    ["申請資訊", [
      [of108 ? "申請事由" : "申請事項", found.kindWord, "word"],
      ["申請日期", found.submittedAtRoc],
      ["連線主機網路位址", found.hostAddress],
      [found.kind === "api-stop" ? "變更後統一編號" : "變更前統一編號", found.otherUbn],
    ]],
    ["申請目的/原因", [[null, found.reason]]],
    ["案件狀態", [
      [null, found.stateWord, "word"],
      ["審核日期", found.decidedAtRoc],
      ...reasons(found.grounds),
      ["審核結果", found.result],
      ...(of108 && account ? [["機關帳號", account.apId, "secret"], ["Iss Key", account.issKey, "secret"]] : []),
      ["S/N", found.serialNumber, "copy"],
    ]],
  ];
  if (found.question) {
    rows.push(["補件通知", [
      ...reasons(found.question.grounds),
      ["說明", found.question.text],
      ["期限", found.question.until],
    ]]);
  }
  box.append(groups(rows));
  const following = next(found, account);
  if (following) box.append(paragraph(`接下來：${following}`, "next"));
  const buttons = document.createElement("div");
  buttons.className = "buttons";
  if (inUse(account)) {
    // Where the manual has it: at the case that opened the account.
    buttons.append(guideLink({ className: "button secondary", textContent: "↓ 操作文件下載" }));
    element("guide").hidden = true;
  }
  const receipt = Object.assign(document.createElement("button"), { type: "button", className: "secondary receipt", textContent: "收執聯" });
  receipt.addEventListener("click", () => busy(receipt, "讀取中…", async () => {
    await fillReceipt(element("receipt-sheet"), await get(`/api/cases/${found.serialNumber}`));
    show("receipt");
  }));
  buttons.append(receipt);
  box.append(buttons);
  if (found.cancellableUntil) buttons.append(...withdrawal(found));
  return box;
}

/** A download says nothing when it fails: whether it may be had is asked before. */
function guideLink(properties) {
  const link = Object.assign(document.createElement("a"), { href: "/api/guide", download: "", ...properties });
  link.addEventListener("click", (event) => {
    event.preventDefault();
    busy(link, "讀取中…", async () => {
      const { who } = await get("/api/session").catch(() => ({}));
      if (!who?.ubn) throw await refusal("not-signed-in");
      location.assign(link.href);
    });
  });
  return link;
}
/** Another isskey: beside the former one for a week, or in its place when that has leaked. */
for (const [id, leaked, question, done] of [
  ["renew-key", false, "更換後，原isskey可續用七日，請於期限內更新系統。", "原isskey可續用七日，請於期限內更新系統。"],
  ["key-leaked", true, "原isskey將即時停用，使用原isskey的系統在更新前無法查驗。", "原isskey已停用，請立即更新系統。"],
]) {
  element(id).addEventListener("click", async () => {
    const dialog = ask("請確認是否更換isskey?", [question], [["yes", "確定"], ["", "取消"]]);
    if (!(await dialog.answer)) return;
    await busy(element(id), "正在更換…", async () => {
      await post("/api/iss-keys", { leaked });
      await load();
      tell("isskey已更換", done, { good: true });
    });
  });
}
element("guide").replaceChildren(guideLink({ className: "button", textContent: "↓ 操作文件下載" }));

function withdrawal({ serialNumber, cancellableUntil }) {
  const button = Object.assign(document.createElement("button"), { type: "button", className: "danger", textContent: "取消申請" });
  button.addEventListener("click", async () => {
    if (!(await confirmed())) return;
    await busy(button, "正在取消…", async () => {
      await post(`/api/cases/${serialNumber}/cancel`, {}).catch(async (trouble) => {
        // What is shown has changed: the button goes.
        await load();
        throw trouble;
      });
      await load();
      tell("取消成功", "", { good: true });
    });
  });
  const until = Object.assign(document.createElement("span"), { className: "hint" });
  until.textContent = `可取消至 ${time(cancellableUntil)}（還有${left(cancellableUntil)}）`;
  return [button, until];
}

element("sign-out").addEventListener("click", async () => {
  await signOut();
  element("cases").replaceChildren();
  element("account-sheet").replaceChildren();
  show("sign-in");
});

element("print").addEventListener("click", () => window.print());
element("to-progress").hidden = true;
element("receipt-back").hidden = false;
element("receipt-back").addEventListener("click", () => show("result"));

// A handler comes signed in.
if (location.hash === "#handler") load().catch((trouble) => tellTrouble(trouble));
