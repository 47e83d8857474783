// The queues: which cases wait for whom, and the search.

import { get } from "/js/service.js";
import { busy, element, show } from "/js/page.js";
import { make, own } from "/js/make.js";
import { visit } from "/js/review/places.js";

let queue = "new";
let find = "";
let shown = [];
/// Counts what was asked for: only the newest answer is shown.
let asked = 0;

/** `open(id)` shows a case, `openService(number)` a service that something is demanded of. */
export function wireList({ open, openService }) {
  const body = element("cases").tBodies[0];

  /** `place` is where the history leads: a queue, or a search. */
  async function load(place) {
    if (typeof place === "string") [queue, find] = place.startsWith("?") ? [queue, place.slice(1)] : [place || queue, ""];
    element("find").value = find;
    visit("queue", find ? `?${find}` : queue);
    const query = find ? { find } : { queue };
    const turn = ++asked;
    const { queues, count, cases, services } = await get(`/api/review/cases?${new URLSearchParams(query)}`);
    if (turn !== asked) return;
    shown = cases.map(({ serialNumber }) => serialNumber);
    element("queues").replaceChildren(...queues.map(tab));
    const rows = [...cases.map((found) => row(found, open)), ...services.map((found) => demanded(found, openService))];
    const more = count > rows.length ? `，顯示前${rows.length}件` : "";
    element("count").textContent = find ? `搜尋「${find}」：${count}件${more}` : `${queues.find(({ name }) => name === queue).word}：${count}件${more}`;
    body.replaceChildren(...rows);
    show("queue");
    const { warnings } = await get("/api/review/health");
    element("warnings").replaceChildren(...warnings.map((warning) => make("li", { textContent: warning })));
    element("warnings").hidden = !warnings.length;
    body.querySelector("button")?.focus();
  }

  function tab({ name, word, count }) {
    const button = make("button", { type: "button", className: "secondary", textContent: `${word} ${count}` });
    button.dataset.queue = name;
    if (!find && name === queue) button.setAttribute("aria-current", "true");
    button.addEventListener("click", () => {
      [queue, find] = [name, ""];
      element("find").value = "";
      busy(button, "讀取中…", () => load());
    });
    return button;
  }

  element("find-form").addEventListener("submit", (event) => {
    event.preventDefault();
    find = element("find").value.trim();
    busy(event.submitter ?? element("find"), "搜尋中…", () => load());
  });

  // Up and down, as in any list.
  body.addEventListener("keydown", (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const buttons = [...body.querySelectorAll("button")];
    buttons[buttons.indexOf(document.activeElement) + step]?.focus();
  });

  return {
    load,
    /** The case after this one in the list, or the first of the rest. */
    next: (id) => {
      const rest = shown.filter((other) => other !== id);
      const after = shown[shown.indexOf(id) + 1];
      shown = rest;
      return after ?? rest[0];
    },
  };
}

/** A cell with the day by which something is due. */
function dueCell({ due, daysLeft }) {
  const cell = make("td");
  if (!due) return cell;
  const left = daysLeft < 0 ? `逾期${-daysLeft}個工作日` : `剩${daysLeft}個工作日`;
  cell.append(due, make("br"), make("span", { className: daysLeft < 0 ? "late" : "hint", textContent: left }));
  return cell;
}

/** A button that leads to a case or a service. */
function way(word, go) {
  const button = make("button", { type: "button", className: "link", textContent: word });
  button.addEventListener("click", () => busy(button, "讀取中…", go));
  return button;
}

function row(found, open) {
  const button = way(found.kindWord, () => open(found.serialNumber));
  button.dataset.case = found.serialNumber;
  const state = [found.stateWord];
  if (found.waiting) state.push("待補件");
  if (found.answered && found.state === "accepted") state.push("已補件");
  if (found.secondLook) state.push("待主管覆核");
  const differs = found.signerName !== found.companyName;
  return make("tr", {},
    make("td", {}, button),
    make("td", {}, own(found.companyName), make("br"), found.ubn ?? own(`OID:${found.organisation}`), ...(differs ? [make("br"), "⚠ 與憑證公司名稱不同"] : [])),
    make("td", { textContent: found.submittedAtRoc }),
    dueCell(found),
    make("td", { textContent: state.join("、") }),
    make("td", {}, own(found.assignedName)));
}

/** What is demanded of a confirmation service, or its stop. */
function demanded(found, openService) {
  const button = way(found.kindWord, () => openService(found.service));
  button.dataset.service = found.service;
  return make("tr", {},
    make("td", {}, button),
    make("td", {}, own(found.companyName), make("br"), own(found.systemName), make("br"), own(found.applicant)),
    make("td", { textContent: found.askedAtRoc }),
    dueCell(found),
    make("td", { textContent: found.stateWord }),
    make("td", {}, own(found.assignedName)));
}
