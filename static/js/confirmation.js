// 自然人憑證用戶身分確認服務: sign-in, the state of services, the annex as a form and on paper.

import init, { checkConfirmationField, checkUbn } from "/wasm/confirmation.js";
import { offerUndo, tellAsked } from "/js/draft-notes.js";
import { draftOf } from "/js/drafts.js";
import { looksLikeKey } from "/js/key-file.js";
import { make, own } from "/js/make.js";
import { busy, confirmed, clearMessage, element, markField, rocDay, sheet, show, tell, tellFields, tellTrouble } from "/js/page.js";
import { Trouble, get, post, sign, signIn, signOut } from "/js/service.js";

const checks = init({ module_or_path: "/wasm/confirmation_bg.wasm" });
const form = element("annex-form");
const FIELDS = [...form.elements].map(({ name }) => name).filter(Boolean);
/** Larger files are no certificates. */
const MAX_FILE = 64 << 10;
const START = "confirmation-start";
let card = "organisation";
let status = null;
let who = null;
let kind = START;
let unlisted = false;
let answers = null;
let file = "";
/** Why the file that was chosen last cannot be sent: a code or words; empty when it can. */
let fileProblem = "required";
/** The serial number of the certificate in it, once the service has seen it. */
let seenSerial = "";
/** The last day on which that certificate is valid, `YYYY-MM-DD`. */
let seenEnd = "";
/** What the page last put into the field of the serial number. */
let filledSerial = "";

for (const choice of element("sign-in-form").elements.card) {
  choice.addEventListener("change", () => { element("company-row").hidden = choice.value !== "company"; });
}

element("sign-in-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  await checks;
  card = event.target.elements.card.value;
  let document = { as: "organisation" };
  if (card === "company") {
    const outcome = JSON.parse(checkUbn(event.target.ubn.value));
    if (outcome.errors) return tellFields(outcome.errors, event.target);
    document = { as: "company", ubn: outcome.accepted };
  }
  await busy(event.submitter, "正在與讀卡元件連線…", async () => {
    ({ who } = await signIn(document, card));
    await refresh();
  }, event.target);
});

/** Signs this applicant in, unless that is so. */
async function signedIn() {
  const current = await get("/api/session").catch(() => ({}));
  if (current.who?.as === who.as && (current.who.ubn ?? current.who.organisation) === (who.ubn ?? who.organisation)) return;
  await signIn(card === "company" ? { as: "company", ubn: who.ubn } : { as: "organisation" }, card);
}

async function refresh() {
  status = await get("/api/confirmation/status");
  sheet(element("who-sheet"), [["機關(構)名稱", who.name], ["代碼", status.applicant, "mono"]]);
  element("services").replaceChildren(...(status.services.length ? status.services.map(service) : [make("p", { textContent: "目前沒有核准的服務。" })]));
  element("cases").replaceChildren(...(status.cases.length ? status.cases.map(row) : [make("p", { textContent: "目前沒有案件。" })]));
  // Whether an organisation's card is GCA's, whose holders need not be on the list, the
  // application will tell.
  unlisted = card === "company" && !status.supervised;
  element("start-new").disabled = status.openCase || unlisted;
  // Only what was neither stopped nor is to be can be.
  element("stop-new").disabled = status.openCase || status.services.every(({ closesOn, stoppedAt }) => closesOn || stoppedAt);
  showStatus();
}

/** The services and cases, and what is expected of the applicant. */
function showStatus() {
  show("status");
  if (status.asked) {
    tellAsked(status.asked, form);
    element("message").append(make("div", { className: "buttons" }, answerButton("")));
  } else if (status.openCase) tell("尚有案件受理中", "待有審核結果後再申請。", { good: true });
  else if (unlisted) tell("此機構不在受監督機構名單內", "用戶身分確認服務限政府機關及受金融監督管理委員會監督之金融服務業申請，如有疑問請洽內政部。");
}

/** Leads to the form of the case that was asked about, with what it is about. */
function answerButton(className) {
  const button = make("button", { type: "button", className, textContent: "補件" });
  button.addEventListener("click", () => {
    fillForm(status.asked.case.kind, status.asked.case, status.asked.case.serialNumber);
    tellAsked(status.asked, form);
  });
  return button;
}

function service(one) {
  const list = make("dl", {});
  sheet(list, [
    ["應用系統中文名稱", one.systemName],
    ["伺服器憑證序號", one.serverSerial, "mono"],
    ["服務狀態", one.stateWord, "word"],
    ["開放日期", one.opensOn],
    ["停用日期", one.closesOn],
    ["伺服器憑證有效期限", one.certificateEnds],
    ["停止服務日期", one.stoppedAt],
    ["停止服務理由", one.stopGround, "word"],
    ["說明", one.stopReason],
  ]);
  return make("div", { className: "service" }, list, ...one.demands.map(demand));
}

function demand(one) {
  const list = make("dl", {});
  const result = one.open && one.answer ? "已回覆，待審核" : one.open ? "待辦理" : one.met ? "已辦理" : "未辦理";
  sheet(list, [["要求事項", one.kindWord, "word"], ["要求內容", one.text], ["期限", one.dueOn], ["回覆", one.answer], ["辦理情形", result, "word"]]);
  const place = make("div", {}, list);
  if (!one.open) return place;
  const id = `demand-${one.number}`;
  const answer = make("form", { className: "no-print", noValidate: true },
    make("div", { className: "field" }, make("label", { className: "required", htmlFor: id, textContent: one.answer ? "補充回覆：" : "回覆內容：" }), make("span", { className: "error" }), make("textarea", { id, name: "text", rows: 3 })),
    make("div", { className: "buttons" }, make("button", { type: "submit", textContent: "送出回覆" })));
  answer.firstElementChild.dataset.field = "result";
  answer.addEventListener("submit", async (event) => {
    event.preventDefault();
    await busy(event.submitter, "送出中…", async () => {
      await post(`/api/confirmation/demands/${one.number}/answer`, { text: answer.elements.text.value });
      await refresh();
      tell("回覆已送出", "請等候審核；結果將以電子郵件通知。", { good: true });
    }, answer);
  });
  place.append(answer);
  return place;
}

function row(one) {
  const list = make("dl", {});
  sheet(list, [["申請項目", one.kindWord, "word"], ["S/N", one.serialNumber, "mono"], ["應用系統中文名稱", one.systemName], ["申請日期", one.submittedAtRoc],
    [one.decidedAtRoc ? "審核結果" : "案件狀態", result(one), "word"], ...one.grounds.map((ground) => ["理由", ground.word, ground]), ["說明", one.result], ["審核日期", one.decidedAtRoc]]);
  const look = make("button", { type: "button", className: "small", textContent: "申請表" });
  look.addEventListener("click", () => paper(one));
  const buttons = make("div", { className: "buttons" }, look);
  const place = make("div", { className: "service" }, list, buttons);
  if (isAsked(one)) buttons.prepend(answerButton("small"));
  if (one.cancellableUntil) {
    const cancel = make("button", { type: "button", className: "small secondary", textContent: "取消申請" });
    cancel.addEventListener("click", () => busy(cancel, "取消中…", async () => {
      await post(`/api/cases/${one.serialNumber}/cancel`, {});
      await refresh();
      tell("取消成功", "", { good: true });
    }));
    buttons.append(cancel);
  }
  return place;
}

const isAsked = ({ serialNumber }) => status.asked?.case.serialNumber === serialNumber;

const result = (one) => (isAsked(one) ? "待補件" : ({ approved: "同意", rejected: "不同意" })[one.state] ?? one.stateWord);

/** The annex as the ministry's table, for printing and the seal. */
function paper(one) {
  const th = (text, span = 1) => make("th", { scope: "row", textContent: text, rowSpan: span });
  const td = (text, columns = 1) => make("td", { colSpan: columns }, own(text ?? ""));
  const line = (...cells) => make("tr", {}, ...cells);
  const person = (word, { name, title, unit, email, phone, fax }) => [
    line(th(word, 3), th("姓名"), td(name), th("職稱"), td(title)),
    line(th("單位"), td(unit), th("E-mail"), td(email)),
    line(th("電話"), td(phone), th("傳真"), td(fax)),
  ];
  const begins = one.kind === START;
  const day = begins ? `自${one.dayRoc}至伺服器憑證有效期限日止（${one.certificateEnds}）` : one.dayRoc;
  const box = (checked) => (checked ? "☑" : "☐");
  const table = make("table", { className: "annex" },
    line(th("機關(構)名稱"), td(one.organisationName, 4)),
    line(th("機關(構)地址"), td(one.organisationAddress, 4)),
    line(th("應用系統中文名稱"), td(one.systemName, 4)),
    line(th("伺服器憑證序號"), td(one.serverSerial, 4)),
    ...person("聯絡人", one.contact), ...person("代理人", one.deputy),
    line(th(begins ? "啟用" : "停用", 2), th(begins ? "預定開放日期" : "預定停用日期"), td(day, 3)),
    line(th(begins ? "應用系統概述" : "停用原因"), td(one.text, 3)),
    line(th("申請機關(構)關防"), make("td", { className: "seal", colSpan: 2 }), th("審核結果"), make("td", {},
      make("p", {}, box(one.state === "approved"), " ", make("span", { textContent: "同意" })),
      make("p", {}, box(one.state === "rejected"), " ", make("span", { textContent: "不同意" })),
      ...one.grounds.map(({ word, english }) => make("p", { textContent: word, "data-english": english })),
      make("p", {}, make("span", { textContent: "說明：" }), own(one.result ?? "")))));
  const list = make("dl", {});
  sheet(list, [["S/N", one.serialNumber, "mono"], ["申請日期", one.submittedAtRoc], ["申請要點", `${one.termsVersion}年版`]]);
  element("annex-table").replaceChildren(table, list);
  show("annex");
}

element("start-new").addEventListener("click", () => fillForm(START, { organisationName: who.name }));
element("stop-new").addEventListener("click", () => {
  const last = status.services.find(({ state }) => state === "open" || state === "waiting");
  fillForm("confirmation-stop", { organisationName: who.name, systemName: last?.systemName, serverSerial: last?.serverSerial });
});

const typed = () => Object.fromEntries(FIELDS.map((name) => [name, form.elements[name].value]));
const draft = () => draftOf(status.applicant, answers ? "confirmation-answer" : kind);
/** The days that count: an answer belongs to the application that was in time. */
const days = () => (answers ? status.asked : status);
/// The form is emptied by the page, not by 清除.
let filling = false;

function fill(values) {
  for (const [name, text] of Object.entries(values)) {
    if (FIELDS.includes(name)) form.elements[name].value = text ?? "";
  }
}

function fillForm(which, known, answered = null) {
  [kind, answers] = [which, answered];
  filling = true;
  form.reset();
  filling = false;
  const people = Object.entries({ contact: known.contact ?? {}, deputy: known.deputy ?? {} }).flatMap(([prefix, person]) =>
    Object.entries(person).map(([name, text]) => [prefix + name[0].toUpperCase() + name.slice(1), text]));
  const kept = draft().kept();
  fill({ ...known, ...Object.fromEntries(people), ...kept });
  const begins = kind === START;
  element("certificate-row").hidden = !begins;
  element("kind-word").textContent = begins ? "啟用" : "停用";
  element("day-label").textContent = begins ? "預定開放日期：" : "預定停用日期：";
  element("day").min = days().earliestDay;
  element("day-hint").textContent = begins ? "須於一個月前申請；至伺服器憑證有效期限日止。" : "須於一個月前申請。";
  element("serverSerial-hint").textContent = begins ? "選擇憑證檔案後自動帶入；16進位數字，可含冒號或空格" : "16進位數字，可含冒號或空格";
  element("text-label").textContent = begins ? "應用系統概述：" : "停用原因：";
  element("text-hint").hidden = !begins;
  show("form");
  if (kept) tell("已帶入上次尚未送出的資料", "資料只存在這台電腦的瀏覽器，七天後再開啟本網站時刪除；不需要時請按「清除」。憑證檔案請重新選擇。", { good: true });
}

element("certificateFile").addEventListener("change", async ({ target }) => {
  forgetFile();
  const bytes = target.files[0] ? new Uint8Array(await target.files[0].arrayBuffer()) : new Uint8Array();
  if (target.files[0] && !bytes.length) fileProblem = "檔案是空的，請重新選擇 *.cer 憑證檔案。";
  else if (bytes.length > MAX_FILE) fileProblem = "檔案過大，不是憑證檔案。請選擇 *.cer 憑證檔案。";
  // A key is told at once: it never leaves the computer.
  else if (looksLikeKey(bytes)) fileProblem = "private-key-chosen";
  else if (bytes.length) {
    file = btoa(String.fromCharCode(...bytes));
    fileProblem = "";
    await lookAt(file);
  }
  await markField(target, fileProblem === "required" ? undefined : fileProblem);
});

function forgetFile() {
  file = "";
  fileProblem = "required";
  seenSerial = seenEnd = "";
  element("preview").hidden = true;
}

/** Asks what is in the file, so that a wrong one is told before the card signs. */
async function lookAt(taken) {
  let seen;
  try {
    seen = await post("/api/confirmation/certificate-previews", { certificateFile: taken });
  } catch (trouble) {
    // Without an answer it is judged when it is sent.
    if (!(trouble instanceof Trouble) || trouble.status !== 422) return tellTrouble(trouble, form);
    seen = { problem: { title: trouble.message, detail: trouble.advice } };
  }
  if (file !== taken) return;
  fileProblem = seen.problem ? `${seen.problem.title}。${seen.problem.detail}` : "";
  if (!seen.serialNumber) return;
  sheet(element("preview-sheet"), [
    ["憑證主體", seen.subject],
    ["憑證簽發者", seen.issuer],
    ["憑證序號", seen.serialNumber, "mono"],
    ["有效迄止日期", seen.notAfter.replace(/(..)(..)$/, "/$1/$2")],
  ]);
  element("preview").hidden = false;
  if (fileProblem) return;
  seenSerial = seen.serialNumber;
  seenEnd = seen.notAfter.replace(/(.+)(..)(..)$/, (_, year, month, day) => `${Number(year) + 1911}-${month}-${day}`);
  if (form.elements.day.value) await judge(form.elements.day, true);
  const field = form.elements.serverSerial;
  if (!field.value || field.value === filledSerial) {
    field.value = filledSerial = seenSerial;
    draft().keep(typed());
  }
  await judge(field, true);
}

/** The server's verdict on a field; for serial number and day the certificate counts as well. */
function verdict(name, text) {
  const outcome = JSON.parse(checkConfirmationField(name, text, days().today));
  const wrong = (code) => ({ errors: [{ pointer: `/${name}`, code }] });
  if (!outcome.accepted || !seenSerial) return outcome;
  if (name === "serverSerial" && outcome.accepted !== seenSerial) return wrong("serial-differs");
  if (name === "day" && outcome.accepted > seenEnd) return wrong("day-after-certificate");
  return outcome;
}

/** Judges one field as the server will. */
async function judge(target, final) {
  await checks;
  const outcome = verdict(target.name, target.value);
  await markField(target, outcome.errors?.[0].code);
  if (final && outcome.accepted) target.value = outcome.accepted;
}

// Once it is right again, it says so at once: not only when the field is left, when a click would
// miss its button.
form.addEventListener("input", ({ target }) => {
  if (!FIELDS.includes(target.name)) return;
  // Whoever goes on does not take it back.
  if (element("undo")) clearMessage();
  draft().keep(typed());
  if (target.getAttribute("aria-invalid")) judge(target, false);
});

form.addEventListener("change", ({ target }) => {
  if (!FIELDS.includes(target.name)) return;
  // Also what was filled in without a key: by the browser, or emptied.
  draft().keep(typed());
  if (target.value) judge(target, true);
});

form.addEventListener("reset", () => {
  forgetFile();
  clearMessage();
  const before = typed();
  if (filling || !Object.values(before).some(Boolean)) return;
  draft().forget();
  offerUndo(() => {
    fill(before);
    draft().keep(before);
  });
});

/** What will be signed, field by field as the server will judge it, and what is wrong. */
function judged() {
  const signed = { kind, applicant: status.applicant, agreed: status.terms };
  const errors = [];
  for (const [name, text] of Object.entries(typed())) {
    const { accepted, errors: found } = verdict(name, text);
    if (found) errors.push(...found);
    signed[name] = accepted;
  }
  if (kind === START) {
    signed.certificateFile = file;
    if (fileProblem) errors.push({ pointer: "/certificateFile", code: fileProblem });
  }
  if (answers) signed.answers = answers;
  if (!element("agreed").checked) errors.push({ pointer: "/agreed", code: "not-agreed" });
  return { errors, signed };
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  await checks;
  // What was refused may be right by now: a list that was late, a certificate not valid yet.
  if (file && fileProblem) await lookAt(file);
  const { errors, signed } = judged();
  if (errors.length) return tellFields(errors, form);
  clearMessage();
  sheet(element("confirm-sheet"), [
    ["申請項目", kind === START ? "啟用" : "停用", "word"],
    ["機關(構)名稱", signed.organisationName],
    ["機關(構)地址", signed.organisationAddress],
    ["應用系統中文名稱", signed.systemName],
    ["伺服器憑證序號", signed.serverSerial, "mono"],
    ["聯絡人", [signed.contactName, signed.contactTitle, signed.contactUnit, signed.contactEmail, signed.contactPhone, signed.contactFax].join("、")],
    ["代理人", [signed.deputyName, signed.deputyTitle, signed.deputyUnit, signed.deputyEmail, signed.deputyPhone, signed.deputyFax].join("、")],
    [kind === START ? "預定開放日期" : "預定停用日期", rocDay(signed.day)],
    [kind === START ? "應用系統概述" : "停用原因", signed.text],
    ["申請要點", `${signed.agreed.version}年版`],
  ]);
  if (!(await confirmed())) return;
  await busy(element("apply-button"), "正在與讀卡元件連線…", async () => {
    await signedIn();
    const receipt = await post("/api/confirmation/applications", await sign(card, "apply", signed));
    draft().forget();
    await refresh();
    const sent = status.cases.find(({ serialNumber }) => serialNumber === receipt.serialNumber);
    paper(sent);
    tell("申請已受理", "請列印申請表用印（關防）後送達內政部；審核結果將以電子郵件通知。", { good: true });
  }, form);
});

for (const id of ["open-terms", "open-terms-2"]) {
  element(id).addEventListener("click", () => element("terms").showModal());
}
element("terms-read").addEventListener("click", () => {
  element("terms").close();
  element("agreed").disabled = false;
});
element("back").addEventListener("click", showStatus);
element("annex-back").addEventListener("click", showStatus);
element("print").addEventListener("click", () => window.print());
element("sign-out").addEventListener("click", (event) => busy(event.target, "登出中…", async () => {
  await signOut();
  show("sign-in");
}));
