"use strict";
(() => {
  const body = document.querySelector("#table tbody");
  const heads = [...document.querySelectorAll("#table thead th")];
  const rows = [...body.rows];
  const find = document.getElementById("find");
  const verdict = document.getElementById("verdict");
  const count = document.getElementById("count");

  const value = (row, column) => {
    const cell = row.cells[column];
    return "sort" in cell.dataset ? cell.dataset.sort : cell.textContent.trim();
  };

  const compare = (one, other, numbers) =>
    numbers ? Number(one) - Number(other)
      : one.localeCompare(other, undefined, { numeric: true, sensitivity: "base" });

  // What has no value comes last, whichever way is sorted.
  const sort = (column, direction) => {
    const numbers = "sort" in rows[0].cells[column].dataset;
    const keyed = rows.map((row) => [value(row, column), row]);
    keyed.sort(([one], [other]) =>
      (one === "") - (other === "") || direction * compare(one, other, numbers));
    body.replaceChildren(...keyed.map(([, row]) => row));
  };

  heads.forEach((head, column) => {
    const button = head.querySelector("button");
    if (!button || !rows.length) return;
    button.addEventListener("click", () => {
      const ascending = head.getAttribute("aria-sort") !== "ascending";
      heads.forEach((each) => each.hasAttribute("aria-sort") && each.setAttribute("aria-sort", "none"));
      head.setAttribute("aria-sort", ascending ? "ascending" : "descending");
      sort(column, ascending ? 1 : -1);
    });
  });

  const target = (row) => document.getElementById(row.querySelector("th a").hash.slice(1));

  const filter = () => {
    const words = find.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const row of rows) {
      const text = `${row.cells[1].textContent} ${row.cells[2].textContent}`.toLowerCase();
      const fits = words.every((word) => text.includes(word))
        && (!verdict.value || row.dataset.verdict === verdict.value);
      row.hidden = !fits;
      target(row).hidden = !fits;
      shown += fits;
    }
    count.textContent = `${shown} of ${rows.length} results`;
  };
  find.addEventListener("input", filter);
  verdict.addEventListener("change", filter);
  document.querySelector(".filters").addEventListener("submit", (event) => event.preventDefault());
  filter(); // a browser that goes back has kept what was typed

  // Of many results the details are only text until they are opened. It was escaped as the rest of
  // the page was, and holds no markup but the page's own.
  const fill = (result) => {
    const later = result.querySelector(":scope > script");
    if (!later) return;
    const filled = document.createElement("template");
    filled.innerHTML = later.textContent;
    later.replaceWith(filled.content);
  };
  const show = (result) => {
    fill(result);
    result.open = true;
  };
  document.getElementById("results").addEventListener("toggle", (event) => {
    if (event.target.matches("details.result[open]")) fill(event.target);
  }, true);

  const reveal = () => {
    const result = location.hash && document.getElementById(location.hash.slice(1));
    if (!result || !result.matches("details.result")) return;
    show(result);
    result.scrollIntoView();
    result.querySelector("summary").focus({ preventScroll: true });
  };
  addEventListener("hashchange", reveal);
  body.addEventListener("click", (event) => {
    const link = event.target.closest("a");
    if (link && link.hash === location.hash) reveal(); // no hashchange tells of the same one again
  });
  reveal();

  const each = (change) => document.querySelectorAll("details.result").forEach(change);
  document.getElementById("open").addEventListener("click", () =>
    each((result) => { if (!result.hidden) show(result); }));
  document.getElementById("close").addEventListener("click", () =>
    each((result) => { result.open = false; }));
})();
