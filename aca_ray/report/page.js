"use strict";

// Every column heading becomes a button that sorts its table: numbers by value, text by letters, missing values last.
for (const table of document.querySelectorAll("table")) {
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, index) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    button.addEventListener("click", () => sortBy(table, heads, index));
    head.append(button);
    head.setAttribute("aria-sort", "none");
  });
}

function sortBy(table, heads, index) {
  const ascending = heads[index].getAttribute("aria-sort") !== "ascending";
  const isNumber = heads[index].classList.contains("number");
  const valueOf = (row) => {
    const cell = row.cells[index];
    if (isNumber) return "value" in cell.dataset ? Number(cell.dataset.value) : null;
    return cell.textContent === "-" ? null : cell.textContent;
  };
  const order = (a, b) => (isNumber ? a - b : a.localeCompare(b, undefined, { numeric: true }));
  const rows = [...table.tBodies[0].rows].map((row) => [valueOf(row), row]);
  rows.sort(([a], [b]) => {
    if (a === null || b === null) return (a === null) - (b === null);
    return ascending ? order(a, b) : order(b, a);
  });
  table.tBodies[0].append(...rows.map(([, row]) => row));
  heads.forEach((head) => head.setAttribute("aria-sort", "none"));
  const direction = ascending ? "ascending" : "descending";
  heads[index].setAttribute("aria-sort", direction);
  document.getElementById("sorted").textContent = `Sorted by ${heads[index].textContent}, ${direction}.`;
}

// Open folded parts before printing.
window.addEventListener("beforeprint", () => {
  for (const details of document.querySelectorAll("details")) details.open = true;
});
