// 異常使用: what stood out in the calls of an account, until somebody says what it was.

import { get, post } from "/js/service.js";
import { busy, element, show, tell } from "/js/page.js";
import { make, own } from "/js/make.js";
import { visit } from "/js/review/places.js";

export function wireConduct({ openAccount }) {
  async function load() {
    visit("conduct");
    fill(await get("/api/review/findings"));
    show("conduct");
  }

  function fill({ findings }) {
    element("finding-list").replaceChildren(...(findings.length ? findings.map(view) : [make("p", { textContent: "目前沒有異常使用情形。" })]));
  }

  function view(finding) {
    const account = make("button", { type: "button", className: "secondary", textContent: "查看帳號" });
    account.addEventListener("click", () => busy(account, "讀取中…", () => openAccount(finding.ubn)));
    const box = make("article", { className: "case" },
      make("h3", {}, own(finding.companyName), `（${finding.ubn}）　${finding.score}分${finding.suspended ? "　已自動暫停" : ""}`),
      make("p", { className: "hint" }, finding.foundAt),
      make("ul", {}, ...finding.signs.map(({ points, message }) => make("li", { textContent: `${message}（${points}分）` }))));
    if (finding.mayClose) {
      const note = make("textarea", { id: `note-${finding.id}`, rows: 2 });
      const close = make("button", { type: "submit", textContent: "結案" });
      const form = make("form", { noValidate: true, className: "no-print" },
        make("div", { className: "field", "data-field": "result" },
          make("label", { className: "required", for: note.id, textContent: "查明情形（留存，申請人不會看到）" }), make("span", { className: "error" }), note),
        make("div", { className: "buttons" }, close, account));
      form.addEventListener("submit", (event) => {
        event.preventDefault();
        busy(close, "處理中…", async () => {
          fill(await post(`/api/review/findings/${finding.id}/closing`, { text: note.value }));
          tell("已結案", finding.companyName, { good: true });
        }, form);
      });
      box.append(form);
    } else {
      box.append(make("div", { className: "buttons" }, account));
    }
    return box;
  }

  return { load };
}
