// Elements, made in one line.

/** An element with these properties (`data-…` and `aria-…` as attributes) and children. */
export function make(name, properties = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (/^(data|aria)-/.test(key) || key === "for" || key === "scope") made.setAttribute(key, value);
    else made[key] = value;
  }
  made.append(...children);
  return made;
}

/** A text that somebody typed or was given: never translated, in a direction of its own. */
export const own = (text) => make("bdi", { textContent: text ?? "", translate: false });
