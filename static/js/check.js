// Whether a receipt is one of this service's: what is printed on it, as the service has it.

import { get } from "/js/service.js";
import { busy, clearMessage, element, sheet, tellFields } from "/js/page.js";

const form = element("check-form");

async function check() {
  const number = form.serialNumber.value.trim().toLowerCase();
  element("result").hidden = true;
  if (!number) {
    if (document.activeElement !== document.body) await tellFields([{ pointer: "/serialNumber", code: "required" }], form);
    return;
  }
  await busy(form.querySelector("button"), "查驗中…", async () => {
    const found = await get(`/api/receipts/${encodeURIComponent(number)}`);
    const rows = [
      ["公司名稱", found.companyName],
      ["營利事業統一編號", found.ubn],
      ["申請事由", found.kindWord, "word"],
      ["申請日期", found.submittedAtRoc],
      ["S/N", found.serialNumber, "mono"],
    ];
    element("receipt-sheet").replaceChildren(sheet(document.createElement("dl"), rows));
    clearMessage();
    element("result").hidden = false;
    element("result").querySelector("h2").focus();
  }, form);
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  check();
});

function fromAddress() {
  form.serialNumber.value = decodeURIComponent(location.hash.slice(1));
  check();
}
addEventListener("hashchange", fromAddress);
fromAddress();
