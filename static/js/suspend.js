// 憑證IC卡停復用: by 卡號 and 用戶代碼; the code is asked for once the card is known to be one of
// ours. After three wrong codes the card itself unlocks. The service judges the fields, before it
// counts or compares anything: nothing is signed here, and the page stays light.

import { make, own } from "/js/make.js";
import { busy, clearMessage, element, sheet, show, tell, tellFields } from "/js/page.js";
import { post, sign } from "/js/service.js";

const form = element("change-form");
const codeRow = element("code-row");

/** Whether the code may be asked for: once the card is known to be one of ours. */
function askCode(yes) {
  setLocked(false);
  codeRow.hidden = !yes;
  element("send").textContent = yes ? "傳送資料" : "下一步";
  if (!yes) form.userCode.value = "";
}

/** Whether the code is locked: then it is not asked for, and the card unlocks it. */
function setLocked(locked) {
  element("locked").hidden = !locked;
  element("send").hidden = locked;
  if (locked) codeRow.hidden = true;
}

/** Whose card it is; tells where other CAs' cards are suspended. */
async function isOurs(cardNumber) {
  const { own: ours, cardNumber: folded, name, site } = await post("/api/cards/issuer", { cardNumber });
  form.cardNumber.value = folded;
  element("elsewhere").hidden = ours;
  if (ours) return true;
  element("elsewhere-who").textContent = name
    ? "請至發卡的憑證管理中心網站辦理。本服務不需要也不會詢問該卡的用戶代碼，請勿在此輸入。"
    : "無法由卡號判斷發卡的憑證管理中心，請洽發卡單位。本服務不會詢問該卡的用戶代碼，請勿在此輸入。";
  element("elsewhere-link").replaceChildren(...(name ? [make("a", { href: site, rel: "noreferrer" }, make("span", { textContent: name }))] : []));
  element("elsewhere").focus();
  return false;
}

async function send(cardNumber) {
  const body = { act: form.act.value, cardNumber, userCode: form.userCode.value };
  try {
    showResult(await post("/api/cards/changes", body));
  } catch (trouble) {
    if (["card-code-wrong", "card-code-locked"].includes(trouble.code)) form.userCode.value = "";
    setLocked(trouble.code === "card-code-locked");
    throw trouble;
  }
}

function showResult(reply) {
  form.reset();
  element("outcome").textContent = reply.act === "suspend" ? "暫停使用成功" : "恢復使用成功";
  sheet(element("result-sheet"), [
    ["作業類別", reply.actWord, "word"],
    ["卡號", reply.cardNumber, "mono"],
    ["憑證狀態", reply.stateWord, "word"],
  ]);
  const clock = (name, text, time) => [
    make("dt", { textContent: `${name}：` }),
    make("dd", {}, make("span", { textContent: text }), ...(time ? ["（", own(time), "）"] : [])),
  ];
  // What the lists show already, or never showed, has nothing to wait for.
  const lists = { suspend: ["憑證廢止清冊將於 24:00 後公布", "憑證廢止清冊已列入"], resume: ["憑證廢止清冊將於 24:00 後移除停用狀態並公布", "憑證廢止清冊未列入此卡，不受影響"] }[reply.act];
  element("result-sheet").append(
    ...clock("本服務", "本服務已生效", reply.effectiveAtRoc),
    ...clock("其他應用系統", lists[reply.listedAfterRoc ? 0 : 1], reply.listedAfterRoc),
  );
  show("result");
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const cardNumber = form.cardNumber.value;
  const shown = [["act", "not-offered"], ["cardNumber", "required"], ["userCode", "required"]];
  const empty = shown.filter(([name]) => !form[name].value && !(name === "userCode" && codeRow.hidden));
  if (empty.length) return tellFields(empty.map(([name, code]) => ({ pointer: `/${name}`, code })), form);
  await busy(element("send"), codeRow.hidden ? "確認卡號中…" : "傳送中…", async () => {
    if (!codeRow.hidden) return send(cardNumber);
    if (!(await isOurs(cardNumber))) return;
    askCode(true);
    form.userCode.focus();
  }, form);
});

form.cardNumber.addEventListener("input", () => {
  askCode(false);
  element("elsewhere").hidden = true;
});

form.addEventListener("reset", () => {
  clearMessage();
  askCode(false);
  element("elsewhere").hidden = true;
});

element("unlock").addEventListener("click", async () => {
  await busy(element("unlock"), "正在與讀卡元件連線…", async () => {
    const cardNumber = form.cardNumber.value;
    await post("/api/cards/unlock", await sign(["company", "secondary-company"], "unlock-card", { cardNumber }));
    askCode(true);
    tell("已解除用戶代碼鎖定", "請重新輸入用戶代碼。", { good: true });
  });
});

if (location.hash === "#resume") form.act.value = "resume";
element("again").addEventListener("click", () => show("change"));
element("print").addEventListener("click", () => window.print());
