// A company's account: its status, why, and 暫停, 恢復, 註銷.

import { get, post } from "/js/service.js";
import { busy, element, sheet, show, tell } from "/js/page.js";
import { make } from "/js/make.js";
import { handover, letterList, logList } from "/js/review/parts.js";
import { visit } from "/js/review/places.js";

const ACTS = { suspension: ["暫停查驗權限", "danger"], resumption: ["恢復查驗權限", ""], revocation: ["提請註銷（另須主管同意）", "danger"], "key-leak": ["isskey外洩，立即停用並更換", "danger"], "ubn-change": ["通知辦理統一編號變更", "secondary"] };
const DONE = { suspension: "已暫停，即時生效", resumption: "已恢復，即時生效", revocation: "已提請覆核", "key-leak": "原isskey已即時停用，新的isskey由該公司查詢", "ubn-change": "已寄信說明統一編號變更的辦理方式" };

export function wireAccount({ openCase }) {
  const form = element("account-form");
  form.addEventListener("submit", (event) => event.preventDefault());

  const limits = element("limits-form");
  limits.addEventListener("submit", (event) => {
    event.preventDefault();
    // What is no number is refused by the service, in its field.
    const number = (id) => (/^[0-9]{1,9}$/.test(element(id).value.trim()) ? Number(element(id).value) : 0);
    busy(element("limits-button"), "處理中…", async () => {
      const wanted = { callsPerMinute: number("limits-per-minute"), burst: number("limits-burst"), text: element("limits-reason").value };
      const found = await post(`/api/review/accounts/${limits.dataset.ubn}/limits`, wanted);
      render(found);
      tell("已變更，下一次呼叫起生效", found.companyName, { good: true });
    }, limits);
  });

  async function open(ubn) {
    visit("account", ubn);
    render(await get(`/api/review/accounts/${ubn}`));
  }

  function render(found) {
    element("account-title").replaceChildren(make("bdi", { textContent: found.companyName }), `　${found.statusWord}`);
    element("account-facts").replaceChildren(sheet(make("dl"), [
      ["營利事業統一編號", found.ubn],
      ["啟用狀態", `${found.statusWord}（自${found.statusSince}）`],
      ["辦理人員", found.statusBy],
      ["原因", found.statusReason],
      ["查驗服務", found.callsWord],
      ["可辦理事項", found.offers.join("、")],
      ["恢復方式", found.wayBack],
      ["連線主機網路位址", found.hostAddress],
      ["apId", found.apId, "mono"],
      ["憑證序號", found.certificateSerialNumber, "mono"],
      ["有效迄止日期", found.certificateUntil],
      ["最近31天查驗", `${found.calls.count}次，其中不符${found.calls.wrong}次；未受理${found.calls.refused}次${found.calls.sandbox ? "；測試模式" : ""}`],
      ["最近一次查驗", found.calls.lastAt ?? "無"],
      ["呼叫次數上限", `每分鐘${found.calls.callsPerMinute}次，瞬間上限${found.calls.burst}次`],
    ]), ...found.proposals.map((proposal) =>
      make("p", { className: "progress" }, `${proposal.actWord}：待覆核（`, make("bdi", { textContent: proposal.proposedBy }), ` ${proposal.proposedAt}）`)));
    if (found.handover) element("account-facts").append(make("h3", { textContent: "統一編號變更" }), handover(found, { account: open, open: openCase }));
    if (found.idle) {
      const { unusedSince, until, over, used } = found.idle;
      element("account-facts").append(make("p", { className: "progress", textContent: used
        ? `自${unusedSince}逾一年未使用，警告後已有查驗。`
        : `自${unusedSince}逾一年未使用，已警告至${until}${over ? "，期滿仍未使用" : ""}。` }));
    }
    const acts = found.may.filter((name) => name in ACTS);
    form.hidden = !acts.length;
    limits.hidden = !found.may.includes("limits");
    limits.dataset.ubn = found.ubn;
    element("limits-per-minute").value = found.calls.callsPerMinute;
    element("limits-burst").value = found.calls.burst;
    element("limits-reason").value = "";
    element("account-reason").value = "";
    element("account-acts").replaceChildren(...acts.map((act) => {
      const [word, style] = ACTS[act];
      const button = make("button", { type: "button", className: style, textContent: word });
      button.dataset.act = act;
      button.addEventListener("click", () => busy(button, "處理中…", async () => {
        const text = element("account-reason").value;
        render(await post(`/api/review/accounts/${found.ubn}/${act}`, { text }));
        tell(DONE[act], found.companyName, { good: true });
      }, form));
      return button;
    }));
    element("account-log").replaceChildren(
      make("h3", { textContent: "信件" }), letterList(found.letters),
      make("h3", { textContent: "辦理歷程" }), logList(found.log));
    show("account");
    element("account-title").focus();
  }

  return { open };
}
