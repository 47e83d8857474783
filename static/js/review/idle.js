// 逾一年未使用: accounts that were warned. When the warning is over and nothing was called, what is
// chosen is proposed for revocation, and revoked when another supervisor agrees.

import { get, post } from "/js/service.js";
import { busy, element, show, tell, tellFields } from "/js/page.js";
import { make, own } from "/js/make.js";
import { table } from "/js/review/parts.js";
import { visit } from "/js/review/places.js";

export function wireIdle({ openAccount }) {
  const form = element("idle-form");

  async function load() {
    visit("idle");
    fill(await get("/api/review/idle"));
    show("idle");
  }

  function fill({ accounts }) {
    element("idle-list").replaceChildren(accounts.length
      ? table(["提請註銷", "公司", "最近使用", "警告日期", "期限", "狀態"], accounts.map(row))
      : make("p", { textContent: "目前沒有逾一年未使用的帳號。" }));
    form.hidden = !accounts.some(({ mayPropose }) => mayPropose);
  }

  function row(found) {
    const box = make("input", { type: "checkbox", id: `idle-${found.id}`, name: "idle", value: found.id, disabled: !found.mayPropose, "aria-label": `提請註銷${found.companyName}` });
    const account = make("button", { type: "button", className: "link", textContent: found.ubn });
    account.addEventListener("click", () => busy(account, "讀取中…", () => openAccount(found.ubn)));
    const state = found.used ? "已有查驗，警告將解除" : found.proposed ? "已提請註銷，待主管同意" : found.over ? "期滿仍未使用" : "警告中";
    return [box, make("span", {}, own(found.companyName), " ", account), found.unusedSince, found.warnedAt, found.until, state];
  }

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const chosen = [...document.querySelectorAll("[name=idle]:checked")].map(({ value }) => value);
    if (!chosen.length) return tellFields([{ pointer: "/idle", code: "not-offered" }], form);
    busy(element("idle-button"), "處理中…", async () => {
      let done = 0;
      try {
        for (const id of chosen) {
          await post(`/api/review/idle/${id}/proposal`, { text: element("idle-reason").value });
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
