// The application form: judged field by field as the server will, kept on this device, shown
// as it will be signed, sent once.

import init, { checkApplication, checkField, reasonLeft } from "/wasm/application.js";
import { certificateFile, fileError, forgetFile, possessionProof } from "/js/certificate.js";
import { offerUndo, tellAsked } from "/js/draft-notes.js";
import { busy, clearMessage, confirmed, element, markField, phones, rocDay, sheet, show, tellFields, tellTrouble } from "/js/page.js";
import { config, post, sign } from "/js/service.js";

export const checks = init({ module_or_path: "/wasm/application_bg.wasm" });
export const form = element("application-form");
const NAMES = ["companyName", "ubn", "hostAddress", "contactName", "landline", "mobile", "email", "reason", "otherUbn"];
/// The fields that are typed on this page.
export const FIELDS = NAMES.filter((name) => form[name]);

export const UPLOAD = "certificate-upload";
const typed = () => Object.fromEntries(FIELDS.map((name) => [name, form[name].value]));

/** The form of an answer (補件): as the application stands, or as it was left; what was asked is
 * said above, and at each field that it is about. */
export function fillAnswer(asked, kept) {
  for (const name of FIELDS) {
    form[name].readOnly = false;
    form[name].value = kept?.[name] ?? asked[name] ?? "";
  }
  countReason();
  show("form");
  tellAsked(asked, form);
}

/** 統編變更: the other number, with API停用 the one that goes on, with API申請 the one before,
 * where an account may be taken over. */
export function showOther(kind, takesOver) {
  const shown = kind === "api-stop" || (kind === "api-application" && Boolean(takesOver || form.otherUbn.value));
  element("other-row").hidden = !shown;
  if (!shown) form.otherUbn.value = "";
  else if (kind === "api-application") form.otherUbn.value ||= takesOver ?? "";
  element("other-label").textContent = otherLabel(kind);
}

const otherLabel = (kind) => (kind === "api-stop" ? "變更後統一編號：" : "變更前統一編號：");

/** Says how much may still be typed under 使用目的/原因. */
export async function countReason() {
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
  if (folded) {
    const shown = Object.assign(document.createElement("bdi"), { textContent: outcome.accepted, translate: false });
    element("folded").replaceChildren("已自動轉換為：", shown);
  }
}

/**
 * Makes the form work. `subject()` says whose form of which kind it is; `draft()` where it is
 * kept; `prepare()` does what has to be done before signing; `sent(receipt)` shows what came
 * of it.
 */
export function wireForm({ subject, draft, prepare, sent }) {
  const keep = () => draft().keep({ ...typed(), kind: form.kind?.value });
  form.addEventListener("input", ({ target }) => {
    if (!FIELDS.includes(target.name)) return;
    element("folded").replaceChildren();
    // Whoever goes on does not take it back.
    if (element("undo")) clearMessage();
    keep();
    if (target.name === "reason") countReason();
    // Once it is right again, it says so at once.
    if (target.getAttribute("aria-invalid")) checkTyped(target);
  });
  form.addEventListener("change", ({ target }) => {
    // Chosen, ticked: there is nothing to judge.
    if (target.name === "kind" || target.id === "agreed") markField(target);
    if (!FIELDS.includes(target.name) && target.name !== "kind") return;
    // Also what was filled in without a key: by the browser, or emptied.
    keep();
    if (FIELDS.includes(target.name) && target.value) checkTyped(target);
  });
  let isSent = false;
  form.addEventListener("reset", () => {
    forgetFile();
    if (!isSent) cleared(draft());
  });
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const ready = await prepared(subject()).catch((trouble) => tellTrouble(trouble, form));
    if (!ready) return;
    clearMessage();
    sheet(element("confirm-sheet"), ready.rows);
    if (!(await confirmed())) return;
    await busy(element("apply-button"), "正在與讀卡元件連線…", async () => {
      await prepare(ready.document);
      const receipt = await send(ready);
      draft().forget();
      isSent = true;
      form.reset();
      isSent = false;
      element("agreed").disabled = true;
      await sent(receipt);
    }, form);
  });
  element("open-rules").addEventListener("click", () => element("rules").showModal());
  element("rules-read").addEventListener("click", () => {
    element("rules").close();
    element("agreed").disabled = false;
  });
}

/** 清除 can be taken back until something else is done. */
function cleared(draft) {
  clearMessage();
  const before = typed();
  if (!Object.values(before).some(Boolean)) return;
  draft.forget();
  element("folded").replaceChildren();
  const kind = form.kind?.value;
  offerUndo(() => {
    for (const [name, value] of Object.entries(before)) form[name].value = value;
    if (kind) form.kind.value = kind;
    form.kind?.dispatchEvent(new Event("change"));
    draft.keep({ ...before, kind });
    countReason();
  });
  // After the form has been emptied.
  setTimeout(countReason);
}

/** What will be signed, and its rows for the person; null when something is wrong (and was said). */
async function prepared({ ubn, kind, kindWord, answers = null }) {
  await checks;
  const { environment, edition, terms } = await config();
  const agreed = element("agreed").checked ? terms : null;
  const texts = ["同意的文件", `申請注意事項${edition}年版、服務管理規範${edition}年版`, "word"];
  const fields = { ...typed(), ubn, kind, agreed, answers };
  if (kind !== UPLOAD) {
    const outcome = JSON.parse(checkApplication(JSON.stringify(fields), edition, environment === "test"));
    if (outcome.errors) {
      await tellFields(outcome.errors, form);
      return null;
    }
    const document = outcome.accepted;
    return { path: "/api/applications", purpose: "apply", document, rows: [
      ["申請事項", kindWord, "word"],
      ["補件案件", document.answers],
      ["公司名稱", document.companyName],
      ["營利事業統一編號", document.ubn],
      ["連線主機網路位址", document.hostAddress],
      ["聯絡人", document.contactName],
      ["聯絡電話", phones(document), "word"],
      ["電子信箱", document.email],
      ["使用目的/原因", document.reason],
      [otherLabel(kind).slice(0, -1), document.otherUbn],
      texts,
    ] };
  }
  const file = certificateFile();
  const possession = possessionProof();
  const errors = [];
  const judged = (name, text) => {
    const { accepted, errors: found } = JSON.parse(checkField(name, text, environment === "test"));
    if (found) errors.push(...found);
    return accepted;
  };
  judged("ubn", ubn);
  const reason = judged("reason", fields.reason);
  if (fileError()) errors.push({ pointer: "/certificateFile", message: fileError() });
  else if (!file) errors.push({ pointer: "/certificateFile", code: "required" });
  if (!element("formerUntil").validity.valid) errors.push({ pointer: "/formerUntil", code: "switch-date" });
  if (possession && !possession.challenge) errors.push({ pointer: "/possession", code: "no-challenge" });
  if (!agreed) errors.push({ pointer: "/agreed", code: "not-agreed" });
  if (errors.length) {
    await tellFields(errors, form);
    return null;
  }
  const document = { kind, ubn, reason, certificateFile: file.base64, agreed };
  const formerUntil = element("formerUntil").value;
  if (formerUntil) document.formerUntil = formerUntil;
  if (possession) document.possession = possession;
  return { path: "/api/certificates", purpose: "upload-certificate", document, rows: [
    ["申請事項", kindWord, "word"],
    ["營利事業統一編號", ubn],
    ["使用目的/原因", reason],
    ["憑證檔案", file.name],
    ["憑證序號", file.seen?.serialNumber, "mono"],
    ["原憑證續用至", rocDay(formerUntil)],
    ["持有私鑰的證明", possession && "已附上", "word"],
    texts,
  ] };
}

/** A signed message whose answer did not come. */
let unanswered = null;

/** Sends once: what was signed and perhaps arrived is sent again as it is. */
async function send({ path, purpose, document }) {
  const content = JSON.stringify(document);
  if (unanswered?.content !== content) {
    unanswered = { content, body: await sign("company", purpose, document) };
  }
  try {
    const receipt = await post(path, unanswered.body);
    unanswered = null;
    return receipt;
  } catch (trouble) {
    // Kept unless the service has refused it: it may have arrived, or may be sent later.
    if (trouble.status >= 400 && trouble.status < 500 && trouble.status !== 401) unanswered = null;
    throw trouble;
  }
}
