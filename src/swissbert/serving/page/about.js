// What the page says about the model, and its examples.

import { byId, element } from "./elements.js";

// Names of metrics that are no words.
const METRICS = {
  f1: "F1", macro_f1: "F1, mean over the labels", micro_f1: "F1, over all labels together", mae: "mean absolute error", mcc: "correlation (Matthews)",
  pearson: "correlation (Pearson r)", rmse: "root mean squared error", roc_auc: "area under the ROC curve", spearman: "rank correlation (Spearman)",
};

// Sentences where tasks declare no examples; they are about nothing in particular.
const OTHERS = [
  { text: "We waited for an hour, and then everything was fine.", text_pair: null },
  { text: "The train to the airport leaves at noon.", text_pair: "At noon there is a train to the airport." },
];

export const metricName = metric => METRICS[metric] ?? metric.replaceAll("_", " ");

export function showModel(model, tasks) {
  const encoder = model.encoder === "minilm" ? "MiniLM" : model.encoder.split("/").at(-1);
  byId("model-name").textContent = model.name;
  byId("model-facts").textContent = [`encoder ${encoder}`, model.date && `trained ${model.date}`].filter(Boolean).join(", ");
  const scored = tasks.filter(task => task.score !== null);
  byId("scores").replaceChildren(...scored.map(task => element("li", {}, `${task.title}: ${metricName(task.metric)} ${task.score.toFixed(3)}`)));
  byId("scores-title").hidden = !scored.length;
  byId("not-for").replaceChildren(...model.not_for.map(sentence => element("li", {}, sentence)));
  byId("precision").hidden = model.precision !== "int8";
  byId("about-model").hidden = false;
}

// The examples that some task of the model can answer; a pair first, which most tasks answer, if there is one.
export function examplesFor(model, tasks) {
  const fits = example => tasks.some(task => task.pair === (example.text_pair !== null));
  const declared = model.examples.filter(fits), examples = declared.length ? declared : OTHERS.filter(fits);
  const first = examples.find(example => example.text_pair !== null) ?? examples[0];
  return [first, ...examples.filter(example => example !== first)];
}

export function showExamples(examples, onChoose) {
  byId("examples").replaceChildren(...examples.map(example => {
    const button = element("button", { type: "button", dir: "auto" }, example.text_pair ? `${example.text} | ${example.text_pair}` : example.text);
    button.addEventListener("click", () => onChoose(example));
    return button;
  }));
  byId("examples-title").textContent = examples[0].is_row ? "Examples, dev rows of its data" : "Examples";
}
