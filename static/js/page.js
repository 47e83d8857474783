// What every page does: show one section, say what is going on, say what went wrong.

import { sweep } from "/js/drafts.js";
import { Trouble, fieldText } from "/js/service.js";

sweep();

export const element = (id) => document.getElementById(id);

/** Shows one of the page's sections and moves the focus to its heading. */
export function show(id) {
  for (const section of document.querySelectorAll("main > section")) {
    section.hidden = section.id !== id;
  }
  clearMessage();
  const heading = element(id).querySelector("h1") ?? document.querySelector("h1");
  heading.tabIndex = -1;
  heading.focus({ preventScroll: true });
  window.scrollTo(0, 0);
}

export function clearMessage() {
  const message = element("message");
  message.hidden = true;
  message.replaceChildren();
  message.classList.remove("good");
  for (const error of document.querySelectorAll(".error")) error.textContent = "";
  for (const input of document.querySelectorAll("[aria-invalid]")) input.removeAttribute("aria-invalid");
}

function make(name, text) {
  const made = document.createElement(name);
  made.textContent = text;
  return made;
}

/** A message at the top of the page, which takes the focus. */
export function tell(title, advice, { good = false, items = [], link = null } = {}) {
  const message = element("message");
  message.classList.toggle("good", good);
  message.replaceChildren(make("h2", title));
  if (advice) message.append(make("p", advice));
  if (link) {
    const [href, text, target = ""] = link;
    const place = document.createElement("p");
    place.append(Object.assign(make("a", text), { href, target }));
    message.append(place);
  }
  if (items.length) {
    const list = document.createElement("ul");
    list.append(...items);
    message.append(list);
  }
  message.hidden = false;
  message.focus();
  message.scrollIntoView({ block: "start" });
}

/** Marks one field as wrong for this reason, or as right without one. */
export async function markField(input, code) {
  const error = input.closest(".field").querySelector(".error");
  input.toggleAttribute("aria-invalid", Boolean(code));
  if (code) input.setAttribute("aria-invalid", "true");
  if (error) error.textContent = code ? await fieldText(code) : "";
}

/** Marks the fields that are wrong; returns links to them for the summary. */
async function markFields(fields, form) {
  const items = [];
  for (const { pointer, code, message } of fields) {
    const name = pointer.slice(1);
    const text = message ?? (await fieldText(code));
    const row = form?.querySelector(`[data-field="${CSS.escape(name)}"]`);
    const input = row?.querySelector("input, select, textarea");
    const label = row?.querySelector("legend, label")?.textContent.trim().replace(/[：:。]$/, "").trim() ?? name;
    if (input) {
      input.setAttribute("aria-invalid", "true");
      const error = row.querySelector(".error");
      if (error) error.textContent = text;
    }
    const link = make("a", `${label}：${text}`);
    link.href = input ? `#${input.id}` : "#message";
    link.addEventListener("click", (event) => {
      event.preventDefault();
      // What is not open yet has a button that opens it.
      (input?.disabled ? row.querySelector("button") : input)?.focus();
    });
    const item = document.createElement("li");
    item.append(link);
    items.push(item);
  }
  return items;
}

/** Where a trouble is put right; beside this page, which keeps what was typed. */
const RESUMED = ["/suspend/#resume", "憑證IC卡停復用", "_blank"];
const CURES = {
  "card-on-hold": RESUMED,
  "upload-card-on-hold": RESUMED,
  "not-registered": ["/delegate/#register", "首次註冊"],
};

export async function tellTrouble(trouble, form) {
  clearMessage();
  if (!(trouble instanceof Trouble)) {
    console.error(trouble);
    tell("網頁發生錯誤", "請重新整理網頁後再試一次。");
    return;
  }
  // To where that can be put right, unless something typed would be out of sight.
  if (trouble.code === "not-signed-in" && !form && element("sign-in")) show("sign-in");
  const items = await markFields(trouble.fields, form);
  tell(trouble.label + trouble.message, trouble.advice, { items, link: CURES[trouble.code] });
}

export async function tellFields(fields, form) {
  clearMessage();
  tell("資料有誤，尚未送出", "請修正下列欄位：", { items: await markFields(fields, form) });
}

/** Does something slow once: says so, blocks the button, and tells what went wrong. */
export async function busy(button, text, act, form) {
  if (button.disabled) return;
  const progress = element("progress");
  button.disabled = true;
  clearMessage();
  progress.textContent = text;
  progress.hidden = false;
  try {
    await act();
  } catch (trouble) {
    await tellTrouble(trouble, form);
  } finally {
    progress.hidden = true;
    button.disabled = false;
  }
}

/** Asks 確定／取消; resolves to whether it was 確定. */
export function confirmed() {
  const dialog = element("confirm");
  return new Promise((resolve) => {
    const answer = (yes) => () => dialog.close(yes ? "yes" : "no");
    element("confirm-yes").onclick = answer(true);
    element("confirm-no").onclick = answer(false);
    dialog.onclose = () => resolve(dialog.returnValue === "yes");
    dialog.returnValue = "no";
    dialog.showModal();
  });
}

/** A button that copies a text and says so. */
function copier(name, value) {
  const button = make("button", "複製");
  button.type = "button";
  button.className = "small";
  button.setAttribute("aria-label", `複製${name}`);
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(value);
      button.textContent = "已複製";
    } catch {
      button.textContent = "無法複製";
    }
    setTimeout(() => (button.textContent = "複製"), 2000);
  });
  return button;
}

/** A value that nobody may read over the shoulder: hidden until it is asked for. */
function secret(name, value) {
  const text = Object.assign(make("span", "•".repeat(value.length)), { translate: false });
  text.className = "mono";
  const button = make("button", "顯示");
  button.type = "button";
  button.className = "small";
  button.setAttribute("aria-pressed", "false");
  button.setAttribute("aria-label", `顯示${name}`);
  button.addEventListener("click", () => {
    const shown = button.getAttribute("aria-pressed") !== "true";
    button.setAttribute("aria-pressed", String(shown));
    button.textContent = shown ? "隱藏" : "顯示";
    text.textContent = shown ? value : "•".repeat(value.length);
  });
  return [text, " ", button, " ", copier(name, value)];
}

const isEmpty = (value) => value === null || value === undefined || value === "";

/**
 * Fills an element with a value: "word" (one of the service's own), "mono", "copy" (with a
 * button) or "secret" (hidden until it is asked for). All but words are what somebody typed
 * or was given: never translated, and in a direction of their own.
 */
function fill(place, name, value, how) {
  if (how === "secret") {
    place.append(...secret(name, value));
    return place;
  }
  const brought = how?.english;
  const text = how === "word" || brought ? make("span", value) : Object.assign(make("bdi", value), { translate: false });
  if (brought) text.dataset.english = brought;
  place.append(text);
  text.classList.toggle("mono", how === "mono" || how === "copy");
  if (how === "copy") place.append(" ", copier(name, value));
  return place;
}

/** Fills a sheet with rows of a name, a value and how it is shown. Empty values are left out. */
export function sheet(target, rows) {
  target.classList.add("sheet");
  target.replaceChildren();
  for (const [name, value, how] of rows) {
    if (isEmpty(value)) continue;
    target.append(make("dt", `${name}：`), fill(make("dd", ""), name, value, how));
  }
  return target;
}

/** A table of groups (公司資訊, 聯絡資訊 …), each with such rows; a row may have no name. */
export function groups(all) {
  const table = document.createElement("table");
  table.className = "groups";
  for (const [title, rows] of all) {
    const row = table.insertRow();
    row.append(Object.assign(make("th", title), { scope: "row" }));
    const cell = row.insertCell();
    for (const [name, value, how] of rows) {
      if (isEmpty(value)) continue;
      const line = make("p", "");
      if (name) line.append(make("span", `${name}：`));
      cell.append(fill(line, name, value, how));
    }
  }
  return table;
}

/** A day as the manuals write it: 115/11/28. */
export const rocDay = (day) => day && [day.slice(0, 4) - 1911, day.slice(5, 7), day.slice(8)].join("/");

export const phones = ({ landline, mobile }) =>
  [landline && `(市話) ${landline}`, mobile && `(手機) ${mobile}`].filter(Boolean).join(" ");
