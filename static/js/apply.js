// API介接服務申請: notice, sign-in, kind, form, confirmation, signature, receipt.

import init, { checkApplication, checkField, checkUbn, reasonLeft } from "/wasm/client.js";
import { draftOf } from "/js/drafts.js";
import { fillReceipt } from "/js/receipt.js";
import { config, get, post, sign, signIn } from "/js/service.js";
import {
  busy, clearMessage, confirmed, element, markField, show, tell, tellFields, tellTrouble,
} from "/js/page.js";

const checks = init({ module_or_path: "/wasm/client_bg.wasm" });
let ubn = "";
let kind = "";
let account = null;

const form = element("application-form");
const data = (target) => Object.fromEntries(new FormData(target));
const FIELDS = ["companyName", "hostAddress", "contactName", "landline", "mobile", "email", "reason"];
const typed = () => Object.fromEntries(FIELDS.map((name) => [name, form[name].value]));

element("notice-read").addEventListener("click", () => show("sign-in"));
for (const button of document.querySelectorAll("[data-back]")) {
  button.addEventListener("click", () => show(button.dataset.back));
}

element("sign-in-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  await checks;
  const outcome = JSON.parse(checkUbn(data(event.target).ubn));
  if (outcome.errors) return tellFields(outcome.errors, event.target);
  await busy(event.submitter, "請在讀卡元件的視窗確認內容並輸入PIN碼…", async () => {
    const { who } = await signIn({ as: "company", ubn: outcome.accepted });
    // Another company's data must not stay in the form.
    if (ubn && ubn !== who.ubn) {
      kind = "";
      form.reset();
    }
    ubn = who.ubn;
    for (const place of document.querySelectorAll("[data-ubn]")) place.textContent = ubn;
    if (!form.companyName.value) form.companyName.value = who.name;
    await offerKinds();
  }, event.target);
});

async function offerKinds() {
  const { openCase, offered } = await get("/api/standing");
  if (openCase || !offered.length) {
    show("sign-in");
    if (openCase) tell("[WARNING-02] 申請失敗", "尚有案件受理中！請至「API介接服務進度查詢」查看案件。");
    else tell("目前沒有可申請的事項", "請洽內政部戶政司。");
    return;
  }
  element("kind-select").replaceChildren(...offered.map(({ kind, word }) => new Option(word, kind)));
  account = (await get("/api/cases")).account;
  show("kind");
}

element("kind-form").addEventListener("submit", (event) => {
  event.preventDefault();
  kind = element("kind-select").value;
  const upload = kind === "certificate-upload";
  element("certificate-row").hidden = !upload;
  element("possession-row").hidden = !upload;
  const kept = upload ? null : draftOf(ubn, kind).kept();
  const fixedName = account && kind !== "data-change";
  for (const name of FIELDS.filter((name) => name !== "reason")) {
    if (account && !form[name].value) form[name].value = account[name] ?? "";
    // An upload changes nothing but the certificate.
    form[name].readOnly = upload;
    if (upload) form[name].value = account?.[name] ?? "";
  }
  // What was emptied stays empty.
  for (const name of FIELDS) if (kept && name in kept) form[name].value = kept[name];
  if (fixedName) form.companyName.value = account.companyName;
  countReason();
  show("form");
  if (kept) tell("已帶入上次尚未送出的資料", "資料只存在這台電腦的瀏覽器，七天後再開啟本網站時刪除；不需要時請按「清除」。", { good: true });
});

/** Says how much may still be typed under 使用目的/原因. */
async function countReason() {
  await checks;
  const left = reasonLeft(form.reason.value);
  element("reason-left").textContent = left < 0 ? `已超過${-left}字` : `還可輸入${left}字`;
}

/** Judges one field as the server will, and shows its text as it will be signed. */
async function checkTyped(input) {
  await checks;
  const { environment } = await config();
  const outcome = JSON.parse(checkField(input.name, input.value, environment === "test"));
  await markField(input, outcome.errors?.[0].code);
  if (outcome.errors || outcome.accepted === input.value) return;
  const folded = outcome.accepted !== input.value.trim().normalize("NFC");
  input.value = outcome.accepted;
  if (folded) element("folded").textContent = `已自動轉換為「${outcome.accepted}」`;
}

function keep() {
  if (kind !== "certificate-upload") draftOf(ubn, kind).keep(typed());
}

form.addEventListener("input", ({ target }) => {
  if (!FIELDS.includes(target.name)) return;
  element("folded").textContent = "";
  keep();
  if (target.name === "reason") countReason();
  // Once it is right again, it says so at once.
  if (target.getAttribute("aria-invalid")) checkTyped(target);
});
form.addEventListener("change", ({ target }) => {
  if (!FIELDS.includes(target.name)) return;
  // Also what was filled in without a key: by the browser, or emptied.
  keep();
  if (target.value) checkTyped(target);
});

element("open-rules").addEventListener("click", () => element("rules").showModal());
element("rules-read").addEventListener("click", () => {
  element("rules").close();
  element("agreed").disabled = false;
});
form.addEventListener("reset", () => {
  clearMessage();
  const before = typed();
  if (!kind || !Object.values(before).some(Boolean)) return;
  const draft = draftOf(ubn, kind);
  draft.forget();
  element("folded").textContent = "";
  const undo = Object.assign(document.createElement("button"), { type: "button", className: "secondary", textContent: "復原" });
  undo.addEventListener("click", () => {
    for (const [name, value] of Object.entries(before)) form[name].value = value;
    draft.keep(before);
    clearMessage();
    countReason();
  });
  // After the form has been emptied.
  setTimeout(() => {
    countReason();
    tell("已清除", "", { good: true, items: [Object.assign(document.createElement("li"), { id: "undo" })] });
    element("undo").append(undo);
  });
});

async function draft() {
  const { landline, mobile, ...rest } = data(form);
  const { terms } = await config();
  return {
    kind,
    ubn,
    companyName: rest.companyName,
    hostAddress: rest.hostAddress,
    contactName: rest.contactName,
    landline,
    mobile,
    email: rest.email,
    reason: rest.reason,
    agreed: element("agreed").checked ? terms : null,
  };
}

async function base64(file) {
  const bytes = new Uint8Array(await file.arrayBuffer());
  return btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
}

/** The challenge that the system's key is to sign, once it was asked for. */
let possession = "";

element("possession-challenge").addEventListener("click", (event) =>
  busy(event.target, "取得簽章指令中…", async () => {
    const { challenge, command } = await post("/api/possession-challenges", {});
    possession = challenge;
    element("possession-command").textContent = command;
    element("possession-command").hidden = false;
  }, form));

/** What will be signed, or null when something is wrong (and was said). */
async function prepared() {
  await checks;
  const fields = await draft();
  if (kind !== "certificate-upload") {
    const { environment } = await config();
    const outcome = JSON.parse(checkApplication(JSON.stringify(fields), environment === "test"));
    if (!outcome.errors) return { path: "/api/applications", purpose: "apply", document: outcome.accepted };
    await tellFields(outcome.errors, form);
    return null;
  }
  const file = element("certificateFile").files[0];
  const reason = fields.reason.trim().normalize("NFC");
  const errors = [];
  if (!reason) errors.push({ pointer: "/reason", code: "required" });
  if (!file) errors.push({ pointer: "/certificateFile", code: "required" });
  if (!fields.agreed) errors.push({ pointer: "/agreed", code: "not-agreed" });
  if (errors.length) {
    await tellFields(errors, form);
    return null;
  }
  const document = { kind, ubn, reason, certificateFile: await base64(file), agreed: fields.agreed };
  const signature = element("possession").value.replace(/\s/g, "");
  if (signature && possession) document.possession = { challenge: possession, signature };
  return { path: "/api/certificates", purpose: "upload-certificate", document };
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const ready = await prepared().catch((trouble) => tellTrouble(trouble, form));
  if (!ready) return;
  clearMessage();
  if (!(await confirmed())) return;
  await busy(element("apply-button"), "請在讀卡元件的視窗確認內容並輸入PIN碼…", async () => {
    const { path, purpose, document } = ready;
    showReceipt(await post(path, await sign("company", purpose, document)));
  }, form);
});

function showReceipt(receipt) {
  fillReceipt(element("receipt-sheet"), receipt);
  draftOf(ubn, kind).forget();
  kind = "";
  form.reset();
  element("agreed").disabled = true;
  show("receipt");
}

element("print").addEventListener("click", () => window.print());
