// Where on the officers' page somebody is, in the browser's history: back leads to the place
// before, and only from the first one away.

/** Says that this place is shown now: a name, and of which case, account or queue. */
export function visit(name, of = "") {
  const hash = of ? `#${name}/${encodeURIComponent(of)}` : `#${name}`;
  if (location.hash === hash) return;
  // The first place takes that of the sign-in.
  if (location.hash) history.pushState(null, "", hash);
  else history.replaceState(null, "", hash);
}

/** The place that the address names. */
export function place() {
  const [name, of = ""] = location.hash.slice(1).split("/");
  try {
    return [name, decodeURIComponent(of)];
  } catch {
    return [name, ""];
  }
}
