// 憑證查詢 and the lists: what state cards are in, by one exact condition.

import { make, own } from "/js/make.js";
import { busy, clearMessage, element, tellFields } from "/js/page.js";
import { get, post } from "/js/service.js";
import { labelTables } from "/js/table.js";

labelTables();
const form = element("status-form");
const cell = (child) => make("td", {}, child);
const code = (text) => make("code", { textContent: text, translate: false });
const word = (text) => make("span", { textContent: text });

function listed({ state, listedAfterRoc }) {
  if (!listedAfterRoc) return word(state === "valid" ? "未列入" : "已列入");
  const text = state === "valid" ? "將於 24:00 後移除停用狀態並公布" : "將於 24:00 後公布";
  return make("span", {}, word(text), "（", code(listedAfterRoc), "）");
}

form.by.addEventListener("change", () => {
  element("value-label").textContent = `${form.by.selectedOptions[0].textContent}：`;
  form.value.value = "";
  element("found").hidden = true;
  clearMessage();
});

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const [by, value] = [form.by.value, form.value.value];
  element("found").hidden = true;
  if (!value.trim()) return tellFields([{ pointer: "/value", code: "required" }], form);
  await busy(event.submitter ?? form.querySelector("button"), "查詢中…", async () => {
    const { cards, asOfRoc } = await post("/api/cards/status", { by, value });
    element("as-of").replaceChildren(word("查詢時間："), code(asOfRoc));
    element("none").hidden = cards.length > 0;
    element("cards-table").hidden = cards.length === 0;
    element("cards").replaceChildren(...cards.map((card) => make("tr", {},
      cell(code(card.cardNumber)), cell(make("strong", { textContent: card.stateWord })), cell(code(card.sinceRoc)), cell(listed(card)))));
    element("found").hidden = false;
    element("found").focus();
  }, form);
});

form.addEventListener("reset", () => {
  clearMessage();
  element("found").hidden = true;
  element("value-label").textContent = "卡號：";
});

async function lists() {
  const { lists: published, lastNightFailed } = await get("/api/cards/lists");
  element("failed").hidden = !lastNightFailed;
  const rows = published.map((list) => make("tr", {},
    cell(make("a", { href: list.address, download: "", textContent: list.address, translate: false })),
    cell(code(String(list.number))), cell(own(list.thisUpdateRoc)), cell(own(list.nextUpdateRoc))));
  const none = make("tr", {}, make("td", { colSpan: 4 }, word("尚未公布")));
  element("lists").replaceChildren(...(rows.length ? rows : [none]));
}

lists().catch(() => {});
