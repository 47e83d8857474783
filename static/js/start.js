// The way into an application: 公務機關 are pointed elsewhere first, then the notice is read.

import { element, markField, show } from "/js/page.js";

const KEY = "chayan-not-agency";

/** Wires the two first sections; `next` is the section after the notice, `arrived()` what is
 * done there. */
export function wireStart(next, arrived = () => {}) {
  for (const button of document.querySelectorAll("[data-back]")) {
    button.addEventListener("click", () => show(button.dataset.back));
  }
  element("agency-form").addEventListener("submit", async (event) => {
    event.preventDefault();
    const answer = new FormData(event.target).get("agency");
    if (!answer) {
      await markField(element("agency-no"), "not-offered");
      element("agency-no").focus();
      return;
    }
    if (answer === "no") sessionStorage.setItem(KEY, "no");
    show(answer === "no" ? "notice" : "elsewhere");
  });
  element("notice-read").addEventListener("click", () => {
    show(next);
    arrived();
  });
  // Asked once for each visit.
  if (sessionStorage.getItem(KEY)) show("notice");
}
