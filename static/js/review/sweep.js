// 清查比對: accounts that do not fit the company register. A look first; then what was chosen
// is proposed, one by one, and revoked when another supervisor agrees.

import { get, post } from "/js/service.js";
import { busy, element, show, tell } from "/js/page.js";
import { make, own } from "/js/make.js";
import { table } from "/js/review/parts.js";
import { visit } from "/js/review/places.js";

export function wireSweep({ openAccount }) {
  const form = element("sweep-form");

  async function load() {
    visit("sweep");
    const { asOf, findings } = await get("/api/review/sweep");
    element("sweep-note").textContent = asOf
      ? `商工登記資料日期：${asOf}，${findings.length ? `計${findings.length}個帳號不符。以下僅為比對結果，尚未變更任何帳號。` : "沒有不符的帳號。"}`
      : "商工登記資料未匯入，無法比對。";
    element("sweep-list").replaceChildren(findings.length ? table(["提請註銷", "公司", "帳號狀態", "比對結果", "登記資料"], findings.map(row)) : "");
    form.hidden = !findings.length;
    show("sweep");
  }

  function row(found) {
    const box = make("input", { type: "checkbox", name: "sweep", value: found.ubn, "aria-label": `提請註銷${found.companyName}` });
    const account = make("button", { type: "button", className: "link", textContent: found.ubn });
    account.addEventListener("click", () => busy(account, "讀取中…", () => openAccount(found.ubn)));
    return [box, make("span", {}, own(found.companyName), " ", account), found.statusWord, found.findingWord, own([found.registeredName, found.registeredStatus].filter(Boolean).join("，"))];
  }

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    busy(element("sweep-button"), "處理中…", async () => {
      const chosen = [...document.querySelectorAll("[name=sweep]:checked")].map(({ value }) => value);
      const text = element("sweep-reason").value;
      let done = 0;
      try {
        for (const ubn of chosen) {
          await post(`/api/review/accounts/${ubn}/revocation`, { text });
          done += 1;
        }
      } finally {
        if (done) await load();
      }
      tell(`已提請註銷${done}個帳號`, "另一位主管於「待覆核事項」同意後生效，並通知各公司。", { good: true });
    }, form);
  });

  return { load };
}
