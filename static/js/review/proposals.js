// 待覆核事項: what one officer proposed, and a supervisor who is another one decides.

import { get, post } from "/js/service.js";
import { busy, element, show, tell } from "/js/page.js";
import { make, own } from "/js/make.js";
import { visit } from "/js/review/places.js";

export function wireProposals({ openCase, openAccount }) {
  async function load() {
    visit("proposals");
    const { proposals } = await get("/api/review/proposals");
    element("proposal-list").replaceChildren(...(proposals.length ? proposals.map(view) : [make("p", { textContent: "目前沒有待覆核事項。" })]));
    show("proposals");
  }

  function view(proposal) {
    const button = (word, style, act) => {
      const made = make("button", { type: "button", className: style, textContent: word });
      made.addEventListener("click", () => busy(made, "處理中…", act));
      return made;
    };
    const decide = (endorsed) => async () => {
      await post(`/api/review/proposals/${proposal.id}/decision`, { endorsed });
      await load();
      tell(endorsed ? "已同意，即時生效" : "已註明不同意", proposal.policy ?? proposal.companyName, { good: true });
    };
    const buttons = proposal.ubn ? [button("查看帳號", "secondary", () => openAccount(proposal.ubn))] : [];
    if (proposal.serialNumber) buttons.unshift(button("查看案件", "secondary", () => openCase(proposal.serialNumber)));
    if (proposal.mayDecide) buttons.push(button("同意", "endorse", decide(true)), button("不同意", "danger", decide(false)));
    return make("article", { className: "case" },
      make("h3", {}, `${proposal.actWord}：`, own(proposal.policy ?? proposal.companyName), proposal.ubn ? `（${proposal.ubn}）` : ""),
      make("p", {}, own(proposal.reason)),
      make("p", { className: "hint" }, "提出：", own(proposal.proposedBy), ` ${proposal.proposedAt}`),
      make("div", { className: "buttons" }, ...buttons));
  }

  return { load };
}
