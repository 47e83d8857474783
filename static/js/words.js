// The words that have codes: those of every page, and what the page at hand has of its own.

/** Reads these files, those that there are, into one: group by group, code by code. */
export async function words(...paths) {
  const files = await Promise.all(paths.filter(Boolean).map(async (path) => (await fetch(path)).json()));
  const whole = {};
  for (const [group, codes] of files.flatMap(Object.entries)) whole[group] = { ...whole[group], ...codes };
  return whole;
}
