// The receipt (收執聯): on the page, on paper, and a code that leads to its check.

import { qrCode } from "/wasm/client.js";
import { phones, sheet } from "/js/page.js";

const SVG = "http://www.w3.org/2000/svg";
/// The quiet zone around a QR code, in modules.
const QUIET = 4;

/** A picture of a QR code. The browser's module must have been loaded. */
function picture(text, label) {
  const rows = qrCode(text).split("\n");
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

/** Fills a `dl` with the receipt, and the element after it with the code. */
export function fillReceipt(target, receipt) {
  sheet(target, [
    ["公司名稱", receipt.companyName],
    ["營利事業統一編號", receipt.ubn],
    ["聯絡電話", phones(receipt)],
    ["電子信箱", receipt.email],
    ["申請事由", receipt.kindWord],
    ["申請日期", receipt.submittedAtRoc],
    ["連線主機網路位址", receipt.hostAddress],
    ["申請目的/原因", receipt.reason],
    ["isskey", receipt.issKey, "copy"],
    ["申請結果", receipt.state === "accepted" ? "已受理" : receipt.stateWord],
    ["S/N", receipt.serialNumber, "copy"],
  ]);
  const address = `${location.origin}/receipt/#${receipt.serialNumber}`;
  const place = target.nextElementSibling;
  const link = Object.assign(document.createElement("a"), { href: address, textContent: "查驗本收執聯" });
  place.replaceChildren(picture(address, "查驗本收執聯的QR碼"), link);
}
