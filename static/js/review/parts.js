// Parts that several places of the officers' page show.

import { post } from "/js/service.js";
import { busy } from "/js/page.js";
import { make, own } from "/js/make.js";
import { label } from "/js/table.js";

/** A table with these heads; cells are texts or elements. */
export function table(heads, rows) {
  const made = make("table", { className: "list" },
    make("thead", {}, make("tr", {}, ...heads.map((head) => make("th", { scope: "col", textContent: head })))),
    make("tbody", {}, ...rows.map((cells) => make("tr", {}, ...cells.map((cell) => make("td", {}, cell))))));
  label(made);
  return make("div", { className: "scroll", role: "region", tabIndex: 0, "aria-label": heads.join("、") }, made);
}

/** 統編變更: what is next, and the ways to the other side. */
export function handover({ handover: change, ubn, serialNumber = "" }, { account, open }) {
  const button = (word, act) => {
    const made = make("button", { type: "button", className: "small", textContent: word });
    made.addEventListener("click", () => busy(made, "讀取中…", act));
    return made;
  };
  const other = change.former === ubn ? change.successor : change.former;
  const ways = [
    [change.stopCase, "停用案件"], [change.application, "新統一編號的申請案件"],
  ].filter(([id]) => id && id !== serialNumber).map(([id, word]) => button(`查看${word}`, () => open(id)));
  if (change.step !== "apply" && change.step !== "review" || other === change.former) ways.push(button(`查看帳號 ${other}`, () => account(other)));
  return make("div", {}, make("p", { textContent: change.words }), make("div", { className: "buttons" }, ...ways));
}

/** Who did what, and when. */
export const logList = (log) => table(["時間", "人員", "事項"], log.map(({ at, actor, word }) => [at, own(actor), word]));

/** Letters with what became of them. */
export function letterList(letters) {
  return make("div", {}, ...letters.map((letter) => {
    const state = letter.state === "failed" ? `⚠ ${letter.stateWord}（${letter.answer ?? ""}）` : `${letter.stateWord} ${letter.sentAt ?? ""}`;
    const box = make("details", {},
      make("summary", {}, `${letter.writtenAt}　${letter.subject}　${state}`),
      make("p", {}, "收件人：", own(letter.recipient)),
      make("pre", { textContent: letter.body }));
    if (letter.state !== "queued") {
      const button = make("button", { type: "button", className: "small", textContent: "重寄" });
      button.addEventListener("click", () => busy(button, "處理中…", async () => {
        await post(`/api/review/letters/${letter.id}/resending`, {});
        button.replaceWith("已排入寄送");
      }));
      box.append(button);
    }
    return box;
  }));
}
