// The HiPKI component (跨平台網頁元件) that applicants may have already: a window of its own
// for each act, a PIN that is typed into this page. Used only when the person chooses it.

import { ask } from "/js/ask.js";
import { reasonText } from "/js/bridge.js";
import { meaning, parse } from "/js/hipki-codes.js";
import { Trouble, bridgeText, config } from "/js/service.js";

const ANSWER_TIME = 15_000;
const SIGN_TIME = 120_000;

const trouble = async (code, more = "") => {
  const [title, advice] = await bridgeText(code);
  return new Trouble(title + more, advice, { code: `hipki-${code}` });
};

/** The words for the component's codes; what only its own support can explain, with the code. */
function failure(reply) {
  const { words, left, told } = meaning(reply);
  if (left) return trouble(words, `（剩餘次數：${left}）`);
  return trouble(words, words.startsWith("hipki-") && words !== "hipki-site" ? `（錯誤代碼：${told}）` : "");
}

/**
 * Has the component do one thing. To be called in a click: it opens a window, which asks
 * for the package when it is there.
 */
async function act(pack, time) {
  const { hipkiUrl } = await config();
  const opened = window.open(`${hipkiUrl}/popupForm`, "hipki", "popup,width=240,height=200");
  if (!opened) throw await trouble("popup-blocked");
  // The component reads a form: what would end or change a value is escaped.
  const text = JSON.stringify(pack).replace(/[%&+]/g, encodeURIComponent);
  let timer = 0;
  let watch = 0;
  let listen = null;
  try {
    return await new Promise((resolve, reject) => {
      const fail = async (code) => reject(await trouble(code));
      timer = setTimeout(() => fail("hipki-missing"), ANSWER_TIME);
      watch = setInterval(() => opened.closed && setTimeout(() => fail("popup-closed"), 500), 300);
      listen = ({ source, origin, data }) => {
        if (source !== opened || origin !== new URL(hipkiUrl).origin) return;
        let reply;
        try {
          reply = parse(data);
        } catch {
          return fail("hipki-helper");
        }
        if (reply?.func === "getTbs") {
          clearTimeout(timer);
          timer = setTimeout(() => fail("timed-out"), time);
          opened.postMessage(text, new URL(hipkiUrl).origin);
        } else if (reply?.ret_code === 0) {
          resolve(reply);
        } else {
          failure(reply ?? {}).then(reject, reject);
        }
      };
      addEventListener("message", listen);
    });
  } finally {
    clearTimeout(timer);
    clearInterval(watch);
    removeEventListener("message", listen);
    if (!opened.closed) opened.close();
  }
}

/** RFC 8785: members in the order of their names, nothing between. */
export function canonical(value) {
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (value === null || typeof value !== "object") return JSON.stringify(value);
  const members = Object.keys(value).sort().map((name) => `${JSON.stringify(name)}:${canonical(value[name])}`);
  return `{${members.join(",")}}`;
}

/** Cards that can sign, as the component lists them. */
function signingCards({ slots = [] }) {
  const signs = ({ usage = "", label = "", issuerDN = "" }) =>
    usage.includes("digitalSignature") && !/(root ?)?ca ?cert/i.test(label) && !/Root Certification/i.test(issuerDN);
  return slots.flatMap(({ slotDescription, token }) => {
    if (!(token instanceof Object)) return [];
    const certificate = (token.certs ?? []).find(signs);
    return certificate ? [{ slot: slotDescription, number: token.serialNumber, certificate }] : [];
  });
}

/** What the names of issuers say of the kind of card. Of another one the service judges. */
const ISSUERS = [[/內政部|MOICA/i, "citizen"], [/工商|MOEACA/i, "company"], [/政府憑證|組織及團體|醫事|\b[GXH]CA\b/i, "organisation"]];
const kindOf = ({ certificate }) => ISSUERS.find(([name]) => name.test(certificate.issuerDN ?? ""))?.[1];

/** Whose card it is, from its subject (RFC 4514): the person, or the organisation. */
function holderOf({ certificate: { subjectDN = "" } }) {
  const part = (name) => new RegExp(`(?:^|,)\\s*${name}=((?:\\\\.|[^,\\\\])*)`, "i").exec(subjectDN)?.[1].replace(/\\(.)/g, "$1");
  return part("CN") ?? part("O") ?? subjectDN;
}

/** The one card of this kind, or of one of these; what is wrong is named before any PIN. */
async function cardOf(kind, listed) {
  const cards = signingCards(listed);
  if (!cards.length) throw await trouble(missing(listed));
  const fitting = cards.filter((card) => [undefined, ...[kind].flat()].includes(kindOf(card)));
  if (!fitting.length) {
    const [title, advice] = await reasonText("wrong-card", { cards: cards.map((card) => ({ kind: kindOf(card) })) }, kind);
    throw new Trouble(title, advice, { code: "hipki-wrong-card" });
  }
  if (fitting.length > 1) throw await trouble("hipki-several");
  return fitting[0];
}

/** Has the component list the cards, once the person agrees; the one of this kind. */
async function listCard(kind) {
  const first = ask("改用HiPKI跨平台網頁元件", [
    "將開啟元件的小視窗讀取卡片。使用這個元件時，PIN碼會在本網頁輸入，元件也不會顯示是哪個網站要求簽章；建議安裝本服務的讀卡元件。",
  ], [["yes", "讀取卡片"], ["", "取消"]], { id: "hipki" });
  return cardOf(kind, await inClick(first, () => act({ func: "GetUserCert" }, ANSWER_TIME)));
}

/** A card as the component lists it: its certificate, without a PIN. */
export async function readByHipki(kind) {
  const { certificate } = await listCard(kind);
  return { certificate: certificate.certb64 };
}

/** Why none of them can. */
function missing({ slots = [] }) {
  if (!slots.length) return "no-reader";
  return slots.some(({ token }) => token) ? "hipki-card" : "no-card";
}

/** The dialog's action runs in its click; the dialog stays until it has ended. */
function inClick(dialog, run) {
  const button = dialog.querySelector("[data-value=yes]");
  return new Promise((resolve, reject) => {
    button.addEventListener("click", () => run().then(resolve, reject), { capture: true });
    dialog.answer.then(async (value) => value === "yes" || reject(await trouble("pin-cancelled")));
  });
}

/** Signs a document by the component, with the card of this kind or of one of these. */
export async function signByHipki(kind, purpose, document, challenge) {
  const card = await listCard(kind);
  const format = "chayan-signing-input/1";
  const input = { challenge: await challenge(), document, format, origin: location.origin, purpose };
  const bytes = new TextEncoder().encode(canonical(input));
  const tbs = btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
  const pin = Object.assign(window.document.createElement("input"), {
    type: "password", id: "hipki-pin", autocomplete: "off", inputMode: "numeric", maxLength: 8,
  });
  const label = Object.assign(window.document.createElement("label"), { htmlFor: pin.id, textContent: "PIN碼" });
  const row = Object.assign(window.document.createElement("div"), { className: "field" });
  row.append(label, pin);
  const second = ask("輸入PIN碼", [
    `憑證：${holderOf(card)}`,
    `卡號：${card.number}`,
    "連續錯誤3次卡片將被鎖定。",
    row,
  ], [["yes", "簽章"], ["", "取消"]], { id: "hipki-sign" });
  pin.focus();
  const signed = await inClick(second, async () => {
    const typed = pin.value;
    pin.value = "";
    if (!typed) throw await trouble("pin-missing");
    // Full-width digits of an input method would cost a try.
    if (!/^[!-~]{6,8}$/.test(typed)) throw await trouble("pin-length");
    return act({
      func: "MakeSignature", signatureType: "PKCS7", hashAlgorithm: "SHA256", tbsEncoding: "base64", tbs,
      pin: typed, nonce: input.challenge, withCardSN: "true", slotDescription: card.slot,
    }, SIGN_TIME);
  });
  // Another card than the one that was shown.
  if (signed.cardSN !== card.number) throw await trouble("card-changed");
  return { signedData: signed.signature, transport: "hipki" };
}
