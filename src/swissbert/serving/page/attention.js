// The attention section: which layer and head is shown, its lines, and the heat maps of all.

import { byId, element } from "./elements.js";
import { linkingHead, matrixOf } from "./heads.js";
import { markHeatMap, showHeatMaps } from "./heat_maps.js";
import { showLines } from "./lines.js";

let attention = null; // as /v1/attention gives it
let choice = { layer: null, head: null }; // numbers or "mean"; null where the page chooses
let onChoice = () => {};

// While a request runs, what is shown may belong to an earlier text.
export function markAttention(isBusy) {
  byId("attention").setAttribute("aria-busy", String(isBusy));
}

export function clearAttention(message = "") {
  attention = null;
  markAttention(false);
  byId("attention").hidden = !message; // a heading alone says nothing
  byId("attention-view").hidden = true;
  byId("attention-note").textContent = message;
}

export function showAttention(content, chosen) {
  attention = content;
  choice = { layer: chosen.layer, head: chosen.head };
  markAttention(false);
  byId("attention").hidden = byId("attention-view").hidden = false;
  const { layer, head } = shown();
  fill(byId("layer"), content.weights.length);
  fill(byId("head"), content.weights[0].length);
  showHeatMaps(content.weights, layer, head, (i, j) => choose(i, j));
  draw();
}

// The layer and head that are shown: those that were chosen as far as the model has them.
function shown() {
  const { weights, tokens, boundary } = attention;
  if (choice.layer === null) return linkingHead(weights, tokens, boundary);
  const within = (value, count) => value === "mean" ? value : Math.min(value, count - 1);
  return { layer: within(choice.layer, weights.length), head: within(choice.head, weights[0].length) };
}

function fill(select, count) {
  if (select.options.length === count + 1) return;
  select.replaceChildren(element("option", { value: "mean" }, "mean"), ...Array.from({ length: count }, (_, i) => element("option", { value: i }, String(i + 1))));
}

function draw() {
  const { tokens, boundary, weights } = attention, { layer, head } = shown();
  byId("layer").value = String(layer);
  byId("head").value = String(head);
  byId("best-head").setAttribute("aria-pressed", String(choice.layer === null));
  byId("attention-note").textContent = note(layer, head, boundary);
  showLines(tokens, boundary, matrixOf(weights, layer, head), byId("special").checked);
  markHeatMap(layer, head);
}

function note(layer, head, boundary) {
  if (choice.layer !== null) {
    const part = (name, value) => value === "mean" ? `mean of all ${name}s` : `${name} ${value + 1}`;
    return `Shown: ${part("layer", layer)}, ${part("head", head)}. Attention shows where a model looks, not why it answers.`;
  }
  const links = boundary === null ? "words that are no neighbours" : "words of the two texts";
  return `Shown: layer ${layer + 1}, head ${head + 1}, in which ${links} attend to each other most clearly. Attention shows where a model looks, not why it answers.`;
}

function choose(layer, head) {
  choice = { layer, head };
  onChoice(choice);
  if (attention) draw();
}

export function startAttention(onChange) {
  onChoice = onChange;
  const value = id => byId(id).value === "mean" ? "mean" : Number(byId(id).value);
  for (const id of ["layer", "head"]) byId(id).addEventListener("change", () => choose(value("layer"), value("head")));
  byId("best-head").addEventListener("click", () => choose(null, null));
  byId("special").addEventListener("change", () => attention && draw());
}
