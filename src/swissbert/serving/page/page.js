// The page: asks the server as you type and shows what it says. Whatever a person or the server says becomes text nodes,
// never markup.

const EXAMPLES = [
  ["A slow start, but the last half hour is wonderful.", ""],
  ["I want my evening back.", ""],
  ["How do I keep basil alive indoors?", "What helps a basil plant survive in a kitchen?"],
  ["A man is repairing a bicycle.", "Somebody fixes a bike."],
  ["Is it hard to learn Welsh?", "Is it hard to learn to swim?"],
];
const WAIT = 150; // milliseconds after the last key
const SVG = "http://www.w3.org/2000/svg";

const at = id => document.getElementById(id);
const state = { first: "", second: "", layer: 0, head: 0 };
let tasks = [], key = "", asked = null, attention = null, away = false;

function make(tag, attributes = {}, ...children) {
  const svg = ["svg", "path", "text", "line", "g", "title"].includes(tag);
  const node = svg ? document.createElementNS(SVG, tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

// Asking

class Away extends Error {}

async function ask(path, body, signal) {
  const headers = { "content-type": "application/json" };
  if (key) headers.authorization = `Bearer ${key}`;
  let response;
  try {
    response = await fetch(path, body ? { method: "POST", headers, body: JSON.stringify(body), signal } : { headers, signal });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Away("the server cannot be reached");
  }
  if (response.status === 401) at("key-form").hidden = false;
  const said = await response.json().catch(() => ({ error: `the server said ${response.status}` }));
  if (response.status === 429) throw new Away("the server is busy");
  if (!response.ok) throw new Error(said.error);
  return said;
}

function problem(text) {
  at("problem").hidden = !text;
  at("problem").textContent = text;
}

function lost(reason) {
  at("status").hidden = false;
  at("status").textContent = `${reason[0].toUpperCase()}${reason.slice(1)}; this page tries again until it answers.`;
  if (away) return;
  away = true;
  const again = async () => {
    try {
      if (!(await fetch("readyz")).ok) throw new Error();
      away = false;
      at("status").hidden = true;
      if (!tasks.length) await begin(); else await update();
    } catch { away = true; setTimeout(again, 1000); }
  };
  setTimeout(again, 1000);
}

async function update() {
  asked?.abort();
  const mine = asked = new AbortController();
  const first = state.first.trim(), second = state.second.trim();
  const inputs = [];
  if (first && tasks.some(task => !task.pair)) inputs.push({ text: first });
  if (second && tasks.some(task => !task.pair)) inputs.push({ text: second });
  if (first && second && tasks.some(task => task.pair)) inputs.push({ text: first, text_pair: second });
  remember();
  if (!inputs.length) {
    at("answers").replaceChildren(make("p", { class: "soft" }, first ? "These tasks need a second sentence." : "Nothing asked yet."));
    at("lines").replaceChildren();
    at("overview").replaceChildren();
    problem("");
    return;
  }
  try {
    const { answers } = await ask("v1/predict", { inputs }, mine.signal);
    problem("");
    showAnswers(inputs, answers);
    const looked = second && tasks.some(task => task.pair) ? { text: first, text_pair: second } : { text: first || second };
    attention = await ask("v1/attention", looked, mine.signal).catch(error => {
      if (error.name === "AbortError" || error instanceof Away) throw error;
      at("lines").replaceChildren(make("p", { class: "soft" }, `No attention is shown: ${error.message}.`));
      at("overview").replaceChildren();
      return null;
    });
    if (attention) showAttention();
  } catch (error) {
    if (error.name === "AbortError") return;
    if (error instanceof Away) lost(error.message); else problem(error.message);
  }
}

// Answers

function showAnswers(inputs, answers) {
  const cards = [], said = [];
  inputs.forEach((input, i) => {
    for (const task of tasks) {
      const answer = answers[i][task.name];
      if (!answer) continue;
      const of = input.text_pair === undefined ? input.text : "both sentences";
      const body = task.kind === "regression" ? gauge(task, answer.score) : bars(task, answer);
      cards.push(make("div", { class: "answer", "data-task": task.name }, make("h3", {}, task.name), make("p", { class: "of", dir: "auto" }, of), ...body));
      said.push(`${task.name}: ${answer.label_name ?? answer.score.toFixed(1)}`);
    }
  });
  at("answers").replaceChildren(...cards);
  at("said").textContent = said.join("; ");
}

function bars(task, answer) {
  return task.labels.map((label, i) => {
    const share = answer.probabilities[i], text = `${Math.round(100 * share)} %`;
    const fill = make("div", { class: "fill" });
    fill.style.width = `${100 * share}%`;
    return make("div", { class: i === answer.label ? "bar top" : "bar" },
      make("span", {}, label), make("div", { class: "track", "aria-hidden": "true" }, fill), make("span", { class: "value" }, text));
  });
}

function gauge(task, score) {
  const [low, high] = task.range, share = (score - low) / (high - low);
  const point = angle => `${110 - 85 * Math.cos(angle)} ${105 - 85 * Math.sin(angle)}`;
  const arc = (name, to) => make("path", { class: name, d: `M ${point(0)} A 85 85 0 0 1 ${point(Math.PI * to)}` });
  const text = (x, y, name, said) => make("text", { x, y, class: name }, said);
  return [make("svg", { class: "gauge", viewBox: "0 0 220 135", role: "img", "aria-label": `${score.toFixed(2)} on a scale from ${low} to ${high}` },
    arc("back", 1), ...(share > 0.005 ? [arc("front", share)] : []),
    text(110, 100, "score", score.toFixed(2)), text(25, 130, "end", String(low)), text(195, 130, "end", String(high)))];
}

// Attention

function showAttention() {
  const { tokens, boundary, weights } = attention;
  state.layer = Math.min(state.layer, weights.length - 1);
  state.head = Math.min(state.head, weights[0].length - 1);
  choices(at("layer"), weights.length, state.layer);
  choices(at("head"), weights[0].length, state.head);
  showLines(tokens, boundary, weights[state.layer][state.head]);
  showOverview(weights);
}

function choices(select, count, chosen) {
  if (select.options.length !== count)
    select.replaceChildren(...Array.from({ length: count }, (_, i) => make("option", { value: i }, String(i + 1))));
  select.value = String(chosen);
}

function showLines(tokens, boundary, weights) {
  const step = 24, width = 440, left = 150, right = width - 150, y = i => 16 + i * step + (boundary !== null && i >= boundary ? 10 : 0);
  const height = y(tokens.length - 1) + 16;
  const svg = make("svg", { viewBox: `0 0 ${width} ${height}`, width, height, role: "group", "aria-label": "Attention between word pieces" });
  const lines = make("g", { "aria-hidden": "true" });
  svg.append(lines);
  const draw = only => {
    lines.replaceChildren();
    weights.forEach((row, i) => {
      if (only !== null && i !== only) return;
      row.forEach((weight, j) => {
        if (weight > 0.02) lines.append(make("line", { x1: left + 8, y1: y(i), x2: right - 8, y2: y(j), "stroke-width": 2.5, "stroke-opacity": Math.min(1, weight * (only === null ? 1 : 1.6)) }));
      });
    });
    if (boundary !== null) lines.append(make("line", { class: "boundary", x1: 0, x2: width, y1: y(boundary) - 17, y2: y(boundary) - 17 }));
  };
  draw(null);
  tokens.forEach((token, i) => {
    const name = boundary !== null && i >= boundary ? "second" : "";
    const best = weights[i].map((weight, j) => [weight, j]).sort((a, b) => b[0] - a[0]).slice(0, 3);
    const label = `${token} looks at ${best.map(([weight, j]) => `${tokens[j]} ${Math.round(100 * weight)} %`).join(", ")}`;
    const word = make("g", { class: "token", tabindex: 0, role: "img", "aria-label": label },
      make("text", { x: left, y: y(i) + 5, "text-anchor": "end", class: name }, token), make("title", {}, label));
    for (const event of ["pointerenter", "focus"]) word.addEventListener(event, () => draw(i));
    for (const event of ["pointerleave", "blur"]) word.addEventListener(event, () => draw(null));
    svg.append(word, make("text", { x: right, y: y(i) + 5, class: name, "aria-hidden": "true" }, token));
  });
  at("lines").replaceChildren(svg);
}

function showOverview(weights) {
  const grid = at("overview"), heads = weights[0].length;
  grid.style.gridTemplateColumns = `2.2rem repeat(${heads}, minmax(1.4rem, 1fr))`;
  const cells = [];
  weights.forEach((layer, i) => {
    cells.push(make("span", { class: "name", "aria-hidden": "true" }, `L${i + 1}`));
    layer.forEach((matrix, j) => {
      const size = matrix.length, canvas = make("canvas", { width: size, height: size });
      const context = canvas.getContext("2d"), image = context.createImageData(size, size);
      matrix.flat().forEach((weight, k) => {
        const dark = Math.min(1, weight * 1.5);
        image.data.set([255 - 247 * dark, 255 - 171 * dark, 255 - 107 * dark, 255], 4 * k);
      });
      context.putImageData(image, 0, 0);
      const chosen = i === state.layer && j === state.head;
      const button = make("button", { type: "button", "aria-pressed": chosen, "aria-label": `layer ${i + 1}, head ${j + 1}` }, canvas);
      button.addEventListener("click", () => choose(i, j, button));
      cells.push(button);
    });
  });
  grid.replaceChildren(...cells);
}

function choose(layer, head, button) {
  [state.layer, state.head] = [layer, head];
  remember();
  if (!attention) return;
  at("layer").value = String(layer);
  at("head").value = String(head);
  showLines(attention.tokens, attention.boundary, attention.weights[layer][head]);
  const wanted = button ?? at("overview").querySelector(`[aria-label="layer ${layer + 1}, head ${head + 1}"]`);
  for (const each of at("overview").querySelectorAll("button")) each.setAttribute("aria-pressed", each === wanted);
}

// State in the link

function remember() {
  const link = new URLSearchParams();
  if (state.first) link.set("a", state.first);
  if (state.second) link.set("b", state.second);
  if (state.layer) link.set("layer", state.layer + 1);
  if (state.head) link.set("head", state.head + 1);
  history.replaceState(null, "", `#${link}`);
}

function recall() {
  const link = new URLSearchParams(location.hash.slice(1));
  const number = name => Math.max(0, (parseInt(link.get(name), 10) || 1) - 1);
  Object.assign(state, { first: (link.get("a") ?? "").slice(0, 10000), second: (link.get("b") ?? "").slice(0, 10000), layer: number("layer"), head: number("head") });
  at("first").value = state.first;
  at("second").value = state.second;
}

async function begin() {
  try {
    tasks = await ask("v1/tasks");
    at("second").closest("section").classList.toggle("pairs", tasks.some(task => task.pair));
    await update();
  } catch (error) {
    if (error instanceof Away) lost(error.message); else problem(error.message);
  }
}

let timer = 0;
for (const name of ["first", "second"])
  at(name).addEventListener("input", () => {
    state[name] = at(name).value;
    clearTimeout(timer);
    timer = setTimeout(update, WAIT);
  });
at("layer").addEventListener("change", () => choose(Number(at("layer").value), state.head));
at("head").addEventListener("change", () => choose(state.layer, Number(at("head").value)));
at("examples").append(...EXAMPLES.map(([first, second]) => {
  const button = make("button", { type: "button" }, second ? `${first} | ${second}` : first);
  button.addEventListener("click", () => {
    Object.assign(state, { first, second });
    at("first").value = first;
    at("second").value = second;
    update();
  });
  return button;
}));
at("share").addEventListener("click", async () => {
  remember();
  try {
    await navigator.clipboard.writeText(location.href);
    at("shared").textContent = "Copied.";
  } catch {
    at("shared").textContent = "The link is in the address bar.";
  }
});
at("key-form").addEventListener("submit", event => {
  event.preventDefault();
  key = at("key").value;
  at("key-form").hidden = true;
  begin();
});
addEventListener("hashchange", () => { recall(); update(); });
recall();
begin();
