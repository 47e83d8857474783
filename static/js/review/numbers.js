// 統計: what waits and how long, what was decided, on what grounds.

import { get } from "/js/service.js";
import { element, sheet, show } from "/js/page.js";
import { make, own } from "/js/make.js";
import { table } from "/js/review/parts.js";
import { visit } from "/js/review/places.js";

const AGES = ["7日以內", "8至14日", "15至28日", "超過28日"];

export function wireNumbers() {
  async function load() {
    visit("numbers");
    const { backlog, weeks, grounds, accounts, usage } = await get("/api/review/numbers");
    const section = (title, rows, heads) => [make("h3", { textContent: title }), rows.length ? table(heads, rows) : make("p", { textContent: "尚無資料。" })];
    element("numbers-list").replaceChildren(
      sheet(make("dl"), [
        ["審核中", `${backlog.open}件`],
        ["待補件", `${backlog.waiting}件`],
        ["已逾期", `${backlog.overdue}件`],
        ["最早申請日期", backlog.oldest],
      ]),
      ...section("審核中案件的天數", AGES.map((age, index) => [age, `${backlog.byAge[index]}件`]), ["申請至今", "件數"]),
      ...section("每週審核結果（近12週）", weeks.map(({ week, approved, rejected }) => [week, `${approved}`, `${rejected}`]), ["週", "核准", "駁回"]),
      ...section("駁回理由（近12週）", grounds.map(({ word, count }) => [word, `${count}`]), ["理由", "件數"]),
      ...section("帳號狀態", accounts.map(({ word, count }) => [word, `${count}`]), ["狀態", "帳號數"]),
      ...section("各公司使用情形（最近31天，查驗次數前50名）", usage.map((one) => [one.ubn, own(one.companyName), one.statusWord, `${one.calls}`, `${one.wrong}`, `${one.refused}`, one.lastAt ?? "無"]), ["統一編號", "公司", "狀態", "查驗", "不符", "未受理", "最近一次"]));
    show("numbers");
  }
  return { load };
}
