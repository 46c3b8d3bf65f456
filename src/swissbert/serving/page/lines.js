// Attention of one matrix as lines between word pieces, as wide as they are strong.

import { byId, element, percent } from "./elements.js";
import { isSpecial } from "./heads.js";
import { roving } from "./roving.js";

const STEP = 24, WIDTH = 440, LEFT = 150, RIGHT = WIDTH - 150;
const MIN_SHARE = 0.2; // lines below this share of the strongest one are not drawn, unless a word is pointed at
const MIN_WEIGHT = 0.01;
const STRONGEST = 3;

export function showLines(tokens, boundary, matrix, withSpecial) {
  const count = tokens.length, isSecond = i => boundary !== null && i >= boundary;
  const isHidden = i => !withSpecial && isSpecial(i, count, boundary);
  const y = i => 16 + i * STEP + (isSecond(i) ? 10 : 0), height = y(count - 1) + 16;
  const svg = element("svg", { viewBox: `0 0 ${WIDTH} ${height}`, width: WIDTH, height, role: "group", "aria-label": "Attention between word pieces" });
  const lines = element("g", { "aria-hidden": "true" });
  svg.append(lines);

  // Lines from the word piece `only.i` (side "from") or to it (side "to"); all if null.
  const draw = only => {
    const pairs = [];
    matrix.forEach((row, i) => row.forEach((weight, j) => {
      const isShown = only === null ? !isHidden(i) && !isHidden(j) : (only.side === "from" ? i : j) === only.i;
      if (isShown && weight >= MIN_WEIGHT) pairs.push({ i, j, weight });
    }));
    const most = Math.max(...pairs.map(pair => pair.weight), MIN_WEIGHT);
    lines.replaceChildren(...pairs.filter(({ weight }) => only || weight >= MIN_SHARE * most).map(({ i, j, weight }) =>
      element("line", { x1: LEFT + 8, y1: y(i), x2: RIGHT - 8, y2: y(j), "stroke-width": (0.5 + 2.5 * weight / most).toFixed(2), "stroke-opacity": (0.1 + 0.9 * weight / most).toFixed(2) })));
    if (boundary !== null) lines.append(element("line", { class: "boundary", x1: 0, x2: WIDTH, y1: y(boundary) - 17, y2: y(boundary) - 17 }));
  };

  // A word piece, and where several are alike, in which sentence it is and which one of those there.
  const named = i => {
    const alike = [...tokens.keys()].filter(j => tokens[j] === tokens[i]), own = alike.filter(j => isSecond(j) === isSecond(i));
    if (alike.length === 1 || isSpecial(i, count, boundary)) return tokens[i];
    const where = boundary === null ? "" : isSecond(i) ? "second" : "first", which = own.length > 1 ? `no. ${own.indexOf(i) + 1}` : "";
    return `${tokens[i]} (${[where, which].filter(Boolean).join(", ")})`;
  };
  const describe = (i, side) => {
    const weights = side === "from" ? matrix[i] : matrix.map(row => row[i]);
    const strongest = weights.map((weight, j) => [weight, j]).sort((a, b) => b[0] - a[0]).slice(0, STRONGEST);
    return `${named(i)} ${side === "from" ? "attends to" : "is attended to by"} ${strongest.map(([weight, j]) => `${named(j)} ${percent(weight)}`).join(", ")}`;
  };
  const word = (i, side) => {
    const label = describe(i, side), name = `${isSecond(i) ? "second" : ""} ${isSpecial(i, count, boundary) ? "special" : ""}`;
    const node = element("g", { class: side === "from" ? "token" : "token to", role: "img", "aria-label": label },
      element("rect", { x: side === "from" ? 0 : RIGHT - 4, y: y(i) - STEP / 2, width: LEFT + 4, height: STEP }),
      element("text", { x: side === "from" ? LEFT : RIGHT, y: y(i) + 5, "text-anchor": side === "from" ? "end" : "start", class: name }, tokens[i]));
    for (const event of ["pointerenter", "focus"]) node.addEventListener(event, () => { draw({ i, side }); byId("attention-words").textContent = label; });
    for (const event of ["pointerleave", "blur"]) node.addEventListener(event, () => { draw(null); byId("attention-words").textContent = ""; });
    return node;
  };
  draw(null);
  const words = tokens.flatMap((_, i) => [word(i, "from"), word(i, "to")]);
  svg.append(...words);
  roving(words, 2);
  byId("lines").replaceChildren(svg);
}
