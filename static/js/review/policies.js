// 審核期限: how many working days, from which day on. Another value takes two.

import { get, post } from "/js/service.js";
import { busy, element, show, tell } from "/js/page.js";
import { table } from "/js/review/parts.js";
import { visit } from "/js/review/places.js";

export function wirePolicies() {
  async function load() {
    visit("policies");
    const { policies } = await get("/api/review/policies");
    const rows = policies.flatMap(({ word, ofEdition, values }) => [
      [word, `${ofEdition}`, "作業規定"],
      ...values.map(({ value, from }) => [word, `${value}`, `自${from}起`]),
    ]);
    element("policy-list").replaceChildren(table(["項目", "數值", "適用"], rows));
    element("policy").replaceChildren(...policies.map(({ policy, word }) => new Option(word, policy)));
    show("policies");
  }

  element("policy-form").addEventListener("submit", (event) => {
    event.preventDefault();
    busy(event.submitter, "處理中…", async () => {
      await post("/api/review/policies", {
        policy: element("policy").value,
        value: Number(element("policy-value").value) || 0,
        validFrom: element("policy-from").value,
        text: element("policy-reason").value,
      });
      event.target.reset();
      await load();
      tell("已提請覆核", "另一位主管於「待覆核事項」同意後，自所選日期起適用於新申請的案件。", { good: true });
    }, event.target);
  });

  return { load };
}
