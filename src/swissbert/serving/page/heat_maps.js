// A grid of heat maps, one for each layer and head, in the colours of the page.

import { byId, element } from "./elements.js";
import { roving } from "./roving.js";

const FULL = 0.6; // weights from this on have the full colour
const drawn = []; // canvases with their matrices, to draw them again when the colours of the page change

export function showHeatMaps(weights, layer, head, onSelect) {
  const grid = byId("overview"), heads = weights[0].length, cells = [element("span", { class: "name" }, "")], buttons = [];
  grid.style.gridTemplateColumns = `1.2rem repeat(${heads}, minmax(0, 4.5rem))`;
  drawn.length = 0;
  for (let j = 0; j < heads; j++) cells.push(element("span", { class: "name", "aria-hidden": "true" }, String(j + 1)));
  weights.forEach((matrices, i) => {
    cells.push(element("span", { class: "name", "aria-hidden": "true" }, String(i + 1)));
    matrices.forEach((matrix, j) => {
      const canvas = element("canvas", { width: matrix.length, height: matrix.length });
      drawn.push({ canvas, matrix });
      const button = element("button", { type: "button", "data-head": `${i}-${j}`, "aria-label": `layer ${i + 1}, head ${j + 1}`, title: `layer ${i + 1}, head ${j + 1}` }, canvas);
      button.addEventListener("click", () => onSelect(i, j));
      buttons.push(button);
      cells.push(button);
    });
  });
  grid.replaceChildren(...cells);
  markHeatMap(layer, head);
  roving(buttons, heads, Math.max(0, buttons.findIndex(button => button.getAttribute("aria-pressed") === "true")));
  drawAll();
}

// Mark the heat map of a layer and head; a mean is none of them.
export function markHeatMap(layer, head) {
  for (const button of byId("overview").querySelectorAll("button")) button.setAttribute("aria-pressed", String(button.dataset.head === `${layer}-${head}`));
}

function drawAll() {
  const style = getComputedStyle(document.documentElement);
  const [low, high] = ["--card", "--main"].map(name => rgb(style.getPropertyValue(name).trim()));
  for (const { canvas, matrix } of drawn) {
    const context = canvas.getContext("2d"), image = context.createImageData(canvas.width, canvas.height);
    matrix.flat().forEach((weight, k) => {
      const strength = Math.sqrt(Math.min(1, weight / FULL)); // small weights are many
      image.data.set([...low.map((part, c) => part + (high[c] - part) * strength), 255], 4 * k);
    });
    context.putImageData(image, 0, 0);
  }
}

function rgb(hex) {
  const digits = hex.length === 4 ? [...hex.slice(1)].map(digit => digit + digit).join("") : hex.slice(1);
  return [0, 2, 4].map(start => parseInt(digits.slice(start, start + 2), 16));
}

matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);
