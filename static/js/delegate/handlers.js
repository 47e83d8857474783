// 授權指派: the list of handlers, and the form of one.

import { ask } from "/js/ask.js";
import { readCard } from "/js/bridge.js";
import * as visit from "/js/delegate/visit.js";
import { make } from "/js/make.js";
import { busy, confirmed, element, sheet, show, tell, tellFields } from "/js/page.js";
import { get } from "/js/service.js";

const form = element("handler-form");
/** The entry that is being changed. */
let entry = null;
/** Last four of the ID on the card that was read. */
let tail = null;

/** The list, as it is now. */
export async function listHandlers() {
  const { code, organisation, handlers } = await visit.ask("handlers");
  element("handlers-of").textContent = `${code} ${organisation}`;
  element("handlers-count").textContent = handlers.length ? `計${handlers.length}名授權經辦人` : "尚無授權經辦人";
  element("handlers-list").replaceChildren(...handlers.map(card));
  show("handlers");
}

function card(handler) {
  const rows = [
    ["授權經辦人姓名", handler.name],
    ["憑證序號(SN)", handler.serialNumber ?? "", "mono"],
    ["狀態", handler.invitedUntil ? `邀請中，${handler.invitedUntil}前有效` : "", "word"],
    ["身分證統一編號", handler.nationalId, "mono"],
    ["電子信箱", handler.email],
  ];
  const permissions = make("ul", {}, ...handler.permissions.map(({ word }) => make("li", { textContent: word })));
  const list = sheet(make("dl"), rows);
  list.append(make("dt", { textContent: "功能選單項目：" }), make("dd", {}, permissions));
  const button = (text, act, danger) => {
    const made = make("button", { type: "button", className: danger ? "danger" : "secondary", textContent: text });
    made.setAttribute("aria-label", `${text}：${handler.name}`);
    made.addEventListener("click", () => act(handler, made));
    return made;
  };
  return make("div", { className: "case" }, list, make("div", { className: "buttons" }, button("修改", edit), button("刪除", remove, true)));
}

async function open(handler) {
  entry = handler;
  tail = null;
  form.reset();
  const { permissions } = await get("/api/delegate/terms");
  element("permissions").replaceChildren(...permissions.map(({ name, word }, index) => {
    const box = make("input", { type: "checkbox", name: "permissions", value: name, id: index ? `permission-${name}` : "permission-first" });
    box.checked = Boolean(handler?.permissions.some((given) => given.name === name));
    return make("label", { className: "choice" }, box, make("span", { textContent: ` ${word}` }));
  }));
  element("handler-title").textContent = handler ? "修改授權經辦人" : "新增授權經辦人";
  element("how-row").hidden = Boolean(handler);
  form.nationalId.labels[0].classList.toggle("required", !handler);
  element("handler-id-hint").textContent = handler ? `原登錄：${handler.nationalId}，不變更時免填。` : "";
  if (handler) {
    form.serialNumber.value = handler.serialNumber ?? "";
    form.elements.namedItem("name").value = handler.name;
    form.email.value = handler.email ?? "";
  }
  how();
  show("handler");
}

const edit = (handler, button) => busy(button, "讀取中…", () => open(handler));

async function remove(handler, button) {
  element("confirm-who").textContent = handler.name;
  if (!(await confirmed())) return;
  await busy(button, "傳送中…", async () => {
    await visit.tell(`handlers/${handler.id}/removal`, { revision: handler.revision });
    await listHandlers();
    tell("授權經辦人刪除成功", "", { good: true });
  });
}

const invites = () => !entry && form.how.value === "invite";

function how() {
  element("serial-row").hidden = invites();
}

async function send(button) {
  const draft = {
    serialNumber: invites() ? "" : form.serialNumber.value,
    name: form.elements.namedItem("name").value,
    nationalId: form.nationalId.value,
    email: form.email.value,
    permissions: [...form.querySelectorAll("[name=permissions]:checked")].map(({ value }) => value),
  };
  await busy(button, "傳送中…", async () => {
    if (entry) {
      await visit.tell(`handlers/${entry.id}`, { revision: entry.revision, handler: draft });
      await listHandlers();
      return tell("授權經辦人修改成功", "", { good: true });
    }
    const { address } = await visit.tell(invites() ? "invitations" : "handlers", draft);
    await listHandlers();
    if (!address) return tell("授權經辦人新增成功", "", { good: true });
    const link = make("li", { translate: false }, make("code", { textContent: address }));
    tell("邀請已建立", "請將下列連結交給經辦人本人，以自然人憑證確認後生效；連結只顯示這一次，七天內有效。", { good: true, items: [link] });
  }, form);
}

/** Whether the manager's own card is what should be read. */
const isMeant = () => ask("讀卡機內是授權管理者本人的憑證", ["要指派他人時，請取出卡片，改插入經辦人的自然人憑證後再讀取一次。"],
  [["", "取消"], ["yes", "使用這張卡片"]], { id: "own-card" }).answer;

export function wireHandlers() {
  element("add-handler").addEventListener("click", ({ target }) => busy(target, "讀取中…", () => open(null)));
  element("handler-cancel").addEventListener("click", ({ target }) => busy(target, "讀取中…", listHandlers));
  for (const id of ["how-card", "how-invite"]) element(id).addEventListener("change", how);
  element("read-card").addEventListener("click", ({ target }) => busy(target, "正在與讀卡元件連線…", async () => {
    const { certificate } = await readCard(["citizen"]);
    const read = await visit.tell("card-readings", { certificate });
    // The card of the visit is easily left in the reader.
    if (read.serialNumber === visit.current().citizen.serialNumber && !(await isMeant())) return;
    form.serialNumber.value = read.serialNumber;
    form.elements.namedItem("name").value = read.name;
    tail = read.tail;
  }));
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const id = form.nationalId.value.trim();
    // The service cannot know which card was read; a slip is told here.
    if (tail && id && !id.endsWith(tail)) {
      return tellFields([{ pointer: "/nationalId", code: "national-id-mismatch" }], form);
    }
    await send(event.submitter);
  });
}
