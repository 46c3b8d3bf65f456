// A card for each answer: title, result, texts with the words that made it, bars or a scale, and what the task is.

import { metricName } from "./about.js";
import { capitalized, element, percent } from "./elements.js";
import { FINDING, sentence, table, texts } from "./words.js";

const LONG_LIST = 12; // labels; longer lists scroll

export function resultText(answer) {
  if (answer.label_names) return answer.label_names.join(", ") || "none";
  return answer.label_name ?? answer.score.toFixed(2);
}

// `example` is the example that the input is, or undefined; `effects` as for `texts`, or null while they are computed.
export function card({ task, input, answer, effects, example, maxTokens }) {
  const isScore = answer.probabilities === undefined;
  const why = element("p", { class: "why", "aria-busy": !effects }, effects ? sentence(effects) : FINDING);
  const onWord = i => { why.textContent = sentence(effects, i); };
  return element("article", { class: "answer", "data-task": task.name },
    element("div", { class: "title" }, element("h3", {}, task.title), element("p", { class: "result" }, resultText(answer), ...(isScore ? [element("span", { class: "hidden-text" }, ` of ${task.range[1]}`)] : []))),
    ...(answer.cut ? [element("p", { class: "cut" }, `The text is too long: its end was not read. The model reads ${maxTokens} tokens, word pieces and punctuation.`)] : []),
    ...texts(input, effects, onWord),
    why,
    isScore ? scale(task, answer.score) : bars(task, answer),
    ...(example?.label ? [element("p", { class: "labelled soft" }, `${example.is_row ? "Dev row" : "Example"}, labelled “${example.label}”${example.label === resultText(answer) ? " ✓" : ""}`)] : []),
    ...(effects ? [table(effects)] : []),
    about(task));
}

function bars(task, answer) {
  const assigned = answer.labels ?? [answer.label];
  const rows = task.labels.map((label, i) => {
    const share = answer.probabilities[i], isAssigned = assigned.includes(i);
    const fill = element("div", { class: "fill" });
    fill.style.width = `${100 * share}%`;
    return element("li", { class: isAssigned ? "bar assigned" : "bar" },
      element("span", { class: "mark", "aria-hidden": "true" }, isAssigned ? "✓" : ""),
      element("span", { class: "name" }, label, ...(isAssigned ? [element("span", { class: "hidden-text" }, " (assigned)")] : [])),
      element("div", { class: answer.labels ? "track threshold" : "track", "aria-hidden": "true" }, fill),
      element("span", { class: "value" }, percent(share)));
  });
  return element("ul", { class: "bars", "aria-label": `probabilities of ${task.title}`, ...(rows.length > LONG_LIST && { tabindex: 0 }) }, ...rows);
}

function scale(task, score) {
  const [low, high] = task.range, [lowest, highest] = task.ends ?? ["", ""];
  const share = Math.min(1, Math.max(0, (score - low) / (high - low)));
  const fill = element("div", { class: "fill" });
  fill.style.width = `${100 * share}%`;
  const words = (value, word) => word ? `${value} (${word})` : String(value);
  const end = (value, word) => element("span", {}, element("b", {}, String(value)), word && ` ${word}`);
  return element("div", { class: "scale", role: "img", "aria-label": `${score.toFixed(2)} on a scale from ${words(low, lowest)} to ${words(high, highest)}` },
    element("div", { class: "track" }, fill), element("div", { class: "ends" }, end(low, lowest), end(high, highest)));
}

function about(task) {
  const score = task.score === null ? [] : [element("p", {}, `${capitalized(metricName(task.metric))} on its dev rows: ${task.score.toFixed(3)}`)];
  return element("details", { class: "about" }, element("summary", {}, "About this task"),
    ...(task.help ? [element("p", {}, task.help)] : []), ...score,
    element("p", {}, "Its name in the API: ", element("code", {}, task.name)));
}
