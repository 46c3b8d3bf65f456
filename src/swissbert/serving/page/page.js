// The page: sends the texts to the server while you type and shows the answers. Text from the user or the server is
// inserted as text nodes only, never as markup.

const EXAMPLES = [
  ["A slow start, but the last half hour is wonderful.", ""],
  ["I want my evening back.", ""],
  ["How do I keep basil alive indoors?", "What helps a basil plant survive in a kitchen?"],
  ["A man is repairing a bicycle.", "Somebody fixes a bike."],
  ["Is it hard to learn Welsh?", "Is it hard to learn to swim?"],
];
const TYPING_DELAY = 150; // milliseconds from the last key to the request
const RETRY_DELAY = 1000; // milliseconds between attempts to reach the server
const MIN_WEIGHT = 0.02; // attention below this is not drawn
const SVG = "http://www.w3.org/2000/svg";
const SVG_TAGS = ["svg", "path", "text", "line", "g", "title"];

const byId = id => document.getElementById(id);
const state = { first: "", second: "", layer: 0, head: 0 };
let tasks = [], apiKey = "", pendingRequest = null, attention = null, isRetrying = false;

const hasSingleTasks = () => tasks.some(task => !task.pair);
const hasPairTasks = () => tasks.some(task => task.pair);
const percent = share => `${Math.round(100 * share)} %`;

function element(tag, attributes = {}, ...children) {
  const node = SVG_TAGS.includes(tag) ? document.createElementNS(SVG, tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

// Requests

class Unavailable extends Error {}

async function request(path, body, signal) {
  const headers = { "content-type": "application/json" };
  if (apiKey) headers.authorization = `Bearer ${apiKey}`;
  let response;
  try {
    response = await fetch(path, body ? { method: "POST", headers, body: JSON.stringify(body), signal } : { headers, signal });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Unavailable("The server cannot be reached");
  }
  if (response.status === 401) byId("key-form").hidden = false;
  const content = await response.json().catch(() => ({ error: `the server answered with status ${response.status}` }));
  if (response.status === 429) throw new Unavailable("The server is overloaded");
  if (!response.ok) throw new Error(content.error);
  return content;
}

function showError(message) {
  byId("problem").hidden = !message;
  byId("problem").textContent = message;
}

function report(error) {
  if (error.name === "AbortError") return;
  if (error instanceof Unavailable) retry(error.message); else showError(error.message);
}

function retry(reason) {
  byId("status").hidden = false;
  byId("status").textContent = `${reason}. Trying again…`;
  if (isRetrying) return;
  isRetrying = true;
  const attempt = async () => {
    const isReady = await fetch("readyz").then(response => response.ok, () => false);
    if (!isReady) {
      setTimeout(attempt, RETRY_DELAY);
      return;
    }
    isRetrying = false;
    byId("status").hidden = true;
    await (tasks.length ? update() : start());
  };
  setTimeout(attempt, RETRY_DELAY);
}

function inputsFor(first, second) {
  const inputs = [];
  if (first && hasSingleTasks()) inputs.push({ text: first });
  if (second && hasSingleTasks()) inputs.push({ text: second });
  if (first && second && hasPairTasks()) inputs.push({ text: first, text_pair: second });
  return inputs;
}

function showNothing(first, second) {
  const isHalfPair = (first || second) && !hasSingleTasks();
  const message = isHalfPair ? "The tasks of this model compare two sentences. Type both." : "Type a sentence to see answers.";
  byId("answers").replaceChildren(element("p", { class: "soft" }, message));
  byId("summary").textContent = "";
  clearAttention();
  showError("");
}

async function update() {
  pendingRequest?.abort();
  const controller = pendingRequest = new AbortController();
  const first = state.first.trim(), second = state.second.trim();
  const inputs = inputsFor(first, second);
  writeLink();
  if (!inputs.length) {
    showNothing(first, second);
    return;
  }
  try {
    const { answers } = await request("v1/predict", { inputs }, controller.signal);
    showError("");
    showAnswers(inputs, answers);
    const { text, text_pair } = inputs.at(-1); // the pair, if there is one
    attention = await request("v1/attention", { text, text_pair }, controller.signal).catch(error => {
      if (error.name === "AbortError" || error instanceof Unavailable) throw error;
      clearAttention(`No attention to show: ${error.message}.`);
      return null;
    });
    if (attention) showAttention();
  } catch (error) {
    report(error);
  }
}

// Answers

function showAnswers(inputs, answers) {
  const cards = [], summary = [];
  inputs.forEach((input, i) => {
    for (const task of tasks) {
      const answer = answers[i][task.name];
      if (!answer) continue;
      cards.push(card(task, input, answer));
      summary.push(`${task.name}: ${resultText(answer)}${answer.cut ? " (end of the text not read)" : ""}`);
    }
  });
  byId("answers").replaceChildren(...cards);
  byId("summary").textContent = summary.join("; ");
}

function resultText(answer) {
  if (answer.label_names) return answer.label_names.join(", ") || "none";
  return answer.label_name ?? answer.score.toFixed(2);
}

function card(task, input, answer) {
  const subject = input.text_pair === undefined ? input.text : "both sentences";
  const isScore = answer.probabilities === undefined;
  return element("div", { class: "answer", "data-task": task.name },
    element("div", { class: "title" }, element("h3", {}, task.name), ...(isScore ? [] : [element("p", { class: "result" }, resultText(answer))])),
    element("p", { class: "of", dir: "auto" }, subject),
    ...(answer.cut ? [element("p", { class: "cut" }, "The text is too long: its end was not read.")] : []),
    isScore ? gauge(task, answer.score) : bars(task, answer));
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
  return element("ul", { class: "bars", "aria-label": `probabilities of ${task.name}`, ...(rows.length > 12 && { tabindex: 0 }) }, ...rows); // long lists scroll
}

function gauge(task, score) {
  const [low, high] = task.range, share = Math.min(1, Math.max(0, (score - low) / (high - low)));
  const point = angle => `${110 - 85 * Math.cos(angle)} ${105 - 85 * Math.sin(angle)}`;
  const arc = (name, end) => element("path", { class: name, d: `M ${point(0)} A 85 85 0 0 1 ${point(Math.PI * end)}` });
  const text = (x, y, name, content) => element("text", { x, y, class: name }, content);
  return element("svg", { class: "gauge", viewBox: "0 0 220 135", role: "img", "aria-label": `${score.toFixed(2)} on a scale from ${low} to ${high}` },
    arc("back", 1), ...(share > 0.005 ? [arc("front", share)] : []),
    text(110, 100, "score", score.toFixed(2)), text(25, 130, "end", String(low)), text(195, 130, "end", String(high)));
}

// Attention

function clearAttention(message = "") {
  attention = null;
  byId("attention-controls").hidden = byId("overview-title").hidden = true;
  byId("lines").replaceChildren(...(message ? [element("p", { class: "soft" }, message)] : []));
  byId("overview").replaceChildren();
}

function showAttention() {
  const { tokens, boundary, weights } = attention;
  byId("attention-controls").hidden = byId("overview-title").hidden = false;
  state.layer = Math.min(state.layer, weights.length - 1);
  state.head = Math.min(state.head, weights[0].length - 1);
  fillSelect(byId("layer"), weights.length, state.layer);
  fillSelect(byId("head"), weights[0].length, state.head);
  showLines(tokens, boundary, weights[state.layer][state.head]);
  showOverview(weights);
}

function fillSelect(select, count, selected) {
  if (select.options.length !== count)
    select.replaceChildren(...Array.from({ length: count }, (_, i) => element("option", { value: i }, String(i + 1))));
  select.value = String(selected);
}

function showLines(tokens, boundary, weights) {
  const step = 24, width = 440, left = 150, right = width - 150;
  const isSecond = i => boundary !== null && i >= boundary;
  const y = i => 16 + i * step + (isSecond(i) ? 10 : 0);
  const height = y(tokens.length - 1) + 16;
  const svg = element("svg", { viewBox: `0 0 ${width} ${height}`, width, height, role: "group", "aria-label": "Attention between word pieces" });
  const lines = element("g", { "aria-hidden": "true" });
  svg.append(lines);
  const draw = only => {
    lines.replaceChildren();
    weights.forEach((row, i) => {
      if (only !== null && i !== only) return;
      row.forEach((weight, j) => {
        if (weight > MIN_WEIGHT) lines.append(element("line", { x1: left + 8, y1: y(i), x2: right - 8, y2: y(j), "stroke-width": 2.5, "stroke-opacity": Math.min(1, weight * (only === null ? 1 : 1.6)) }));
      });
    });
    if (boundary !== null) lines.append(element("line", { class: "boundary", x1: 0, x2: width, y1: y(boundary) - 17, y2: y(boundary) - 17 }));
  };
  draw(null);
  tokens.forEach((token, i) => {
    const name = isSecond(i) ? "second" : "";
    const strongest = weights[i].map((weight, j) => [weight, j]).sort((a, b) => b[0] - a[0]).slice(0, 3);
    const label = `${token} attends to ${strongest.map(([weight, j]) => `${tokens[j]} ${percent(weight)}`).join(", ")}`;
    const word = element("g", { class: "token", tabindex: 0, role: "img", "aria-label": label },
      element("text", { x: left, y: y(i) + 5, "text-anchor": "end", class: name }, token), element("title", {}, label));
    for (const event of ["pointerenter", "focus"]) word.addEventListener(event, () => draw(i));
    for (const event of ["pointerleave", "blur"]) word.addEventListener(event, () => draw(null));
    svg.append(word, element("text", { x: right, y: y(i) + 5, class: name, "aria-hidden": "true" }, token));
  });
  byId("lines").replaceChildren(svg);
}

function showOverview(weights) {
  const grid = byId("overview"), heads = weights[0].length, cells = [];
  grid.style.gridTemplateColumns = `2.2rem repeat(${heads}, minmax(1.4rem, 4.5rem))`;
  weights.forEach((layer, i) => {
    cells.push(element("span", { class: "name", "aria-hidden": "true" }, `L${i + 1}`));
    layer.forEach((matrix, j) => {
      const isSelected = i === state.layer && j === state.head;
      const button = element("button", { type: "button", "aria-pressed": isSelected, "aria-label": `layer ${i + 1}, head ${j + 1}` }, heatMap(matrix));
      button.addEventListener("click", () => selectHead(i, j));
      cells.push(button);
    });
  });
  grid.replaceChildren(...cells);
}

function heatMap(matrix) {
  const size = matrix.length, canvas = element("canvas", { width: size, height: size });
  const context = canvas.getContext("2d"), image = context.createImageData(size, size);
  matrix.flat().forEach((weight, k) => {
    const strength = Math.min(1, weight * 1.5); // from white to blue
    image.data.set([255 - 247 * strength, 255 - 171 * strength, 255 - 107 * strength, 255], 4 * k);
  });
  context.putImageData(image, 0, 0);
  return canvas;
}

function selectHead(layer, head) {
  [state.layer, state.head] = [layer, head];
  writeLink();
  if (!attention) return;
  byId("layer").value = String(layer);
  byId("head").value = String(head);
  showLines(attention.tokens, attention.boundary, attention.weights[layer][head]);
  for (const button of byId("overview").querySelectorAll("button"))
    button.setAttribute("aria-pressed", button.getAttribute("aria-label") === `layer ${layer + 1}, head ${head + 1}`);
}

// The link holds the state after the #

function writeLink() {
  const link = new URLSearchParams();
  if (state.first) link.set("a", state.first);
  if (state.second) link.set("b", state.second);
  if (state.layer) link.set("layer", state.layer + 1);
  if (state.head) link.set("head", state.head + 1);
  history.replaceState(null, "", `#${link}`);
}

function readLink() {
  const link = new URLSearchParams(location.hash.slice(1));
  const number = name => Math.max(0, (parseInt(link.get(name), 10) || 1) - 1);
  const text = name => (link.get(name) ?? "").slice(0, 10000);
  setTexts(text("a"), text("b"));
  Object.assign(state, { layer: number("layer"), head: number("head") });
}

function setTexts(first, second) {
  Object.assign(state, { first, second: tasks.length && !hasPairTasks() ? "" : second });
  byId("first").value = state.first;
  byId("second").value = state.second;
}

// Start

function showTasks() {
  const intro = !hasPairTasks() ? "Type a sentence." : !hasSingleTasks() ? "Type two sentences to compare them." : "Type a sentence, or two to compare them.";
  byId("intro").textContent = `One encoder pass, several answers. ${intro}`;
  byId("second-field").hidden = !hasPairTasks();
  byId("first-label").textContent = hasSingleTasks() ? "Sentence" : "First sentence";
  byId("second-label").textContent = hasSingleTasks() ? "Second sentence (optional)" : "Second sentence";
  const examples = EXAMPLES.filter(([, second]) => second ? hasPairTasks() : hasSingleTasks());
  byId("examples").replaceChildren(...examples.map(([first, second]) => {
    const button = element("button", { type: "button" }, second ? `${first} | ${second}` : first);
    button.addEventListener("click", () => {
      setTexts(first, second);
      update();
    });
    return button;
  }));
}

async function start() {
  try {
    tasks = await request("v1/tasks");
    showError("");
    showTasks();
    setTexts(state.first, state.second);
    await update();
  } catch (error) {
    report(error);
  }
}

let typingTimer = 0;
for (const name of ["first", "second"])
  byId(name).addEventListener("input", () => {
    state[name] = byId(name).value;
    clearTimeout(typingTimer);
    typingTimer = setTimeout(update, TYPING_DELAY);
  });
byId("layer").addEventListener("change", () => selectHead(Number(byId("layer").value), state.head));
byId("head").addEventListener("change", () => selectHead(state.layer, Number(byId("head").value)));
byId("share").addEventListener("click", async () => {
  writeLink();
  try {
    await navigator.clipboard.writeText(location.href);
    byId("shared").textContent = "Copied.";
  } catch {
    byId("shared").textContent = "The link is in the address bar.";
  }
});
byId("key-form").addEventListener("submit", event => {
  event.preventDefault();
  apiKey = byId("key").value;
  byId("key-form").hidden = true;
  start();
});
addEventListener("hashchange", () => { readLink(); update(); });
readLink();
start();
