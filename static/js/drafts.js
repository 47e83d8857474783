// What was typed and not yet sent, kept on this device alone: a closed tab loses nothing.
// Never the PIN, which no page has, and never a file.

const PREFIX = "chayan-draft-";
/// Kept so long, in milliseconds: a week.
const KEPT = 7 * 24 * 3600 * 1000;

const read = (key) => {
  try {
    return JSON.parse(localStorage.getItem(key));
  } catch {
    return null;
  }
};

const isFresh = (draft) => draft?.saved > Date.now() - KEPT;

const forget = (key) => {
  try {
    localStorage.removeItem(key);
  } catch {
    // A browser that keeps nothing has nothing to forget.
  }
};

/** Forgets what is old. */
export function sweep() {
  let keys = [];
  try {
    keys = Object.keys(localStorage).filter((key) => key.startsWith(PREFIX));
  } catch {
    return;
  }
  for (const key of keys) if (!isFresh(read(key))) forget(key);
}

/** The drafts of one company's forms of one kind. */
export function draftOf(ubn, kind) {
  const key = `${PREFIX}${ubn}-${kind}`;
  return {
    /** Keeps these fields. */
    keep: (fields) => {
      try {
        localStorage.setItem(key, JSON.stringify({ saved: Date.now(), fields }));
      } catch {
        // A browser that keeps nothing: the page still does.
      }
    },
    /** What was kept, or null. */
    kept: () => (isFresh(read(key)) ? read(key).fields : null),
    /** It was sent, or is not wanted. */
    forget: () => forget(key),
  };
}
