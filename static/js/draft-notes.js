// What a form says of its draft: what was asked for, and how 清除 is taken back.

import { make } from "/js/make.js";
import { clearMessage, tell } from "/js/page.js";

/** What was asked for (補件): above the form, and at each field that it is about. */
export function tellAsked({ grounds, text, until }, form) {
  const items = grounds.map(({ word, english }) => make("li", { textContent: word, "data-english": english }));
  const said = make("li", { translate: false, textContent: text });
  tell("請補充申請資料", `請修正後重新簽章送出，期限：${until}。審核時間於補件前停止計算。`, { items: [...items, said] });
  for (const { field, word, english } of grounds) {
    const row = form.querySelector(`[data-field="${field}"]`);
    if (!row) continue;
    row.querySelector(".error").replaceChildren(make("span", { textContent: word, "data-english": english }));
    // Until it is changed; not only when the field is left, when a click would miss its button.
    row.querySelector("input, textarea").setAttribute("aria-invalid", "true");
  }
}

/** 清除 can be taken back until something else is done: `back()` does. */
export function offerUndo(back) {
  const undo = make("button", { type: "button", className: "secondary", textContent: "復原" });
  undo.addEventListener("click", () => {
    back();
    clearMessage();
  });
  // After the form has been emptied.
  setTimeout(() => tell("已清除", "", { good: true, items: [make("li", { id: "undo" }, undo)] }));
}
