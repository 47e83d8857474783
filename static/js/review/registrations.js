// 註冊審核: codes and cards that do not fit the register, and other managers.

import { get, post } from "/js/service.js";
import { busy, element, sheet, show, tell } from "/js/page.js";
import { make } from "/js/make.js";

export function wireRegistrations() {
  async function load() {
    const { reviews } = await get("/api/delegate/reviews");
    element("registration-list").replaceChildren(...(reviews.length ? reviews.map(view) : [make("p", { textContent: "目前沒有註冊審核事項。" })]));
    show("registration-reviews");
  }

  function view(review) {
    const rows = [
      ["機關代號", review.code],
      ["憑證上的名稱", review.name],
      ["憑證上的OID或統一編號", review.number],
      ["登記的名稱", review.registerName ?? "查無此代號"],
      ["登記的OID或統一編號", review.registerNumber],
      ["新的授權管理者", review.managerName],
      ["聯絡人", review.contactName],
      ["電話", review.phone],
      ["電子信箱", review.email],
      ["申請時間", review.askedAtRoc],
      ["審核時間", review.decidedAtRoc],
      ["審核結果", review.cleared === null ? null : review.cleared ? "同意" : "不同意"],
      ["說明", review.note],
    ];
    const card = make("article", { className: "case" }, make("h3", { textContent: review.reasonWord }), sheet(make("dl"), rows));
    if (review.cleared !== null) return card;
    const id = `registration-note-${review.id}`;
    const note = make("input", { type: "text", id, name: "note" });
    note.setAttribute("aria-describedby", `${id}-error`);
    const field = make("div", { className: "field", "data-field": "note" },
      make("label", { for: id, textContent: "說明（不同意時必填，申請人會看到）：" }), make("span", { className: "error", id: `${id}-error` }), note);
    const button = (word, style, cleared) => {
      const made = make("button", { type: "button", className: style, textContent: word });
      made.addEventListener("click", () => busy(made, "處理中…", async () => {
        await post(`/api/delegate/reviews/${review.id}`, { cleared, note: note.value });
        await load();
        tell(cleared ? "已同意" : "已註明不同意", review.name, { good: true });
      }, card));
      return made;
    };
    card.append(field, make("div", { className: "buttons" }, button("同意", "endorse", true), button("不同意", "danger", false)));
    return card;
  }

  return { load };
}
