// 案件審核: sign-in, and the way between queues, proposals and administration.

import { get, signIn, signOut } from "/js/service.js";
import { busy, clearMessage, element, markField, show, tellTrouble } from "/js/page.js";
import { labelTables } from "/js/table.js";
import { make } from "/js/make.js";
import { wireAccount } from "/js/review/account.js";
import { wireAdministration } from "/js/review/administration.js";
import { wireCase } from "/js/review/case.js";
import { wireConduct } from "/js/review/conduct.js";
import { wireIdle } from "/js/review/idle.js";
import { wireList } from "/js/review/list.js";
import { wireNumbers } from "/js/review/numbers.js";
import { place } from "/js/review/places.js";
import { wirePolicies } from "/js/review/policies.js";
import { wireProposals } from "/js/review/proposals.js";
import { wireInstitutions, wireServices } from "/js/review/services.js";
import { wireSweep } from "/js/review/sweep.js";

const list = wireList({ open: (id) => casePage.open(id), openService: (number) => services.load(number) });
const account = wireAccount({ openCase: (id) => casePage.open(id) });
const casePage = wireCase({ next: list.next, account: account.open });
const proposals = wireProposals({ openCase: (id) => casePage.open(id), openAccount: account.open });
const conduct = wireConduct({ openAccount: account.open });
const idle = wireIdle({ openAccount: account.open });
const sweep = wireSweep({ openAccount: account.open });
const services = wireServices();
const institutions = wireInstitutions();
const numbers = wireNumbers();
const policies = wirePolicies();
const administration = wireAdministration();

/// [name, word, permission, what shows it].
const PLACES = [
  ["queue", "案件清單", "read-cases", list.load],
  ["proposals", "待覆核事項", "read-cases", proposals.load],
  ["conduct", "異常使用", "read-cases", conduct.load],
  ["idle", "逾一年未使用", "read-cases", idle.load],
  ["services", "身分確認服務", "read-cases", services.load],
  ["numbers", "統計", "read-cases", numbers.load],
  ["sweep", "清查比對", "supervise", sweep.load],
  ["administration", "人員與日曆", "keep-officers", administration.load],
  ["institutions", "受監督機構", "keep-institutions", institutions.load],
  ["policies", "審核期限", "keep-policies", policies.load],
];

labelTables();

// What is changed is no error any more: whoever sends it is told again.
for (const event of ["input", "change"]) {
  document.addEventListener(event, ({ target }) => {
    if (target.getAttribute("aria-invalid")) markField(target);
  });
}

/** Shows who is there and where they may go; goes to the first place. */
async function begin() {
  const me = await get("/api/review/me");
  element("officer").hidden = false;
  element("officer").replaceChildren("登入者：", make("bdi", { textContent: me.name }), `（${me.roleWord}）`);
  const places = PLACES.filter(([, , permission]) => me.may.includes(permission));
  element("places").replaceChildren(...places.map(([name, word, , load]) => {
    const button = make("button", { type: "button", className: "secondary", textContent: word });
    button.dataset.place = name;
    button.addEventListener("click", () => busy(button, "讀取中…", () => load()));
    return button;
  }), leave());
  may = places;
  await go();
}

/// What is open to whoever is signed in; nothing before.
let may = [];

/** Goes to where the address says: after sign-in, and with the browser's back and forward. */
async function go() {
  const [name, of] = place();
  const cases = may.some(([known]) => known === "queue");
  if (cases && name === "case") return casePage.open(of);
  if (cases && name === "account") return account.open(of);
  const [, , , load] = may.find(([known]) => known === name) ?? may[0];
  await load(of);
}

window.addEventListener("popstate", () => {
  if (may.length) go().catch(tellTrouble);
});

function leave() {
  const button = make("button", { type: "button", className: "secondary", id: "sign-out", textContent: "登出" });
  button.addEventListener("click", async () => {
    await signOut().catch(() => {});
    location.assign(location.pathname);
  });
  return button;
}

element("sign-in-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  await busy(event.submitter, "正在與讀卡元件連線…", async () => {
    await signIn({ as: "officer" }, event.submitter?.value || "citizen");
    await begin();
  });
});

for (const button of document.querySelectorAll("[data-to=queue]")) {
  button.addEventListener("click", () => busy(button, "讀取中…", () => list.load()));
}

// Whoever is signed in already goes on.
get("/api/review/me").then(begin).catch((trouble) => {
  clearMessage();
  if (!["not-signed-in", "not-allowed"].includes(trouble.code)) tellTrouble(trouble);
  show("sign-in");
});
