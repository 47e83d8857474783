// The application by the manual of 108: one page with everything on it. The card is asked
// when it is sent: once for whose it is, once for the application.

import { beforeAsking } from "/js/certificate.js";
import { draftOf } from "/js/drafts.js";
import { FIELDS, UPLOAD, countReason, fillAnswer, form, showOther, wireForm } from "/js/form.js";
import { element, show, tell } from "/js/page.js";
import { fillReceipt } from "/js/receipt.js";
import { get, signInAs } from "/js/service.js";
import { wireStart } from "/js/start.js";

/** Whose form of which kind it is is typed like everything else. */
const draft = draftOf("", "form");

beforeAsking(() => signInAs(form.ubn.value.trim()));

/** 統編變更: the former number whose account may be taken over. */
let takesOver = null;

/** S/N of the case whose question is being answered. */
let answers = null;

wireStart("form", async () => {
  const { asked, takesOver: former } = await get("/api/standing").catch(() => ({}));
  if (asked) {
    answers = asked.serialNumber;
    takesOver = former;
    form.kind.replaceChildren(new Option(asked.kindWord, asked.kind));
    showRows();
    fillAnswer(asked, null);
    return showOther(asked.kind, takesOver);
  }
  takesOver = former;
  const kept = draft.kept();
  const found = FIELDS.filter((name) => !form[name].value && kept?.[name]);
  for (const name of found) form[name].value = kept[name];
  form.kind.value ||= kept?.kind ?? "";
  countReason();
  showRows();
  if (found.length) tell("已帶入上次尚未送出的資料", "資料只存在這台電腦的瀏覽器，七天後再開啟本網站時刪除；不需要時請按「清除」。", { good: true });
});
countReason();

/** Nothing but number, reason and file belongs to an upload. */
function showRows() {
  const upload = form.kind.value === UPLOAD;
  element("certificate-row").hidden = !upload;
  element("former-row").hidden = !upload;
  showOther(form.kind.value, takesOver);
  for (const name of FIELDS.filter((name) => !["ubn", "reason"].includes(name))) form[name].disabled = upload;
}
form.kind.addEventListener("change", showRows);
// After the fields have been emptied, the file's part goes.
form.addEventListener("reset", () => setTimeout(showRows));

wireForm({
  subject: () => ({
    ubn: form.ubn.value.trim(), kind: form.kind.value, kindWord: form.kind.selectedOptions[0]?.text ?? "", answers,
  }),
  draft: () => draft,
  prepare: ({ ubn }) => signInAs(ubn),
  sent: async (receipt) => {
    await fillReceipt(element("receipt-sheet"), receipt);
    show("receipt");
  },
});

element("print").addEventListener("click", () => window.print());
