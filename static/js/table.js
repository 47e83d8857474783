// On a narrow screen a row of a table becomes a block, in which each cell says what it is: the word
// of its column's head, in the language that is shown.

/** Keeps the cells' labels, whatever becomes of the table's rows and heads. */
export function label(table) {
  const relabel = () => {
    const heads = [...table.tHead.rows[0].cells].map(({ textContent }) => textContent);
    for (const { cells } of table.tBodies[0].rows) {
      for (const cell of cells) {
        if (cell.localName === "td" && cell.colSpan === 1) cell.dataset.label = heads[cell.cellIndex] ?? "";
      }
    }
  };
  new MutationObserver(relabel).observe(table, { childList: true, subtree: true, characterData: true });
  relabel();
}

/** Those that the page has from the beginning. */
export function labelTables() {
  document.querySelectorAll("table.list").forEach(label);
}
