"use strict";
// sorting and filtering of tables, and opening of code; without it everything is still there

const NULLS = 2, UNREADABLE = 1, READABLE = 0;

function sortKey(row, column, numeric) {
  const cell = row.cells[column];
  if (!cell || cell.classList.contains("null")) return [NULLS, 0, ""];
  const text = cell.dataset.value ?? cell.textContent;
  if (!numeric) return [READABLE, 0, text];
  const number = text.trim() === "" ? NaN : Number(text);
  return Number.isNaN(number) ? [UNREADABLE, 0, text] : [READABLE, number, text];
}

const collator = new Intl.Collator(undefined, { numeric: true, sensitivity: "variant" });

function compare(a, b, direction) {
  // what is missing or no number stays last in both directions
  if (a.key[0] !== b.key[0]) return a.key[0] - b.key[0];
  const order = a.key[1] - b.key[1] || collator.compare(a.key[2], b.key[2]);
  return order * direction || a.place - b.place;
}

function sortTable(head) {
  const table = head.closest("table");
  const body = table.tBodies[0];
  table.places ??= new Map([...body.rows].map((row, place) => [row, place]));
  const heads = [...head.parentElement.children];
  const before = head.getAttribute("aria-sort");
  const after = before === "ascending" ? "descending" : before === "descending" ? null : "ascending";
  for (const other of heads) other.removeAttribute("aria-sort");
  if (after) head.setAttribute("aria-sort", after);
  const column = heads.indexOf(head);
  const numeric = head.classList.contains("number");
  const rows = [...body.rows].map((row) => ({
    row,
    place: table.places.get(row),
    key: after ? sortKey(row, column, numeric) : [0, 0, ""],
  }));
  rows.sort((a, b) => compare(a, b, after === "descending" ? -1 : 1));
  body.append(...rows.map((each) => each.row));
}

function addFilter(holder) {
  const table = holder.querySelector("table");
  const tools = holder.querySelector(".tools");
  const input = tools.querySelector("input");
  const said = tools.querySelector("[role=status]");
  const rows = [...table.tBodies[0].rows];
  let texts = null;
  tools.hidden = false;
  input.addEventListener("input", () => {
    texts ??= rows.map((row) => row.textContent.toLowerCase());
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    let count = 0;
    rows.forEach((row, at) => {
      const found = words.every((word) => texts[at].includes(word));
      row.hidden = !found;
      count += found;
    });
    said.textContent = words.length ? `${count} of ${rows.length} rows` : "";
  });
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  const head = button.closest("thead th");
  if (head) sortTable(head);
  if (button.dataset.action === "code") {
    const open = button.getAttribute("aria-pressed") !== "true";
    button.setAttribute("aria-pressed", String(open));
    button.textContent = open ? "Hide all code" : "Show all code";
    for (const each of document.querySelectorAll("details.code")) each.open = open;
  }
});

for (const holder of document.querySelectorAll(".table.filtered")) addFilter(holder);
for (const button of document.querySelectorAll(".button[hidden]")) button.hidden = false;
