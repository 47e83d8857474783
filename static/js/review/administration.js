// 人員與日曆, for administrators: who may do what, and on which days the offices work.

import { get, post } from "/js/service.js";
import { busy, element, show, tell } from "/js/page.js";
import { make, own } from "/js/make.js";
import { visit } from "/js/review/places.js";

export function wireAdministration() {
  async function load() {
    visit("administration");
    const { officers } = await get("/api/review/officers");
    element("officers").tBodies[0].replaceChildren(...officers.map(row));
    show("administration");
  }

  function row({ id, name, roleWord, ownCompany }) {
    const remove = make("button", { type: "button", className: "small", textContent: "移除" });
    remove.setAttribute("aria-label", `移除${name}`);
    remove.addEventListener("click", () => busy(remove, "處理中…", async () => {
      await post(`/api/review/officers/${id}/removal`, {});
      await load();
      tell("已移除，登入隨即失效", name, { good: true });
    }));
    return make("tr", {}, make("td", {}, own(name)), make("td", { textContent: roleWord }), make("td", { textContent: ownCompany ?? "" }), make("td", {}, remove));
  }

  element("officer-form").addEventListener("submit", (event) => {
    event.preventDefault();
    busy(event.submitter, "處理中…", async () => {
      const added = await post("/api/review/officers", {
        subjectSerial: element("subject-serial").value,
        name: element("officer-name").value,
        role: element("role").value,
        ownCompany: element("own-company").value.trim() || null,
      });
      event.target.reset();
      await load();
      tell("已登錄", `${added.name}（${added.roleWord}）`, { good: true });
    }, event.target);
  });

  element("day-form").addEventListener("submit", (event) => {
    event.preventDefault();
    busy(event.submitter, "處理中…", async () => {
      const day = element("day").value;
      await post("/api/review/calendar-days", { day, working: Boolean(element("working").value), note: element("day-note").value });
      event.target.reset();
      tell("辦公日曆已更新，審核中案件的到期日隨即調整", day, { good: true });
    }, event.target);
  });

  return { load };
}
