// 案件審核: what waits, and the decision.

import { get, post, signIn, signOut } from "/js/service.js";
import { busy, element, phones, sheet, show, tell } from "/js/page.js";

element("sign-in-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  await busy(event.submitter, "正在與讀卡元件連線…", async () => {
    await signIn({ as: "officer" });
    await load();
  });
});

async function load() {
  const { count, cases } = await get("/api/review/cases");
  element("count").textContent = `待審核案件：${count}件`;
  element("cases").replaceChildren(...cases.map(caseView));
  show("queue");
}

function caseView(found) {
  const box = document.createElement("article");
  box.className = "case";
  const rows = document.createElement("dl");
  rows.className = "sheet";
  sheet(rows, [
    ["S/N", found.serialNumber, "copy"],
    ["申請事項", found.kindWord, "word"],
    ["申請日期", found.submittedAtRoc],
    ["公司名稱", found.companyName],
    ["憑證公司名稱", found.signerName + (found.signerName === found.companyName ? "" : "　⚠ 與申請的公司名稱不同")],
    ["營利事業統一編號", found.ubn],
    ["聯絡人", found.contactName],
    ["聯絡電話", phones(found)],
    ["電子信箱", found.email],
    ["連線主機網路位址", found.hostAddress],
    ["申請目的/原因", found.reason],
  ]);
  const form = document.createElement("form");
  const field = document.createElement("div");
  field.className = "field";
  field.dataset.field = "result";
  const label = document.createElement("label");
  const text = document.createElement("textarea");
  text.id = `result-${found.serialNumber}`;
  label.htmlFor = text.id;
  label.className = "required";
  label.textContent = "審核結果：";
  const error = document.createElement("span");
  error.className = "error";
  error.id = `${text.id}-error`;
  text.setAttribute("aria-describedby", error.id);
  field.append(label, error, text);
  const buttons = document.createElement("div");
  buttons.className = "buttons";
  for (const [decision, word, style] of [["approve", "核准", ""], ["reject", "駁回", "danger"]]) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = style;
    button.textContent = word;
    button.addEventListener("click", () =>
      busy(button, "正在送出審核結果…", async () => {
        const path = `/api/review/cases/${found.serialNumber}/decision`;
        const decided = await post(path, { decision, result: text.value });
        await load();
        tell(decided.stateWord, decided.companyName, { good: true });
      }, form));
    buttons.append(button);
  }
  form.append(field, buttons);
  box.append(rows, form);
  return box;
}

element("refresh").addEventListener("click", (event) => busy(event.target, "讀取中…", load));
element("sign-out").addEventListener("click", async () => {
  await signOut();
  element("cases").replaceChildren();
  show("sign-in");
});
