// The receipt (收執聯): on the page, on paper, and a code that leads to its check.

import { groups, phones, sheet } from "/js/page.js";
import { config } from "/js/service.js";

const SVG = "http://www.w3.org/2000/svg";
/// The quiet zone around a QR code, in modules.
const QUIET = 4;

/** A picture of a QR code, given in rows of modules. */
function picture(code, label) {
  const rows = code.split("\n");
  const size = rows.length + 2 * QUIET;
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", `0 0 ${size} ${size}`);
  svg.setAttribute("class", "qr");
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", label);
  const path = document.createElementNS(SVG, "path");
  const square = (x, y) => `M${x + QUIET} ${y + QUIET}h1v1h-1z`;
  path.setAttribute("d", rows.flatMap((row, y) => [...row].map((dark, x) => (dark === "1" ? square(x, y) : ""))).join(""));
  svg.append(path);
  return svg;
}

/** Fills a place with the receipt, and the element after it with the code. */
export async function fillReceipt(target, receipt) {
  const { edition } = await config();
  const result = receipt.state === "accepted" ? "已受理" : receipt.stateWord;
  const company = [["公司名稱", receipt.companyName], ["營利事業統一編號", receipt.ubn]];
  const contact = [["聯絡電話", phones(receipt), "word"], ["電子信箱", receipt.email]];
  const kind = ["申請事由", receipt.kindWord, "word"];
  const date = ["申請日期", receipt.submittedAtRoc];
  const address = ["連線主機網路位址", receipt.hostAddress];
  const reason = ["申請目的/原因", receipt.reason];
  const last = [
    ["isskey", receipt.issKey, "copy"],
    ["申請結果", result, "word"],
    ["S/N", receipt.serialNumber, "copy"],
  ];
  if (edition === "108") {
    target.replaceChildren(groups([
      ["公司資訊", company],
      ["聯絡資訊", contact],
      ["申請資訊", [kind, date, address]],
      ["申請目的/原因", [[null, receipt.reason]]],
    ]), sheet(document.createElement("dl"), last));
  } else {
    target.replaceChildren(sheet(document.createElement("dl"), [...company, ...contact, kind, date, address, reason, ...last]));
  }
  const place = target.nextElementSibling;
  const link = Object.assign(document.createElement("a"), { href: receipt.checkAddress, textContent: "查驗本收執聯" });
  place.replaceChildren(picture(receipt.checkCode, "查驗本收執聯的QR碼"), link);
}
