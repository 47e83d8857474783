// API介接服務進度查詢: account, cases, withdrawal within 24 hours.

import init, { checkUbn } from "/wasm/client.js";
import { fillReceipt } from "/js/receipt.js";
import { get, post, signIn, signOut } from "/js/service.js";
import { busy, confirmed, element, phones, sheet, show, tell, tellFields } from "/js/page.js";

const checks = init({ module_or_path: "/wasm/client_bg.wasm" });

element("sign-in-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  await checks;
  const outcome = JSON.parse(checkUbn(new FormData(event.target).get("ubn")));
  if (outcome.errors) return tellFields(outcome.errors, event.target);
  await busy(event.submitter, "請在讀卡元件的視窗確認內容並輸入PIN碼…", async () => {
    await signIn({ as: "company", ubn: outcome.accepted });
    await load();
  }, event.target);
});

/** What happens next, by state. */
const NEXT = {
  accepted: "內政部審核中，請以本頁查詢結果；審核期間不需要再次申請。",
  approved: "請由「API介接服務申請」選擇申請事項，例如憑證上傳。",
  rejected: "請依審核結果修正後，重新申請。",
};

const TAIPEI = { timeZone: "Asia/Taipei", hourCycle: "h23", month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit" };
const time = (instant) => new Intl.DateTimeFormat("zh-TW", TAIPEI).format(new Date(instant));
const left = (instant) => {
  const minutes = Math.max(0, Math.floor((new Date(instant) - Date.now()) / 60_000));
  return `${Math.floor(minutes / 60)}小時${minutes % 60}分`;
};

async function load() {
  const progress = await get("/api/cases");
  const account = progress.account ?? {};
  sheet(element("account-sheet"), [
    ["公司名稱", account.companyName],
    ["營利事業統一編號", account.ubn],
    ["主機連線IP位址", account.hostAddress],
    ["憑證序號", account.certificateSerialNumber, "mono"],
    ["有效起始日期", account.notBefore],
    ["有效迄止日期", account.notAfter],
    ["啟用狀態", account.statusWord],
    ["isskey", account.issKey, "secret"],
    ["apId", account.apId, "secret"],
  ]);
  element("count").textContent =
    `查詢結果：計${progress.count}筆申請資料　查詢日期時間：${progress.queriedAt}`;
  element("cases").replaceChildren(...progress.cases.map(caseView));
  show("result");
}

function caseView(found) {
  const box = document.createElement("article");
  box.className = "case";
  const rows = document.createElement("dl");
  rows.className = "sheet";
  sheet(rows, [
    ["公司名稱", found.companyName],
    ["營利事業統一編號", found.ubn],
    ["聯絡電話", phones(found)],
    ["電子信箱", found.email],
    ["申請事項", found.kindWord],
    ["申請日期", found.submittedAtRoc],
    ["連線主機網路位址", found.hostAddress],
    ["申請目的/原因", found.reason],
    ["案件狀態", found.stateWord],
    ["審核日期", found.decidedAtRoc],
    ["審核結果", found.result],
    ["S/N", found.serialNumber, "copy"],
  ]);
  box.append(rows);
  const next = NEXT[found.state];
  if (next) {
    const text = document.createElement("p");
    text.className = "next";
    text.textContent = `接下來：${next}`;
    box.append(text);
  }
  const buttons = document.createElement("div");
  buttons.className = "buttons";
  const receipt = document.createElement("button");
  receipt.type = "button";
  receipt.className = "secondary";
  receipt.textContent = "收執聯";
  receipt.addEventListener("click", () => {
    fillReceipt(element("receipt-sheet"), found);
    show("receipt");
  });
  buttons.append(receipt);
  box.append(buttons);
  if (found.cancellableUntil) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "danger";
    button.textContent = "取消申請";
    button.addEventListener("click", async () => {
      if (!(await confirmed())) return;
      await busy(button, "正在取消…", async () => {
        await post(`/api/cases/${found.serialNumber}/cancel`, {});
        await load();
        tell("取消成功", "", { good: true });
      });
    });
    const until = document.createElement("span");
    until.className = "hint";
    until.textContent = `可取消至 ${time(found.cancellableUntil)}（還有${left(found.cancellableUntil)}）`;
    buttons.append(button, until);
  }
  return box;
}

element("sign-out").addEventListener("click", async () => {
  await signOut();
  element("cases").replaceChildren();
  element("account-sheet").replaceChildren();
  show("sign-in");
});

element("print").addEventListener("click", () => window.print());
element("receipt-back").addEventListener("click", () => show("result"));
