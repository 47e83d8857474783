// API介接服務申請 by the manual of 112: notice, sign-in, kind, form, confirmation, signature,
// receipt.

import { checkUbn } from "/wasm/application.js";
import { beforeAsking } from "/js/certificate.js";
import { draftOf } from "/js/drafts.js";
import { FIELDS, UPLOAD, checks, countReason, fillAnswer, form, showOther, wireForm } from "/js/form.js";
import { busy, element, show, tell, tellFields } from "/js/page.js";
import { fillReceipt } from "/js/receipt.js";
import { get, signIn, signInAs } from "/js/service.js";
import { wireStart } from "/js/start.js";

let ubn = "";
let kind = "";
let account = null;
let cardName = "";
/// 統編變更: the former number whose account may be taken over.
let takesOver = null;
/** S/N of the case whose question is being answered. */
let answers = null;
const kinds = element("kind-select");

beforeAsking(() => signInAs(ubn));
wireStart("sign-in", () => location.hash === "#handler" && arriveAsHandler());

element("sign-in-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  await checks;
  const outcome = JSON.parse(checkUbn(new FormData(event.target).get("ubn")));
  if (outcome.errors) return tellFields(outcome.errors, event.target);
  await busy(event.submitter, "正在與讀卡元件連線…", async () => {
    const { who } = await signIn({ as: "company", ubn: outcome.accepted });
    // Another company's data must not stay in the form.
    if (ubn && ubn !== who.ubn) {
      kind = "";
      form.reset();
      element("agreed").disabled = true;
    }
    ubn = who.ubn;
    for (const place of document.querySelectorAll("[data-ubn]")) place.textContent = ubn;
    cardName = who.name;
    await offerKinds();
  }, event.target);
});

/** A handler comes signed in, for the company that was chosen. */
async function arriveAsHandler() {
  await busy(element("sign-in-form").querySelector("button"), "讀取中…", async () => {
    const { chosen, organisations } = await get("/api/delegate/me");
    const work = organisations.find(({ handler }) => handler === chosen);
    ubn = work?.ubn ?? "";
    for (const place of document.querySelectorAll("[data-ubn]")) place.textContent = ubn;
    cardName = work?.organisation ?? "";
    await offerKinds();
  });
}

async function offerKinds() {
  const { openCase, offered, asked, takesOver: former } = await get("/api/standing");
  answers = asked?.serialNumber ?? null;
  takesOver = former;
  if (asked) {
    account = null;
    kind = asked.kind;
    kinds.replaceChildren(new Option(asked.kindWord, kind));
    element("certificate-row").hidden = true;
    element("former-row").hidden = true;
    fillAnswer(asked, draftOf(ubn, "answer").kept());
    showOther(kind, takesOver);
    return;
  }
  if (openCase || !offered.length) {
    show("sign-in");
    if (openCase) tell("[WARNING-02] 申請失敗", "尚有案件受理中！", { link: ["/query/", "請至「API介接服務進度查詢」查看案件。"] });
    else tell("目前沒有可申請的事項", "請洽內政部戶政司。");
    return;
  }
  kinds.replaceChildren(...offered.map(({ kind, word }) => new Option(word, kind)));
  // A handler who may apply need not see what became of the company's cases.
  account = await get("/api/cases").then((progress) => progress.account, (trouble) => {
    if (trouble.code === "not-allowed") return null;
    throw trouble;
  });
  show("kind");
}

element("kind-form").addEventListener("submit", (event) => {
  event.preventDefault();
  kind = kinds.value;
  const upload = kind === UPLOAD;
  // A plan changes nothing that is on file.
  const plan = kind === "improvement-plan";
  element("certificate-row").hidden = !upload;
  element("former-row").hidden = !account?.certificateSerialNumber;
  const kept = draftOf(ubn, kind).kept();
  // Nothing of another kind's form stays; what was emptied stays empty.
  for (const name of FIELDS) {
    // An upload changes nothing but the certificate.
    form[name].readOnly = (upload || plan) && name !== "reason";
    form[name].value = (form[name].readOnly ? null : kept?.[name]) ?? onFile(name);
  }
  if (account && kind !== "data-change") form.companyName.value = account.companyName;
  element("reason-label").textContent = plan ? "發生原因及改善做法：" : "使用目的/原因：";
  element("reason-hint").textContent = plan ? "(字數限制350字)" : REASON_HINT;
  countReason();
  compareName();
  showOther(kind, takesOver);
  show("form");
  if (plan) tell("請提出改善做法", "請於「發生原因及改善做法」說明；經內政部核可後，再重新申請。", { good: true });
  if (takesOver && kind === "api-application") tell("統一編號變更", "將承接變更前統一編號的帳號；該帳號於貴公司上傳憑證時停用。", { good: true });
  if (kept) tell("已帶入上次尚未送出的資料", "資料只存在這台電腦的瀏覽器，七天後再開啟本網站時刪除；不需要時請按「清除」。", { good: true });
});

const REASON_HINT = element("reason-hint").textContent;

/** Another name than that on the card is possible, but not by an oversight. */
function compareName() {
  const name = form.companyName.value.trim();
  element("companyName-hint").textContent = cardName && name && name !== cardName ? `與憑證上的公司名稱「${cardName}」不同，請確認；審核人員將一併查核。` : "";
}
form.companyName.addEventListener("input", compareName);

/** What stands in a field before anybody types. */
const onFile = (name) => account?.[name] ?? (name === "companyName" ? cardName : "");

// 清除 leaves what is on file and cannot be changed.
form.addEventListener("reset", () => setTimeout(() => {
  for (const name of FIELDS) if (kind && form[name].readOnly) form[name].value = onFile(name);
}));

wireForm({
  subject: () => ({ ubn, kind, kindWord: kinds.selectedOptions[0]?.text ?? "", answers }),
  draft: () => draftOf(ubn, answers ? "answer" : kind),
  // The session may have ended while the form was filled in.
  prepare: () => signInAs(ubn),
  sent: async (receipt) => {
    await fillReceipt(element("receipt-sheet"), receipt);
    kind = "";
    show("receipt");
  },
});

element("print").addEventListener("click", () => window.print());
