// English for whoever prefers it. Pages are written in Chinese; in English every text on the
// page that the dictionary knows is shown in English instead, also what comes later. What
// people typed, names, and the legal texts (which bind in Chinese only) stay as they are:
// they are marked translate="no".

import { words } from "/js/words.js";

const KEY = "chayan-language";
const ATTRIBUTES = ["aria-label", "placeholder", "title"];
const button = document.getElementById("language");
/// What each node said in Chinese, for the way back.
const originals = new Map();
let dictionary = null;
let observer = null;

/**
 * The dictionary: the words that have codes, by their codes; what pages say, exactly; and
 * texts with places for others ("還可輸入{0}字").
 */
async function load() {
  // A page that says much of its own has a dictionary of its own.
  const { words: ownWords, englishWords, dictionary: own } = document.body.dataset;
  const [chinese, { texts, ...coded }, more] = await Promise.all([
    words("/text/zh-TW.json", ownWords), words("/text/en.json", englishWords), own ? (await fetch(own)).json() : {}]);
  const exact = new Map();
  for (const [group, codes] of Object.entries(coded)) {
    for (const [code, word] of Object.entries(codes)) {
      [word].flat().forEach((text, index) => exact.set([chinese[group][code]].flat()[index], text));
    }
  }
  const patterns = [];
  for (const [text, english] of Object.entries({ ...more, ...texts })) {
    if (!text.includes("{0}")) {
      exact.set(text, english);
      continue;
    }
    const escaped = text.replace(/[.*+?^$()|[\]\\]/g, "\\$&").replace(/\{\d\}/g, "([^]*?)");
    patterns.push([new RegExp(`^${escaped}$`), english]);
  }
  return { exact, patterns };
}

/** A text in English; itself when nobody translated it. */
function english(text) {
  const found = dictionary.exact.get(text);
  if (found !== undefined) return found;
  for (const [pattern, words] of dictionary.patterns) {
    const parts = pattern.exec(text);
    if (parts) return words.replace(/\{(\d)\}/g, (_, index) => english(parts[Number(index) + 1]));
  }
  return text;
}

const isOpen = (element) => element && !element.closest('[translate="no"], script, style');

/** A text in English, by the dictionary or as its element brought it along. */
function translated(text, brought) {
  const trimmed = text.trim();
  return trimmed ? text.replace(trimmed, () => brought ?? english(trimmed)) : text;
}

function change(key, owner, attribute, now, set) {
  const known = originals.get(owner) ?? {};
  // Our own change comes back to us as well.
  if (known[key]?.shown === now) return;
  const shown = translated(now, attribute ? undefined : owner.parentElement?.dataset.english);
  if (shown === now) return;
  originals.set(owner, { ...known, [key]: { chinese: now, shown, attribute } });
  set(shown);
}

function visit(node) {
  if (node.nodeType === Node.TEXT_NODE) {
    // What is typed into a text area is its text as well.
    if (isOpen(node.parentElement) && !node.parentElement.matches("textarea")) change("text", node, null, node.data, (text) => (node.data = text));
    return;
  }
  if (node.nodeType !== Node.ELEMENT_NODE || !isOpen(node)) return;
  for (const name of ATTRIBUTES) {
    const value = node.getAttribute(name);
    if (value) change(name, node, name, value, (text) => node.setAttribute(name, text));
  }
  for (const child of node.childNodes) visit(child);
}

/** What has left the page for good needs no way back. */
function forget(node) {
  if (node.isConnected) return;
  originals.delete(node);
  for (const child of node.childNodes) forget(child);
}

async function toEnglish() {
  dictionary ??= await load();
  document.documentElement.lang = "en";
  visit(document.querySelector("title"));
  visit(document.body);
  observer = new MutationObserver((changes) => {
    for (const { type, target, addedNodes, removedNodes } of changes) {
      if (type !== "childList") visit(target);
      addedNodes.forEach(visit);
      removedNodes.forEach(forget);
    }
  });
  observer.observe(document.documentElement, {
    subtree: true, childList: true, characterData: true, attributes: true, attributeFilter: ATTRIBUTES,
  });
}

function toChinese() {
  observer?.disconnect();
  document.documentElement.lang = "zh-Hant-TW";
  for (const [owner, parts] of originals) {
    for (const { chinese, shown, attribute } of Object.values(parts)) {
      if (!attribute && owner.data === shown) owner.data = chinese;
      else if (attribute && owner.getAttribute(attribute) === shown) owner.setAttribute(attribute, chinese);
    }
  }
  originals.clear();
}

async function use(language) {
  // One change after the other.
  button.disabled = true;
  await (language === "en" ? toEnglish() : toChinese());
  button.textContent = language === "en" ? "中文" : "English";
  button.lang = language === "en" ? "zh-Hant-TW" : "en";
  for (const note of document.querySelectorAll(".english-note")) note.hidden = language !== "en";
  button.disabled = false;
}

function chosen() {
  try {
    return localStorage.getItem(KEY) ?? "zh";
  } catch {
    return "zh";
  }
}

button.hidden = false;
button.addEventListener("click", async () => {
  const next = document.documentElement.lang === "en" ? "zh" : "en";
  try {
    localStorage.setItem(KEY, next);
  } catch {
    // Remembered for this page alone.
  }
  await use(next);
});
if (chosen() === "en") use("en");
