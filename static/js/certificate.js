// The certificate file of an upload: chosen or dropped, looked at before it is sent; the
// proof that its key is there.

import { looksLikeKey } from "/js/key-file.js";
import { busy, element, markField, sheet, tellTrouble } from "/js/page.js";
import { Trouble, fieldText as codeText, post } from "/js/service.js";

/// Larger files are no certificates.
const MAX_FILE = 64 << 10;
const input = element("certificateFile");
const drop = element("drop");
const form = element("application-form");
let chosen = null;
/** The challenge that the system's key is to sign, once it was asked for: kept for a while, for
 * the key may be with other people. It is no secret. */
const KEY = "chayan-possession";
let signInFirst = async () => {};

/** What has to be done before the service is asked anything, where a page has no sign-in. */
export function beforeAsking(act) {
  signInFirst = act;
}

/** The file: its name, its bytes in Base64, and what the service saw in it. */
export const certificateFile = () => chosen;

/** Why the file that was chosen last cannot be sent; empty when it can. */
export const fileError = () => element("certificateFile-error").dataset.reason ?? "";

/** Nothing of one company's upload may stay for another's. */
export function forgetFile() {
  chosen = null;
  input.value = "";
  element("preview").hidden = true;
  element("possession-command").hidden = true;
  forgetError();
}

/** Challenge and signature, when both are there. */
export function possessionProof() {
  const signature = element("possession").value.replace(/\s/g, "");
  return signature ? { challenge: sessionStorage.getItem(KEY) ?? "", signature } : null;
}

const base64 = (bytes) => btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));

const roc = (day) => `${day.slice(0, -4)}/${day.slice(-4, -2)}/${day.slice(-2)}`;

/** Takes a file and shows what the service sees in it; a wrong one is told at once. */
async function take(file) {
  forgetError();
  chosen = null;
  element("preview").hidden = true;
  if (!file) return;
  if (file.size > MAX_FILE) {
    return wrong("檔案過大，不是憑證檔案。請選擇 *.cer 憑證檔案。");
  }
  const bytes = new Uint8Array(await file.arrayBuffer());
  if (looksLikeKey(bytes)) return wrong(await codeText("private-key-chosen"));
  const taken = { name: file.name, base64: base64(bytes), seen: null };
  chosen = taken;
  try {
    const seen = await post("/api/certificate-previews", { certificateFile: taken.base64 });
    if (chosen !== taken) return;
    taken.seen = seen;
    show(file.name, seen);
  } catch (trouble) {
    if (chosen !== taken) return;
    // Nobody signed in yet (one page): judged when it is sent.
    if (trouble.code === "not-signed-in" || trouble.code === "offline") return show(file.name, null);
    chosen = null;
    if (!(trouble instanceof Trouble)) return tellTrouble(trouble, form);
    wrong(`${trouble.message}。${trouble.advice}`);
  }
}

function show(name, seen) {
  element("preview-title").textContent = seen ? "檔案內的憑證：" : "已選擇檔案：";
  sheet(element("preview-sheet"), [
    ["憑證檔案", name],
    ["憑證主體", seen?.subject],
    ["憑證簽發者", seen?.issuer],
    ["憑證序號", seen?.serialNumber, "mono"],
    ["有效起始日期", seen && roc(seen.notBefore)],
    ["有效迄止日期", seen && roc(seen.notAfter)],
  ]);
  element("preview").hidden = false;
  if (seen?.problem) wrong(`${seen.problem.title}。${seen.problem.detail}`);
}

function wrong(text) {
  element("certificateFile-error").textContent = text;
  element("certificateFile-error").dataset.reason = text;
  input.setAttribute("aria-invalid", "true");
}

function forgetError() {
  element("certificateFile-error").textContent = "";
  delete element("certificateFile-error").dataset.reason;
  input.removeAttribute("aria-invalid");
}

/** The days on which a former certificate may end, as the service takes them. */
export function offerDays() {
  const day = (days) => new Date(Date.now() + 8 * 3600_000 + days * 86_400_000).toISOString().slice(0, 10);
  Object.assign(element("formerUntil"), { min: day(0), max: day(90) });
}
offerDays();
element("formerUntil").addEventListener("input", ({ target }) => {
  if (target.getAttribute("aria-invalid") && target.validity.valid) markField(target);
});

input.addEventListener("change", () => take(input.files[0]));
for (const name of ["dragenter", "dragover"]) {
  drop.addEventListener(name, (event) => {
    event.preventDefault();
    drop.classList.add("over");
  });
}
drop.addEventListener("dragleave", () => drop.classList.remove("over"));
drop.addEventListener("drop", (event) => {
  event.preventDefault();
  drop.classList.remove("over");
  take(event.dataTransfer.files[0]);
});

element("possession-challenge").addEventListener("click", (event) =>
  busy(event.target, "取得簽章指令中…", async () => {
    await signInFirst();
    const { challenge, command } = await post("/api/possession-challenges", {});
    sessionStorage.setItem(KEY, challenge);
    element("possession-command").textContent = command;
    element("possession-command").hidden = false;
  }, form));
