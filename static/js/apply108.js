// The application by the manual of 108: one page with everything on it. The card is asked
// when it is sent: once for whose it is, once for the application.

import { beforeAsking } from "/js/certificate.js";
import { draftOf } from "/js/drafts.js";
import { FIELDS, UPLOAD, countReason, form, wireForm } from "/js/form.js";
import { element, show, tell } from "/js/page.js";
import { fillReceipt } from "/js/receipt.js";
import { get, signIn } from "/js/service.js";
import { wireStart } from "/js/start.js";

let known = "";

/** Signs in, unless this company is. */
async function signInAs(ubn) {
  const { who } = await get("/api/session").catch(() => ({}));
  if (who?.ubn !== ubn) await signIn({ as: "company", ubn });
}
beforeAsking(() => signInAs(form.ubn.value.trim()));

wireStart("form");
countReason();

/** Once it is clear whose form of which kind it is, what was kept is filled in. */
function restore() {
  const subject = `${form.ubn.value}-${form.kind.value}`;
  const upload = form.kind.value === UPLOAD;
  element("certificate-row").hidden = !upload;
  element("former-row").hidden = !upload;
  // Nothing but number, reason and file belongs to an upload.
  for (const name of FIELDS.filter((name) => !["ubn", "reason"].includes(name))) form[name].disabled = upload;
  if (upload || subject === known || !/^\d{8}-./.test(subject)) return;
  known = subject;
  const kept = draftOf(form.ubn.value, form.kind.value).kept();
  const empty = FIELDS.filter((name) => name !== "ubn" && !form[name].value);
  const found = empty.filter((name) => kept?.[name]);
  for (const name of found) form[name].value = kept[name];
  countReason();
  if (found.length) tell("已帶入上次尚未送出的資料", "資料只存在這台電腦的瀏覽器，七天後再開啟本網站時刪除；不需要時請按「清除」。", { good: true });
}
form.ubn.addEventListener("change", restore);
form.kind.addEventListener("change", restore);
// After the fields have been emptied, the file's part goes.
form.addEventListener("reset", () => setTimeout(restore));

wireForm({
  subject: () => ({
    ubn: form.ubn.value.trim(), kind: form.kind.value, kindWord: form.kind.selectedOptions[0]?.text ?? "",
  }),
  prepare: ({ ubn }) => signInAs(ubn),
  sent: async (receipt) => {
    await fillReceipt(element("receipt-sheet"), receipt);
    known = "";
    show("receipt");
  },
});

element("print").addEventListener("click", () => window.print());
