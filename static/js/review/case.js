// One case beside its facts, and what is done to it.

import { get, post } from "/js/service.js";
import { busy, element, phones, sheet, show, tell, tellFields } from "/js/page.js";
import { make, own } from "/js/make.js";
import { handover, letterList, logList, table } from "/js/review/parts.js";
import { visit } from "/js/review/places.js";

/// What may be done, in the order of the page: name, word, how its text is called, whether
/// grounds are chosen, and the letter that goes.
const ACTS = [
  ["approve", "核准", "審核結果：", false, "approve"],
  ["reject", "駁回", "審核結果：", true, "reject"],
  ["question", "通知補件（5個工作日）", "請申請人補充什麼：", true, "question"],
  ["extension", "延長審核", "延長原因：", false, "extension"],
  ["plan", "提請核可改善做法", "理由：", false, null],
  ["second-look", "請主管覆核", "請主管看什麼：", false, null],
  ["set-aside", "撤銷原處分，重新審核", "原因：", false, "set-aside"],
  ["assign", "指派", "", false, null],
  ["note", "內部註記（申請人看不到）", "註記：", false, null],
];
const form = element("act-form");
/// Refusals by which the page knows that it shows something old.
const STALE = ["case-changed", "case-not-open", "case-claimed", "case-waiting"];
/// Whether the letter was changed by hand: otherwise it follows what is typed.
let letterEdited = false;
/// What was typed for a case stays until it is sent.
const drafts = new Map();
let current = null;
let grounds = [];

const field = (name) => form.querySelector(`[data-field="${name}"]`);
const chosenAct = () => ACTS.find(([name]) => name === form.querySelector("[name=act]:checked")?.value);
const chosenGrounds = () => [...form.querySelectorAll("[name=ground]:checked")].map(({ value }) => value);

/** `next(id)` is the case after this one; `account(ubn)` shows a company's account. */
export function wireCase({ next, account }) {
  async function open(id) {
    visit("case", id);
    if (!grounds.length) ({ grounds } = await get("/api/review/grounds"));
    await render(await get(`/api/review/cases/${id}`));
  }

  async function render(found) {
    current = found;
    element("case-title").replaceChildren(`${found.kindWord}　`, own(found.companyName), `　${found.stateWord}`);
    element("case-facts").replaceChildren(...facts(found, { account, open }));
    for (const act of ["claim", "release"]) element(act).hidden = !found.may.includes(act);
    renderActs(found);
    show("case");
    element("case-title").focus();
  }

  async function send(act, said) {
    const path = ["approve", "reject"].includes(act) ? "decision" : act;
    const { serialNumber, revision } = current;
    const found = await post(`/api/review/cases/${serialNumber}/${path}`, { ...said, seen: revision }).catch(async (trouble) => {
      // What was typed stays; what has changed is shown.
      if (STALE.includes(trouble.code)) await open(serialNumber);
      throw trouble;
    });
    drafts.delete(found.serialNumber);
    await render(found);
    return found;
  }

  for (const act of ["claim", "release"]) {
    element(act).addEventListener("click", (event) =>
      busy(event.target, "處理中…", async () => {
        // What was typed goes on.
        const draft = drafts.get(current.serialNumber);
        const found = await send(act, {});
        if (draft) drafts.set(found.serialNumber, draft);
        restore(found);
      }, form));
  }

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const act = chosenAct();
    if (!act) return tellFields([{ pointer: "/act", code: "not-offered" }], form);
    const [name, word] = act;
    busy(element("act-button"), "送出中…", async () => {
      const found = await send(name, said(act));
      const following = next(found.serialNumber);
      const item = make("li");
      if (following) {
        const button = make("button", { type: "button", id: "next-case", textContent: "下一件" });
        button.addEventListener("click", () => busy(button, "讀取中…", () => open(following)));
        item.append(button);
      }
      tell(`${word}：已完成`, found.companyName, { good: true, items: following ? [item] : [] });
      element("next-case")?.focus();
    }, form);
  });

  form.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && event.ctrlKey) form.requestSubmit();
  });
  form.addEventListener("input", ({ target }) => {
    if (target.closest("#letter")) letterEdited = true;
    keep();
  });
  form.addEventListener("change", (event) => {
    if (event.target.name === "act") showFields();
    else if (element("letter").open && !letterEdited && !event.target.closest("#letter")) preview().catch(() => {});
    keep();
  });
  element("letter").addEventListener("toggle", () => {
    if (element("letter").open) preview().catch(() => {});
  });

  return { open };
}

/** What goes with an act. */
function said([name, , , withGrounds, letter]) {
  if (name === "assign") return { officer: Number(element("assignee").value) };
  const document = { text: element("result").value };
  if (withGrounds) document.grounds = chosenGrounds();
  if (["approve", "reject"].includes(name)) document.decision = name;
  if (name === "extension") {
    const days = Number(element("days").value);
    // What is no such number is left out: the service says so, beside whatever else is wrong.
    if (Number.isInteger(days) && days >= 0 && days < 1000) document.days = days;
  }
  if (letter && element("letter").open && letterEdited) {
    document.letter = { subject: element("letter-subject").value, body: element("letter-body").value };
  }
  return document;
}

/** The letter that would go, to be changed. */
async function preview() {
  const act = chosenAct();
  if (!act?.[4]) return;
  const document = { about: act[4], text: element("result").value, grounds: act[3] ? chosenGrounds() : [] };
  if (act[0] === "extension") document.days = Number(element("days").value) || 1;
  const letter = await post(`/api/review/cases/${current.serialNumber}/letter-preview`, document);
  element("letter-subject").value = letter.subject;
  element("letter-body").value = letter.body;
}

function keep() {
  if (!current) return;
  drafts.set(current.serialNumber, {
    act: chosenAct()?.[0], grounds: chosenGrounds(), text: element("result").value, days: element("days").value,
  });
}

function renderActs(found) {
  const acts = ACTS.filter(([name]) => found.may.includes(name));
  form.hidden = !acts.length;
  element("acts").replaceChildren(...acts.map(([name, word]) =>
    make("label", { className: "choice" }, make("input", { type: "radio", id: `act-${name}`, name: "act", value: name }), ` ${word}`)));
  const fitting = grounds.filter(({ kinds }) => kinds.includes(found.kind));
  element("grounds").replaceChildren(...fitting.map(({ name, word }) =>
    make("label", { className: "choice" }, make("input", { type: "checkbox", id: `ground-${name}`, name: "ground", value: name }), ` ${word}`)));
  element("assignee").replaceChildren(...found.officers.map(({ id, name }) => new Option(name, id)));
  element("letter").open = false;
  restore(found);
}

function restore(found) {
  const draft = drafts.get(found.serialNumber);
  element("result").value = draft?.text ?? "";
  element("days").value = draft?.days ?? "";
  for (const input of form.querySelectorAll("[name=act]")) input.checked = input.value === draft?.act;
  for (const input of form.querySelectorAll("[name=ground]")) input.checked = draft?.grounds.includes(input.value) ?? false;
  showFields();
}

/** Only what belongs to the act. */
function showFields() {
  const [name, , label, withGrounds, letter] = chosenAct() ?? ["", "", "審核結果：", false, null];
  field("grounds").hidden = !withGrounds;
  field("days").hidden = name !== "extension";
  field("officer").hidden = name !== "assign";
  field("result").hidden = name === "assign" || !name;
  element("result-label").textContent = label;
  element("letter").hidden = !letter;
  element("letter").open = false;
  letterEdited = false;
  for (const error of form.querySelectorAll(".error")) error.textContent = "";
  for (const input of form.querySelectorAll("[aria-invalid]")) input.removeAttribute("aria-invalid");
}

function facts(found, { account, open }) {
  const sheetOf = make("dl");
  const due = found.due && `${found.due}（${found.daysLeft < 0 ? `逾期${-found.daysLeft}個工作日` : `剩${found.daysLeft}個工作日`}${found.holidaysKnown ? "" : "，未扣除國定假日"}）`;
  sheet(sheetOf, [
    ["S/N", found.serialNumber, "copy"],
    ["申請事項", found.kindWord],
    ["申請日期", found.submittedAtRoc],
    ["到期日", due || (found.waiting ? "等候申請人補件，暫停計算" : "")],
    ["承辦人", found.assignedName],
    ["請主管覆核", found.secondLook],
    [found.ubn ? "公司名稱" : "機關(構)名稱", found.companyName],
    ["營利事業統一編號", found.ubn],
    ["組織OID", found.organisation, "mono"],
    ["聯絡人", found.contactName],
    ["聯絡電話", phones(found)],
    ["電子信箱", found.email],
    ["連線主機網路位址", found.hostAddress],
    ["申請目的/原因", found.reason],
    ["審核日期", found.decidedAtRoc],
    ["審核結果", found.result],
  ]);
  const toAccount = make("button", { type: "button", className: "small", textContent: "查看帳號" });
  toAccount.addEventListener("click", () => busy(toAccount, "讀取中…", () => account(found.ubn)));
  const parts = [sheetOf];
  if (found.proposed) parts.push(make("p", { className: "progress", textContent: "已提請覆核，待另一位主管於「待覆核事項」決定。" }));
  const section = (title, content) => parts.push(make("h3", { textContent: title }), content);
  if (found.handover) section("統一編號變更", handover(found, { account, open }));
  if (found.changes.length) section("修改前後", table(["項目", "修改前", "修改後"], found.changes.map(({ name, before, after }) => [name, own(before), own(after)])));
  section("查核資料", table(["項目", "內容", "來源", "日期"], found.facts.map((fact) =>
    [`${fact.notable ? "⚠ " : ""}${fact.name}`, own(fact.text), fact.source, fact.at ?? ""])));
  if (found.facts.some(({ name, text }) => name === "帳號狀態" && text !== "尚無帳號")) parts.push(make("p", { className: "buttons" }, toAccount));
  if (found.questions.length) section("補件", table(["通知日期", "理由", "說明", "期限", "補件日期"], found.questions.map((question) =>
    [`${question.askedAt} `, question.grounds.join("、"), own(question.text), `${question.until ?? ""}${question.late ? "（已逾期，未自動駁回）" : ""}`, question.answeredAt ?? ""])));
  if (found.history.length) section("其他案件", table(["申請事項", "申請日期", "狀態"], found.history.map((past) => [past.kindWord, past.submittedAtRoc, past.stateWord])));
  if (found.notes.length) section("內部註記", table(["日期", "人員", "內容"], found.notes.map((note) => [note.writtenAt, own(note.writtenBy), own(note.text)])));
  if (found.letters.length) section("信件", letterList(found.letters));
  section("辦理歷程", logList(found.log));
  return parts;
}
