// One Tab stop for many items: the arrow keys move between them, Home and End to the first and the last.

// `items` are in rows of `columns`; the one with the number `start` is the Tab stop at first.
export function roving(items, columns, start = 0) {
  items.forEach((item, i) => {
    item.setAttribute("tabindex", i === start ? "0" : "-1");
    item.addEventListener("keydown", event => {
      const steps = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns, ArrowUp: -columns };
      const next = event.key === "Home" ? 0 : event.key === "End" ? items.length - 1 : i + (steps[event.key] ?? NaN);
      if (!items[next]) return;
      event.preventDefault();
      items[next].focus();
    });
    item.addEventListener("focus", () => items.forEach((other, j) => other.setAttribute("tabindex", i === j ? "0" : "-1")));
  });
}
