// The service and the bridge, as pages talk to them. Every failure is a Trouble:
// a code, what happened, what to do next, and the fields that are wrong.

import { signByBridge } from "/js/bridge.js";
import { words } from "/js/words.js";

export class Trouble extends Error {
  constructor(title, advice, { code = "", status = 0, fields = [], label = "", triesLeft } = {}) {
    super(title);
    Object.assign(this, { advice, code, status, fields, label, triesLeft });
  }
}

const texts = words("/text/zh-TW.json", document.body.dataset.words);
const settings = fetch("/api/config").then((response) => response.json());

/** What the service says about itself. */
export const config = () => settings;

/** The words for a problem with a field. */
export const fieldText = async (code) => (await texts).fields[code] ?? (await texts).page[code] ?? code;

const offline = () =>
  new Trouble("無法連線至本服務", "請檢查網路連線後再試一次，資料仍保留在網頁上；已簽署者不需再輸入PIN碼，也不會重複送出。", { code: "offline" });

async function read(response) {
  if (response.status === 204) return null;
  const body = await response.json().catch(() => null);
  // An answer that was cut off is none.
  if (response.ok && !body) throw offline();
  if (response.ok) return body;
  throw new Trouble(body?.title ?? "系統發生錯誤", body?.detail ?? "請稍後再試一次。", {
    code: body?.code,
    status: response.status,
    fields: body?.errors ?? [],
    label: body?.legacyCode ? `[${body.legacyCode}] ` : "",
    triesLeft: body?.triesLeft,
  });
}

async function send(url, options) {
  try {
    return await fetch(url, options);
  } catch {
    throw offline();
  }
}

const json = (method, body, headers = {}) => ({
  method,
  headers: { "content-type": "application/json", ...headers },
  body: JSON.stringify(body),
});

export const get = async (path, headers = {}) => read(await send(path, { headers }));
export const post = async (path, body, headers) => read(await send(path, json("POST", body, headers)));
export const signOut = async () => read(await send("/api/session", { method: "DELETE" }));

/** Title and advice for what goes wrong at the reader. */
export const bridgeText = async (code) => {
  const { bridge } = await texts;
  return bridge[code] ?? bridge.failed;
};

/** What the service would say of this code. */
export async function refusal(code) {
  const [title, advice] = (await texts).codes[code];
  return new Trouble(title, advice, { code });
}

/** Signs a document with the card of this kind ("company" or "citizen"). */
export async function sign(kind, purpose, document) {
  const challenge = async () => (await post("/api/challenges", { purpose })).challenge;
  return signByBridge(kind, purpose, document, challenge);
}

/** Signs in as a company, or as an officer with a card of this kind. */
export async function signIn(document, kind = "company") {
  return post("/api/session", await sign(kind, "sign-in", document));
}

/** Signs this company in, unless it is. */
export async function signInAs(ubn) {
  const { who } = await get("/api/session").catch(() => ({}));
  // A handler with the permission prepares what the company's card signs.
  if (who?.as === "handler") return;
  if (who?.ubn !== ubn) await signIn({ as: "company", ubn });
}
