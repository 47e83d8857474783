// 授權經辦人作業: sign in with the own card, choose the organisation, and what one may do for it.

import { make } from "/js/make.js";
import { busy, element, sheet, show, tell } from "/js/page.js";
import { get, post, sign, signOut } from "/js/service.js";

let me = null;

const list = (rows) => make("div", { className: "case" }, sheet(make("dl"), rows));

async function registrations() {
  const { code, organisation, manager, receipts } = await get("/api/delegate/me/registrations");
  return [
    list([["機關代號", code], ["機關名稱", organisation], ["授權管理者", manager]]),
    ...receipts.map((one) => list([["收件時間", one.receivedAtRoc], ["註冊項目", one.itemWord, "word"], ["機關憑證序號", one.organisationSerial, "mono"], ["授權管理者憑證序號", one.managerSerial, "mono"]])),
  ];
}

async function handlers() {
  const { handlers: all } = await get("/api/delegate/me/handlers");
  const go = make("p", {}, make("a", { href: "/delegate/#delegate", textContent: "新增、修改或刪除，須以機關憑證及本人的自然人憑證辦理授權指派。" }));
  return [go, ...all.map(({ name, serialNumber, permissions }) => list([["授權經辦人姓名", name], ["憑證序號(SN)", serialNumber ?? "", "mono"], ["功能選單項目", permissions.map(({ word }) => word).join("、")]]))];
}

async function certificates() {
  const found = await get("/api/delegate/me/certificates");
  return [list([["機關代號", found.code], ["機關名稱", found.organisation], ["機關憑證OID或統一編號", found.number, "copy"], ["機關憑證序號", found.organisationSerial, "copy"], ["授權管理者憑證序號", found.managerSerial, "copy"], ["本人憑證序號", found.ownSerial, "copy"]])];
}

/** What each permission opens: here, or on another page. */
const FUNCTIONS = {
  registrations,
  delegate: handlers,
  replace: "/delegate/#replace-organisation",
  certificates,
  apply: "/apply/#handler",
  progress: "/query/#handler",
  cancel: "/query/#handler",
};

/** What needs a 統一編號: an organisation without one has no API account. */
const COMPANIES = ["apply", "progress", "cancel"];

function offer({ name, word }, work) {
  const target = FUNCTIONS[name];
  if (!work.ubn && COMPANIES.includes(name)) return make("li", {}, make("span", { className: "hint", textContent: `${word}（限有統一編號的公司）` }));
  if (typeof target === "string") return make("li", {}, make("a", { href: target, textContent: word }));
  const link = make("a", { href: `#${name}`, textContent: word });
  link.addEventListener("click", (event) => {
    event.preventDefault();
    busy(link, "讀取中…", async () => {
      const found = await target().catch(async (trouble) => {
        if (trouble.code !== "not-allowed") throw trouble;
        // The entry was changed or removed meanwhile: what is left of it is shown.
        await arrive();
        if (!element("work").hidden) tell("授權已變更", "授權管理者已變更您的權限，請依目前的功能選單辦理。");
      });
      if (!found) return;
      element("result-list").replaceChildren(...found);
      element("result-title").textContent = word;
      element("result").hidden = false;
      element("result-title").focus();
    });
  });
  return make("li", {}, link);
}

async function arrive() {
  me = await get("/api/delegate/me");
  if (!me.organisations.length) {
    await signOut();
    show("sign-in");
    return tell("查無您的授權經辦人資料", "您目前不是任何機關的授權經辦人；如有疑問，請洽貴機關的授權管理者。");
  }
  const work = me.organisations.find(({ handler }) => handler === me.chosen);
  element("other").hidden = me.organisations.length < 2;
  if (!work) return choose();
  sheet(element("work-sheet"), [["授權經辦人姓名", me.name], ["機關代號", work.code], ["機關名稱", work.organisation], [work.ubn ? "統一編號" : "機關憑證OID", work.number]]);
  element("functions").replaceChildren(...work.permissions.map((permission) => offer(permission, work)));
  element("result").hidden = true;
  show("work");
}

function choose() {
  element("organisations").replaceChildren(...me.organisations.map(({ handler, code, organisation }) => {
    const button = make("button", { type: "button", translate: false, textContent: `${code} ${organisation}` });
    button.addEventListener("click", () => busy(button, "傳送中…", async () => {
      await post("/api/delegate/me", { handler });
      await arrive();
    }));
    return button;
  }));
  show("choose");
}

element("sign-in-form").addEventListener("submit", (event) => {
  event.preventDefault();
  busy(event.submitter, "正在與讀卡元件連線…", async () => {
    await post("/api/session", await sign(["citizen"], "sign-in", { as: "handler" }));
    await arrive();
  });
});
element("other").addEventListener("click", choose);
element("sign-out").addEventListener("click", ({ target }) => busy(target, "傳送中…", async () => {
  await signOut();
  show("sign-in");
}));
// Whoever is signed in already goes on.
arrive().catch(() => {});
