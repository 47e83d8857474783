// Questions in a dialog of the page: made when they are asked, gone when they are answered.

import { make } from "/js/make.js";

/**
 * Opens a dialog. `buttons` are [value, text] pairs, the first one the main one; a `link`
 * is followed by its button. Returns the dialog with `answer`, a promise of the value that
 * was chosen ("" when it was closed by Escape).
 */
export function ask(title, content, buttons, { id = "ask" } = {}) {
  const paragraphs = content.map((part) => (typeof part === "string" ? make("p", { textContent: part }) : part));
  const heading = make("h2", { id: `${id}-title`, textContent: title });
  const row = make("div", { className: "buttons" });
  const dialog = make("dialog", { id }, heading, ...paragraphs, row);
  dialog.setAttribute("aria-labelledby", heading.id);
  for (const [index, [value, text, link, target = ""]] of buttons.entries()) {
    const button = link
      ? make("a", { className: "button", href: link, target, textContent: text })
      : make("button", { type: "button", textContent: text });
    button.classList.toggle("secondary", index > 0);
    button.dataset.value = value;
    button.addEventListener("click", () => dialog.close(value));
    row.append(button);
  }
  document.body.append(dialog);
  dialog.answer = new Promise((resolve) => {
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(dialog.returnValue);
    });
  });
  dialog.showModal();
  return dialog;
}

/** Asks to choose one of several things, each [value, text]. Resolves to its value, or "". */
export async function choose(title, hint, options, chosen) {
  const list = make("fieldset", {}, make("legend", { textContent: hint }));
  for (const [value, text] of options) {
    const input = make("input", { type: "radio", name: "choice", value, checked: value === chosen });
    list.append(make("label", { className: "choice" }, input, ` ${text}`));
  }
  if (!list.querySelector(":checked")) list.querySelector("input").checked = true;
  const dialog = ask(title, [list], [["yes", "使用這張卡片"], ["", "取消"]], { id: "choose-card" });
  const answer = await dialog.answer;
  return answer && list.querySelector(":checked").value;
}
