// The reader bridge, as pages talk to it: finds it, makes sure that it is the one that was
// paired, waits for a card, has it sign. The PIN is asked by the bridge's own window;
// nothing here ever sees it.

import { ask, choose } from "/js/ask.js";
import { Trouble, bridgeText, config, refusal } from "/js/service.js";

const PROTOCOL = 2;
const KEY = "chayan-bridge-key";
const CARD = "chayan-bridge-card";
const LOOPBACK = ["localhost", "127.0.0.1", "[::1]"];
const POPUP_TIME = 10_000;
const START_TIME = 15_000;
const STATUS_TIME = 5_000;

async function trouble(code, triesLeft) {
  const [title, advice] = await bridgeText(code);
  const left = triesLeft === undefined ? "" : `（剩餘次數：${triesLeft}）`;
  return new Trouble(title + left, advice, { code: `bridge-${code}` });
}

const wait = (time) => new Promise((resolve) => setTimeout(resolve, time));
const hex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
const bytes = (base64) => Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
const utf8 = (text) => new TextEncoder().encode(text);
const digest = async (text) => new Uint8Array(await crypto.subtle.digest("SHA-256", utf8(text)));
const nonce = () => hex(crypto.getRandomValues(new Uint8Array(32)));

// How messages travel. Each sends a command and resolves to { status, body }; status 0
// stands for no answer at all.

/** Straight to the bridge. What is not answered when the conversation ends is given up. */
function direct() {
  const ended = new AbortController();
  const send = async (path, body) => {
    const { bridgeUrl } = await config();
    try {
      const response = await fetch(bridgeUrl + path, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify(body),
        signal: ended.signal,
      });
      return { status: response.status, body: await response.json() };
    } catch {
      return { status: 0, body: {} };
    }
  };
  send.close = () => ended.abort();
  return send;
}

/** By a window that the bridge serves, for browsers that do not let pages ask. */
async function popup() {
  const { bridgeUrl } = await config();
  const opened = window.open(`${bridgeUrl}/v1/popup`, "chayan-bridge", "popup,width=460,height=600");
  if (!opened) throw await trouble("popup-blocked");
  // With the page, also when it is loaded anew, nobody waits for what the popup asks.
  const leave = () => opened.close();
  addEventListener("pagehide", leave);
  const channel = new MessageChannel();
  const waiting = new Map();
  let count = 0;
  const greeted = (event) => {
    if (event.origin !== bridgeUrl || event.source !== opened || event.data !== "chayan-bridge") return;
    removeEventListener("message", greeted);
    opened.postMessage("chayan-bridge", bridgeUrl, [channel.port2]);
  };
  addEventListener("message", greeted);
  const ready = new Promise((resolve, reject) => {
    waiting.set(0, resolve);
    setTimeout(async () => reject(await trouble(opened.closed ? "popup-closed" : "popup-timeout")), POPUP_TIME);
  });
  channel.port1.onmessage = ({ data: { id, status, body } }) => {
    waiting.get(id)?.({ status, body });
    waiting.delete(id);
  };
  try {
    await ready;
  } catch (failure) {
    opened.close();
    throw failure;
  } finally {
    removeEventListener("message", greeted);
  }
  const send = (path, body) =>
    new Promise((resolve, reject) => {
      const id = ++count;
      const watch = setInterval(async () => {
        if (!opened.closed) return;
        clearInterval(watch);
        reject(await trouble("popup-closed"));
      }, 300);
      waiting.set(id, (answer) => {
        clearInterval(watch);
        resolve(answer);
      });
      channel.port1.postMessage({ id, path, body });
    });
  send.close = () => {
    removeEventListener("pagehide", leave);
    opened.close();
  };
  send.isPopup = true;
  return send;
}

/** What the browser says of pages that ask programs on this computer. */
async function permission() {
  // A page from this computer needs none.
  if (LOOPBACK.includes(location.hostname)) return "granted";
  for (const name of ["loopback-network", "local-network-access"]) {
    try {
      return (await navigator.permissions.query({ name })).state;
    } catch {
      // A browser that does not know the word.
    }
  }
  return "unknown";
}

async function isRunning() {
  const { bridgeUrl } = await config();
  try {
    const asked = (await permission()) === "prompt";
    // The browser may be asking the person; else silence is no answer.
    const signal = asked ? undefined : AbortSignal.timeout(STATUS_TIME);
    const response = await fetch(`${bridgeUrl}/v1/status`, { signal });
    const status = await response.json();
    if (status.code === "other-person") throw await trouble(status.code);
    if (status.protocol !== PROTOCOL) throw await trouble("too-old");
    return true;
  } catch (failure) {
    if (failure instanceof Trouble) throw failure;
    return false;
  }
}

const POPUP_BUTTON = ["popup", "改用讀卡元件的小視窗"];
const HIPKI_BUTTON = ["hipki", "改用HiPKI元件"];
/** The person chose the HiPKI component. */
const HIPKI = Symbol("HiPKI");

/** Finds a way to the bridge, with the person's help where it is needed. */
async function connect() {
  if ((await permission()) === "prompt") {
    const { answer } = ask("瀏覽器將詢問是否允許連線", [
      "本網站要連線至您電腦上的讀卡元件。接下來瀏覽器會顯示「存取這部裝置上的其他應用程式和服務」，請按「允許」。",
    ], [["yes", "繼續"], POPUP_BUTTON, ["", "取消"]], { id: "permission" });
    const chosen = await answer;
    if (chosen === "popup") return popup();
    if (!chosen) throw await trouble("connection-cancelled");
  }
  if (await isRunning()) return direct();
  if ((await permission()) === "denied") {
    const { answer } = ask("瀏覽器不允許本網站連線至讀卡元件", [
      "先前選了「封鎖」。請按網址列左側的圖示，在「網站設定」中將「應用程式存取權（本機網路）」改為「允許」，再重新整理網頁。",
      "也可以改用讀卡元件自己的小視窗，不需變更設定。",
    ], [POPUP_BUTTON, HIPKI_BUTTON, ["", "取消"]], { id: "permission-denied" });
    const chosen = await answer;
    if (chosen === "popup") return popup();
    if (chosen === "hipki") return HIPKI;
    throw await trouble("not-allowed");
  }
  return start();
}

/** Helps to start the bridge. */
async function start() {
  // Closed without an answer, the browser's question is as good as a bridge that is not there.
  const open = (await permission()) === "prompt";
  const { answer } = ask("找不到讀卡元件", [
    "讀卡元件沒有回應：可能尚未安裝、沒有啟動，或瀏覽器（例如 Safari）不允許網頁直接連線。",
    ...(open ? ["瀏覽器的詢問若被關閉或沒有回答，請按「再試一次」，並在詢問時按「允許」。"] : []),
  ], [...(open ? [["again", "再試一次"]] : []), ["start", "啟動讀卡元件", "chayan://start"], ["install", "安裝讀卡元件", "/bridge/", "_blank"], POPUP_BUTTON, HIPKI_BUTTON, ["", "取消"]], { id: "start-bridge" });
  const chosen = await answer;
  if (chosen === "again") return connect();
  if (chosen === "popup") return popup();
  if (chosen === "hipki") return HIPKI;
  if (chosen === "start") {
    for (const end = Date.now() + START_TIME; Date.now() < end; await wait(500)) {
      if (await isRunning()) return direct();
    }
  }
  throw await trouble("not-running");
}

async function command(send, path, body) {
  const answer = await send(path, body);
  if (answer.status === 0) throw await trouble("not-running");
  if (answer.status !== 200) throw await trouble(answer.body.code, answer.body.triesLeft);
  return answer.body;
}

async function isSignedBy(key, signature, text) {
  const algorithm = { name: "ECDSA", namedCurve: "P-256" };
  const point = await crypto.subtle.importKey("raw", bytes(key), algorithm, false, ["verify"]);
  const signed = utf8(`chayan-bridge hello\n${location.origin}\n${text}`);
  return crypto.subtle.verify({ name: "ECDSA", hash: "SHA-256" }, point, bytes(signature), signed);
}

/** Whether the bridge has the key that this page keeps. */
async function isPaired(send) {
  const key = localStorage.getItem(KEY);
  const text = nonce();
  const answer = await send("/v1/hello", { nonce: text });
  if (answer.status === 0) throw await trouble("not-running");
  const unknown = answer.body.code === "not-paired";
  if (!key && (unknown || answer.status === 200)) return false;
  if (answer.status !== 200 && !unknown) throw await trouble(answer.body.code);
  // Whoever does not know this page any more may be another program: the person says.
  if (!unknown && await isSignedBy(key, answer.body.signature, text).catch(() => false)) return true;
  const [title, advice] = await bridgeText("imposter");
  const { answer: chosen } = ask(title, [advice], [["", "取消"], ["again", "重新配對"]], { id: "imposter" });
  if (!(await chosen)) throw await trouble("imposter");
  return false;
}

/** Shows the code that the bridge's window shows as well, until the person has compared them. */
async function pair(send) {
  const { pairing, key, commitment } = await command(send, "/v1/pair/begin", {});
  const own = nonce();
  const { nonce: other } = await command(send, "/v1/pair/reveal", { pairing, nonce: own });
  if (hex(await digest(other)) !== commitment) throw await trouble("imposter");
  const sum = await digest(`chayan-bridge pair\n${location.origin}\n${key}\n${own}\n${other}`);
  const number = new DataView(sum.buffer).getUint32(0) % 1_000_000;
  const code = String(number).padStart(6, "0").replace(/^.../, "$& ");
  const shown = document.createElement("p");
  shown.className = "pairing-code";
  shown.textContent = code;
  const dialog = ask("與讀卡元件配對", [
    "第一次使用時，請核對讀卡元件視窗上的配對碼是否為：",
    shown,
    "相同時，請在讀卡元件的視窗按「允許」；不同或沒有出現視窗時，請按「取消」。",
  ], [["", "取消"]], { id: "pairing" });
  const confirmed = command(send, "/v1/pair/confirm", { pairing });
  const cancelled = dialog.answer.then(async (value) => {
    if (value !== "done") throw await trouble("pairing-refused");
  });
  try {
    await Promise.race([confirmed, cancelled]);
  } catch (failure) {
    // Without a window nobody can compare the codes, wherever the PIN would be asked.
    if (failure.code === "bridge-pin-prompt-unavailable") throw await trouble("pairing-unavailable");
    throw failure;
  } finally {
    if (dialog.open) dialog.close("done");
    confirmed.catch(() => {});
    cancelled.catch(() => {});
  }
  localStorage.setItem(KEY, key);
}

/** Why no card can be used: a code for the words. */
function reason({ cards, readers, troubles = [] }) {
  const states = readers.map(({ state }) => state);
  if (cards.length) return "wrong-card";
  if (states.includes("mute")) return "card-mute";
  if (states.includes("in-use")) return "card-in-use";
  if (states.includes("needs-driver")) return troubles[0] ?? "card-needs-driver";
  if (states.includes("unknown")) return troubles[0] ?? "unknown-card";
  if (troubles.length && !readers.length) return troubles[0];
  return readers.length ? "no-card" : "no-reader";
}

/** What is in the readers, also where there is nothing that could be said of them. */
async function look(send) {
  const answer = await send("/v1/cards", {});
  if (answer.status === 200) return answer.body;
  if (["no-reader-service", "reader-denied", "no-reader", "card-mute", "card-in-use"].includes(answer.body.code)) {
    return { cards: [], readers: [], troubles: [answer.body.code] };
  }
  if (answer.status === 0) throw await trouble("not-running");
  throw await trouble(answer.body.code);
}

/** What the kinds of cards are called. */
const KIND_WORDS = { company: "工商憑證", "secondary-company": "工商憑證附卡", citizen: "自然人憑證", organisation: "機關（團體）憑證", other: "其他憑證" };
const named = (kinds) => [...new Set(kinds)].map((kind) => KIND_WORDS[kind] ?? KIND_WORDS.other).join("或");

/** Why no card can be used, in words: which card is there instead. */
export async function reasonText(code, { cards }, kinds) {
  const [title, advice] = await bridgeText(code);
  if (code !== "wrong-card") return [title, advice];
  const isSecondary = kinds === "company" && cards.some(({ kind }) => kind === "secondary-company");
  return [title, `讀卡機內是${named(cards.map(({ kind }) => kind))}；請取出後改插入${named([kinds].flat())}${isSecondary ? "正卡" : ""}。`];
}

/** Waits until a card of this kind, or of one of these, is in a reader, as long as the person does. */
async function cardsOf(kind, send) {
  let dialog = null;
  let cancelled = false;
  let seen = "";
  try {
    for (;;) {
      const found = await look(send);
      const fitting = found.cards.filter((card) => [kind].flat().includes(card.kind));
      if (fitting.length) return fitting;
      const code = reason(found);
      const [title, advice] = await reasonText(code, found, kind);
      if (dialog?.dataset.code !== code) {
        dialog?.close("changed");
        dialog = ask(title, [advice, "插入後會自動繼續。"], [["", "取消"]], { id: "waiting" });
        dialog.dataset.code = code;
        dialog.answer.then((value) => (cancelled = cancelled || value === ""));
      }
      const next = command(send, "/v1/changes", { seen });
      const closed = dialog.answer.then(() => null);
      seen = (await Promise.race([next, closed]))?.seen ?? seen;
      next.catch(() => {});
      if (cancelled) throw new Trouble(title, advice, { code: `bridge-${code}` });
    }
  } finally {
    if (dialog?.open) dialog.close("done");
  }
}

/** The card to be used: the only one, the one of this company, or the one that is chosen. */
async function chosen(cards, ubn) {
  const own = cards.filter((card) => ubn && card.ubn === ubn);
  // No PIN is asked for what the service would refuse.
  if (ubn && !own.length && cards.every((card) => card.ubn)) throw await refusal("ubn-mismatch");
  const fitting = own.length ? own : cards;
  if (fitting.length === 1) return fitting[0];
  const options = fitting.map((card) => [card.id, `${card.holder}（卡號 ${card.cardNumber}，${card.reader}）`]);
  const marks = await Promise.all(fitting.map(async ({ certificate }) => hex(await digest(certificate)).slice(0, 16)));
  const last = fitting[marks.indexOf(localStorage.getItem(CARD))];
  const id = await choose("請選擇卡片", "讀卡機內有多張可用的卡片：", options, last?.id);
  if (!id) throw await trouble("pin-cancelled");
  const index = fitting.findIndex((card) => card.id === id);
  localStorage.setItem(CARD, marks[index]);
  return fitting[index];
}

/**
 * Signs a document with the card of this kind ("company", "citizen" or "organisation"), or of one of
 * several. `challenge` is asked for once a card is there.
 */
export async function signByBridge(kind, purpose, document, challenge) {
  const send = await connect();
  if (send === HIPKI) {
    // Few need it.
    const { signByHipki } = await import("/js/hipki.js");
    return signByHipki(kind, purpose, document, challenge);
  }
  const sign = (by) => signBy(by, kind, purpose, document, challenge);
  try {
    return { signedData: await sign(send), transport: "bridge" };
  } catch (failure) {
    if (failure.code !== "bridge-pin-prompt-unavailable" || send.isPopup) throw failure;
    const { answer } = ask("讀卡元件無法開啟視窗", [
      "這台電腦無法開啟讀卡元件的桌面視窗。可以改在讀卡元件自己的小視窗輸入PIN碼；PIN碼不會經過本網站。",
    ], [POPUP_BUTTON, ["", "取消"]], { id: "no-window" });
    if (!(await answer)) throw failure;
    return { signedData: await sign(await popup()), transport: "bridge" };
  }
}

/** The card of one of these kinds that is in a reader: what its certificate says, without a PIN. */
export async function readCard(kinds) {
  const send = await connect();
  if (send === HIPKI) {
    const { readByHipki } = await import("/js/hipki.js");
    return readByHipki(kinds);
  }
  try {
    if (!(await isPaired(send))) await pair(send);
    return await chosen(await cardsOf(kinds, send));
  } finally {
    send.close();
  }
}

/** One signature by one way to the bridge, which ends with it. */
async function signBy(send, kind, purpose, document, challenge) {
  try {
    if (!(await isPaired(send))) await pair(send);
    const card = await chosen(await cardsOf(kind, send), document.ubn);
    window.document.getElementById("progress").textContent = "請在讀卡元件的視窗確認內容並輸入PIN碼…";
    const request = { card: card.id, purpose, challenge: await challenge(), document };
    return (await command(send, "/v1/sign", request)).signedData;
  } finally {
    send.close();
  }
}
