// 身分確認服務: approved services, what is demanded of them, stops that two officers decide; and
// the list of supervised institutions, for administrators.

import { get, post } from "/js/service.js";
import { busy, element, sheet, show, tell } from "/js/page.js";
import { make, own } from "/js/make.js";
import { table } from "/js/review/parts.js";
import { visit } from "/js/review/places.js";

export function wireServices() {
  let grounds = [];

  /** `number` is the service that is looked for. */
  async function load(number = "") {
    render(await get("/api/review/services"));
    visit("services", `${number}`);
    show("services");
    element(`service-${number}`)?.scrollIntoView();
    element(`service-${number}`)?.querySelector("h3").focus();
  }

  function render(found) {
    grounds = found.grounds;
    element("service-list").replaceChildren(...(found.services.length ? found.services.map(view) : [make("p", { textContent: "目前沒有核准的服務。" })]));
  }

  const button = (word, style, does) => {
    const made = make("button", { type: "button", className: style, textContent: word });
    made.addEventListener("click", () => busy(made, "處理中…", does));
    return made;
  };

  /** Whether a demand was met, with a word to the applicant. */
  function closing(demand, act) {
    const text = make("input", { type: "text", id: `demand-${demand.number}-text`, autocomplete: "off" });
    const place = make("div", { className: "field no-print" }, make("label", { htmlFor: text.id, textContent: "說明（申請機關(構)會看到）" }), make("span", { className: "error" }), text);
    place.dataset.field = "result";
    const close = (name) => () => act(name, "已結案")({ demand: demand.number, text: text.value });
    const unmet = button("未辦理", "danger", close("unmet"));
    unmet.disabled = !demand.mayBeUnmet;
    return [place, make("div", { className: "buttons no-print" }, button("已辦理", "secondary", close("met")), unmet)];
  }

  function view(one) {
    const act = (name, word) => async (body) => {
      render(await post(`/api/review/services/${one.number}/${name}`, body));
      tell(word, `${one.name} ${one.systemName}`, { good: true });
    };
    const facts = make("dl", {});
    sheet(facts, [["應用系統中文名稱", one.systemName], ["代碼", one.applicant, "mono"], ["伺服器憑證序號", one.serverSerial, "mono"], ["開放日期", one.opensOn],
      ["停用日期", one.closesOn], ["伺服器憑證有效期限", one.certificateEnds], ["停止服務日期", one.stoppedAt], ["停止服務理由", one.stopGround], ["說明", one.stopReason]]);
    const demands = one.demands.map((demand) => {
      const state = demand.late ? "逾期未結案" : demand.open && demand.answer ? "已回覆，待結案" : demand.open ? "待辦理" : demand.met ? "已辦理" : "未辦理";
      const list = make("dl", {});
      sheet(list, [["要求事項", demand.kindWord], ["要求內容", demand.text], ["期限", demand.dueOn], ["回覆", demand.answer], ["辦理情形", state]]);
      return make("div", {}, list, ...(demand.open ? closing(demand, act) : []));
    });
    const stop = one.stop && make("div", {},
      make("p", {}, "提請停止服務：", own(one.stop.groundWord), "　", own(one.stop.reason)),
      !one.stop.mayDecide ? make("p", { className: "hint", textContent: "待另一位主管決定。" }) : make("div", { className: "buttons" }, button("同意", "endorse", () => act("endorse", "已同意，即時生效")({})), button("不同意", "danger", () => act("decline", "已註明不同意")({}))));
    return make("article", { className: "case", id: `service-${one.number}` },
      make("h3", { tabIndex: -1 }, own(one.name), `　${one.stateWord}`), facts, ...demands, ...(stop ? [stop] : []),
      ...(["open", "waiting"].includes(one.state) ? [form(one, act)] : []));
  }

  /** A demand or a stop, with its words. */
  function form(one, act) {
    const id = `service-${one.number}`;
    const option = (value, word) => make("option", { value, textContent: word });
    const what = make("select", { id: `${id}-what` },
      option("improvement", "要求限期改善（第六點第五款）"), option("measures", "要求採行配合措施（第七點）"),
      ...(one.stop ? [] : grounds.map(({ name, word }) => option(name, `提請停止服務：${word}`))));
    const due = make("input", { type: "date", id: `${id}-due` });
    const text = make("textarea", { id: `${id}-text` });
    const field = (label, input, member = "") => {
      const place = make("div", { className: "field" }, make("label", { className: "required", htmlFor: input.id, textContent: label }), make("span", { className: "error" }), input);
      place.dataset.field = member;
      return place;
    };
    const dueField = field("期限", due, "dueOn");
    what.addEventListener("change", () => { dueField.hidden = what.selectedIndex > 1; });
    const made = make("form", { noValidate: true, className: "no-print" }, field("要做什麼？", what), dueField, field("說明（申請機關(構)會看到）", text, "result"),
      make("div", { className: "buttons" }, make("button", { type: "submit", textContent: "送出" })));
    made.addEventListener("submit", (event) => {
      event.preventDefault();
      busy(event.submitter, "處理中…", () => (what.selectedIndex > 1
        ? act("stop", "已提請，另須主管同意")({ ground: what.value, text: text.value })
        : act("demand", "已通知")({ kind: what.value, text: text.value, dueOn: due.value || null })), made);
    });
    return make("details", { className: "no-print" }, make("summary", { textContent: "辦理" }), made);
  }

  return { load };
}

export function wireInstitutions() {
  async function load() {
    render(await get("/api/review/institutions"));
    visit("institutions");
    show("institutions");
  }

  function render({ institutions }) {
    element("institution-list").replaceChildren(!institutions.length ? make("p", { textContent: "名單內沒有機構。" }) : table(["代碼", "機構名稱", "移除"], institutions.map(({ applicant, name }) => {
      const remove = make("button", { type: "button", className: "small", textContent: "移除" });
      remove.setAttribute("aria-label", `移除${name}`);
      remove.addEventListener("click", () => busy(remove, "處理中…", async () => {
        render(await post("/api/review/institutions", { applicant }));
        tell("已移除", name, { good: true });
      }));
      return [own(applicant), own(name), remove];
    })));
  }

  element("institution-form").addEventListener("submit", (event) => {
    event.preventDefault();
    busy(event.submitter, "處理中…", async () => {
      const name = element("institution-name").value;
      render(await post("/api/review/institutions", { applicant: element("institution-code").value.trim(), name }));
      event.target.reset();
      tell("已登錄", name, { good: true });
    }, event.target);
  });

  return { load };
}
