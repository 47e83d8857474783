// 憑證註冊與指派作業: the menu, and what each of its items does step by step.

import init, { checkRegistrationField } from "/wasm/registration.js";
import { listHandlers, wireHandlers } from "/js/delegate/handlers.js";
import * as visit from "/js/delegate/visit.js";
import { make, own } from "/js/make.js";
import { busy, clearMessage, element, markField, sheet, show, tellFields } from "/js/page.js";
import { get, post } from "/js/service.js";

const checks = init({ module_or_path: "/wasm/registration_bg.wasm" });
const READING = "正在與讀卡元件連線…";
const WORDS = {
  "register": "首次註冊",
  "delegate": "授權指派",
  "replace-organisation": "更換機關憑證",
  "replace-manager": "更換授權管理者自然人憑證",
  "replace-both": "更換機關憑證和更換授權管理者自然人憑證",
  "find-organisation": "查詢機關憑證 OID",
  "find-serial": "查詢自然人憑證序號",
  "accept-invitation": "接受授權經辦人邀請",
  "renew-handler": "更新經辦人憑證",
};
let kind = "";

/** The fields of a form as they will be kept, or none when something is wrong. */
export async function checked(form, fields) {
  await checks;
  const accepted = {};
  const errors = [];
  for (const [name, rule] of Object.entries(fields)) {
    const outcome = JSON.parse(checkRegistrationField(rule, form[name].value));
    if (outcome.errors) errors.push({ pointer: `/${name}`, code: outcome.errors[0].code });
    else accepted[name] = outcome.accepted;
  }
  if (!errors.length) return accepted;
  await tellFields(errors, form);
  return null;
}

/** Says at once what is wrong with a field that was left. */
export function wireFields(form, fields) {
  const judge = async ({ type, target }) => {
    const rule = fields[target.name];
    if (!rule) return;
    // What was wrong is judged while it is typed: were it only when the field is left, the button
    // would move away under a click.
    if (type === "input" && !target.hasAttribute("aria-invalid")) return;
    await checks;
    const outcome = JSON.parse(checkRegistrationField(rule, target.value));
    await markField(target, outcome.errors?.[0].code);
    if (type === "change" && outcome.accepted) target.value = outcome.accepted;
  };
  form.addEventListener("input", judge);
  form.addEventListener("change", judge);
}

function choose(next, invitation) {
  kind = next;
  visit.forget(kind);
  for (const place of document.querySelectorAll("[data-kind]")) place.textContent = WORDS[kind];
  for (const form of document.querySelectorAll("form")) form.reset();
  const two = visit.hasTwoCards(kind);
  const step = (place, text) => {
    const shown = document.querySelector(`[data-step=${place}]`);
    shown.hidden = !two;
    shown.textContent = text;
  };
  step("organisation", `第1步，共2步：${["replace-organisation", "replace-both"].includes(kind) ? "插入更換後的機關憑證" : "插入機關憑證"}`);
  step("citizen", `第2步，共2步：取出機關憑證，${["replace-manager", "replace-both"].includes(kind) ? "插入更換後的授權管理者自然人憑證" : "插入授權管理者自然人憑證"}`);
  element("nationalId-label").textContent = two ? "授權管理者身分證統一編號：" : "身分證統一編號：";
  element("citizen-words").textContent = two
    ? "請插入授權管理者自然人憑證，輸入身分證統一編號後點選確認。標註星號(*)表示此欄位必須填寫"
    : "請插入自然人憑證，輸入身分證統一編號後點選確認。標註星號(*)表示此欄位必須填寫";
  element("invited").hidden = true;
  if (invitation) return acceptInvitation(invitation);
  if (visit.needsTerms(kind)) show("terms");
  else show(visit.hasOrganisation(kind) ? "organisation" : "citizen");
}

async function acceptInvitation(token) {
  show("citizen");
  // The link is worth nothing to whoever looks over the shoulder, but need not stand there.
  history.replaceState(null, "", "#accept");
  await busy(element("citizen-form").querySelector("button"), "讀取中…", async () => {
    const { invitation } = await visit.begin(token);
    element("invited").replaceChildren(own(invitation.organisation), make("span", { textContent: " 邀請您擔任授權經辦人，權限：" }), own(invitation.permissions.join("、")));
    element("invited").hidden = false;
  });
}

function route() {
  const wanted = decodeURIComponent(location.hash.slice(1));
  if (wanted === "accept") return;
  for (const link of document.querySelectorAll("nav.menu a")) {
    link.toggleAttribute("aria-current", false);
    if (link.hash === `#${wanted}`) link.setAttribute("aria-current", "page");
  }
  clearMessage();
  if (wanted.startsWith("accept=")) return choose("accept-invitation", wanted.slice(7));
  if (wanted === "receipts") {
    visit.forget("");
    element("receipts-form").reset();
    element("receipts-result").hidden = true;
    return show("receipts");
  }
  if (wanted in WORDS && wanted !== "accept-invitation") return choose(wanted);
  visit.forget("");
  show("home");
}

element("agree").addEventListener("click", () => show("organisation"));

/** What stops a registration without being an error: officers are asked. */
const REVIEWS = ["registration-mismatch", "other-manager"];

async function step(button, form, act) {
  await busy(button, READING, async () => {
    try {
      await act();
    } catch (trouble) {
      if (trouble.code === "registration-under-review") return underReview(null);
      if (!REVIEWS.includes(trouble.code)) throw trouble;
      element("mismatch-words").textContent = `${trouble.message}。${trouble.advice}`;
      show("mismatch");
    }
  }, form);
}

const CODE = { code: "code" };
wireFields(element("organisation-form"), CODE);
element("organisation-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const form = event.target;
  const typed = await checked(form, CODE);
  if (!typed) return;
  await step(event.submitter, form, async () => {
    const view = await visit.showOrganisation(typed.code);
    if (kind !== "find-organisation") return show("citizen");
    const { name, number, serialNumber, validUntil } = view.organisation;
    sheet(element("found-sheet"), [["機關名稱", name], ["機關代號", view.code], ["機關憑證OID", number, "copy"], ["憑證序號", serialNumber, "copy"], ["憑證效期至", validUntil]]);
    show("found");
  });
});

const ID = { nationalId: "nationalId" };
wireFields(element("citizen-form"), ID);
element("citizen-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const form = event.target;
  const typed = await checked(form, ID);
  if (!typed) return;
  await step(event.submitter, form, async () => {
    const view = await visit.showCitizen(typed.nationalId);
    form.reset();
    const { name, serialNumber, validUntil } = view.citizen;
    if (kind === "delegate") return listHandlers();
    if (kind === "find-serial") {
      sheet(element("found-sheet"), [["姓名", name], ["自然人憑證序號", serialNumber, "copy"], ["憑證效期至", validUntil]]);
      return show("found");
    }
    if (!visit.hasOrganisation(kind)) {
      const words = kind === "renew-handler" ? "更新成功，並已通知授權管理者。" : "已接受邀請，並已通知授權管理者。";
      return done(words, [["姓名", name], ["憑證序號(SN)", serialNumber, "mono"]], ["/handler/", "授權經辦人登入"]);
    }
    fillContact(view);
  });
});

function fillContact({ code, organisation, citizen, contact, byHandler }) {
  sheet(element("organisation-sheet"), [["機關代號", code], ["機關名稱", organisation.name], [organisation.number.includes(".") ? "機關憑證OID" : "統一編號", organisation.number], ["憑證序號", organisation.serialNumber, "mono"], ["憑證效期至", organisation.validUntil]]);
  element("second-title").textContent = byHandler ? "授權經辦人自然人憑證資訊" : "授權管理者自然人憑證資訊";
  sheet(element("citizen-sheet"), [["姓名", citizen.name], ["身分證統一編號", citizen.nationalId, "mono"], ["憑證序號", citizen.serialNumber, "mono"], ["憑證效期至", citizen.validUntil]]);
  const form = element("contact-form");
  // 更換機關憑證: as on file, to be confirmed; otherwise typed anew.
  const known = kind === "replace-organisation" ? contact : null;
  form.contactName.value = known?.contactName ?? citizen.name;
  form.email.value = known?.email ?? "";
  form.phone.value = known?.phone ?? "";
  show("contact");
}

const CONTACT = { contactName: "contactName", email: "email", phone: "phone" };
wireFields(element("contact-form"), CONTACT);
element("contact-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const form = event.target;
  const typed = await checked(form, CONTACT);
  if (!typed) return;
  await busy(event.submitter, "傳送中…", async () => {
    const { code, name, itemWord, receivedAtRoc } = await visit.tell("registrations", typed);
    const words = kind === "register" ? "首次註冊成功，可接續辦理授權指派經辦人作業。" : `${WORDS[kind]}成功。`;
    done(words, [["機關代號", code], ["機關名稱", name], ["註冊項目", itemWord, "word"], ["收件時間", receivedAtRoc]], kind === "register" ? ["#delegate", "授權指派"] : null);
  }, form);
});

function done(words, rows, next) {
  element("done-words").textContent = words;
  sheet(element("done-sheet"), rows);
  element("done-next").hidden = !next;
  if (next) [element("done-next").href, element("done-next").textContent] = next;
  show("done");
}

const ASKER = { contactName: "contactName", phone: "phone", email: "optionalEmail" };
wireFields(element("mismatch-form"), ASKER);
element("mismatch-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const form = event.target;
  const typed = await checked(form, ASKER);
  if (!typed) return;
  await busy(event.submitter, "傳送中…", async () => underReview(await visit.tell("visit/review", typed)), form);
});

/** Figure 3-7: the next working day, and who is in charge. */
async function underReview(asked) {
  const { switchboard, offices } = asked?.offices ?? (await get("/api/delegate/terms")).offices;
  const next = element("next-day");
  next.hidden = !asked?.nextWorkingDay;
  next.textContent = `次一營業日：${asked?.nextWorkingDay ?? ""}`;
  const list = make("dl");
  sheet(list, [
    ...asked ? [["案件編號(S/N)", asked.serialNumber, "copy"]] : [],
    ["總機", switchboard],
    ...offices.map(({ name, extension, regions }) => [`${name} 分機 ${extension}`, `${regions.join("、")}等地機關`]),
  ]);
  list.setAttribute("translate", "no");
  element("offices").replaceChildren(list);
  show("under-review");
}

wireFields(element("receipts-form"), CODE);
element("receipts-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const form = event.target;
  const typed = await checked(form, CODE);
  if (!typed) return;
  await busy(event.submitter, "查詢中…", async () => {
    const { receipts } = await post("/api/delegate/receipts", typed);
    element("receipts-count").textContent = receipts.length ? `計${receipts.length}筆收件紀錄` : "查無收件紀錄";
    element("receipts-list").replaceChildren(...receipts.map(({ name, receivedAtRoc, itemWord }) =>
      make("div", { className: "case" }, sheet(make("dl"), [["機關名稱", name], ["收件時間", receivedAtRoc], ["註冊項目", itemWord, "word"]]))));
    element("receipts-result").hidden = false;
  }, form);
});

for (const id of ["print", "print-found"]) element(id).addEventListener("click", () => window.print());
wireHandlers();
addEventListener("hashchange", route);
route();
