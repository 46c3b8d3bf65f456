// The page: sends the texts to the server while you type, and shows answers, the words that made them, and attention.

import { examplesFor, showExamples, showModel } from "./about.js";
import { card, resultText } from "./answers.js";
import { clearAttention, markAttention, showAttention, startAttention } from "./attention.js";
import { copy, showCalls, startCopying } from "./calls.js";
import { byId, element } from "./elements.js";
import { readLink, writeLink } from "./link.js";
import { NoKey, Unavailable, isReady, request, setKey } from "./requests.js";

const TYPING_DELAY = 150; // milliseconds from the last key to the request
const EXPLAIN_DELAY = 350; // milliseconds from the answers to the request for their words, which costs a pass for each
const FIRST_DELAY = 1000; // milliseconds to the first retry, where the server names no time; doubled for each one after it
const LONGEST_DELAY = 60_000; // milliseconds to a retry, also where the server names a longer time
const POLL_DELAY = 5000; // milliseconds between checks whether a server that was away is back
const MAX_RETRIES = 6; // of a request, in a row

const state = { first: "", second: "", layer: null, head: null };
let tasks = [], model = null, examples = [], pendingRequest = null;
let retrying = null, failures = 0; // the retry that waits, as an object of its own, and how many there were in a row
const opened = new Set(); // the details that the user opened

const hasSingleTasks = () => tasks.some(task => !task.pair);
const hasPairTasks = () => tasks.some(task => task.pair);
const wait = milliseconds => new Promise(resolve => { setTimeout(resolve, milliseconds); });

// Errors

function showError(message) {
  byId("problem").hidden = !message;
  byId("problem").textContent = message;
  if (!message) return;
  byId("answers").replaceChildren(); // all that is shown belongs to an earlier text
  byId("answers").setAttribute("aria-busy", "false");
  byId("summary").textContent = "";
  hideEffects();
  clearAttention();
}

function showStatus(message) {
  byId("status").hidden = !message;
  byId("status").textContent = message;
}

function hideEffects(note = "") {
  byId("legend").hidden = true;
  byId("effects-note").textContent = note;
}

function report(error) {
  if (error.name === "AbortError") return;
  if (error instanceof Unavailable) {
    retry(error);
    return;
  }
  stopRetrying();
  if (error instanceof NoKey) byId("key-form").hidden = false;
  showError(error.message);
}

async function retry({ message, seconds }) {
  showStatus(`${message}. Trying again…`);
  if (retrying) return;
  if (failures === MAX_RETRIES) {
    stopRetrying();
    showError(`${message}. ${model ? "Change the text" : "Load the page again"} to try once more.`);
    return;
  }
  const mine = retrying = {};
  await wait(Math.min(seconds === null ? FIRST_DELAY * 2 ** failures : 1000 * seconds, LONGEST_DELAY));
  while (retrying === mine && !await isReady()) await wait(Math.min(FIRST_DELAY * 2 ** failures, POLL_DELAY));
  if (retrying !== mine) return;
  retrying = null;
  failures += 1;
  await (model ? update() : start());
}

function stopRetrying() {
  retrying = null;
  failures = 0;
  showStatus("");
}

// Answers

// The pair first, if there are tasks for it, then each text.
function inputsFor(first, second) {
  const inputs = [];
  if (first && second && hasPairTasks()) inputs.push({ text: first, text_pair: second });
  if (hasSingleTasks()) inputs.push(...[first, second].filter(Boolean).map(text => ({ text })));
  return inputs;
}

function showNothing(isHalfPair) {
  const message = isHalfPair ? "The tasks of this model compare two sentences. Type both." : "Type a sentence to see answers.";
  byId("answers").replaceChildren(element("p", { class: "soft" }, message));
  byId("answers").setAttribute("aria-busy", "false");
  byId("summary").textContent = "";
  hideEffects();
  clearAttention();
  stopRetrying();
  showError("");
}

async function update() {
  if (!model) return; // `start` calls this once the model is known
  pendingRequest?.abort();
  const { signal } = pendingRequest = new AbortController();
  const first = state.first.trim(), second = state.second.trim();
  const inputs = inputsFor(first, second);
  writeLink(state);
  showCalls(inputs);
  if (!inputs.length) {
    showNothing((first || second) && !hasSingleTasks());
    return;
  }
  byId("answers").setAttribute("aria-busy", "true");
  markAttention(true);
  try {
    const { answers } = await request("v1/predict", { inputs }, signal);
    stopRetrying();
    showError("");
    byId("effects-note").textContent = "";
    showAnswers(inputs, answers);
    await attend(inputs[0], signal);
    await wait(EXPLAIN_DELAY);
    signal.throwIfAborted();
    await explainAll(inputs, answers, signal);
  } catch (error) {
    report(error);
  }
}

function showAnswers(inputs, answers, explanations = []) {
  const cards = [], summary = [];
  inputs.forEach((input, i) => {
    for (const task of tasks.filter(task => answers[i][task.name])) {
      const answer = answers[i][task.name], explained = explanations[i];
      const effects = explained && { ...explained.tasks[task.name], words: explained.words, task };
      if (effects) effects.value = effects.label === null ? answer.score : answer.probabilities[effects.label]; // with all digits of the bars
      const example = examples.find(one => one.task === task.name && one.text === input.text && (one.text_pair ?? undefined) === input.text_pair);
      cards.push(card({ task, input, answer, effects, example, maxTokens: model.max_tokens }));
      summary.push(`${task.title}: ${resultText(answer)}${answer.cut ? " (end of the text not read)" : ""}`);
    }
  });
  keepOpen(cards);
  byId("answers").replaceChildren(...cards);
  byId("answers").setAttribute("aria-busy", "false");
  byId("summary").textContent = summary.join("; ");
}

// Open again what was opened in earlier cards: by task, which of its cards it is, and class.
function keepOpen(cards) {
  const counts = {};
  for (const node of cards) {
    const { task } = node.dataset, number = counts[task] = (counts[task] ?? 0) + 1;
    for (const details of node.querySelectorAll("details")) {
      const name = `${task} ${number} ${details.className}`;
      details.open = opened.has(name);
      details.addEventListener("toggle", () => opened[details.open ? "add" : "delete"](name));
    }
  }
}

// The answers stand without attention and without the effects of words, so their errors are notes and are not retried.
function noteOf(error) {
  if (error.name === "AbortError" || error instanceof NoKey) throw error;
  return `${error.message.replace(/\.$/, "")}.`;
}

async function attend({ text, text_pair }, signal) {
  const attention = await request("v1/attention", { text, text_pair }, signal).catch(error => {
    clearAttention(`No attention to show. ${noteOf(error)}`);
    return null;
  });
  if (attention) showAttention(attention, state);
}

async function explainAll(inputs, answers, signal) {
  const explanations = [];
  try {
    for (const input of inputs) explanations.push(await request("v1/explain", input, signal));
  } catch (error) {
    for (const why of document.querySelectorAll(".answer .why")) {
      why.textContent = "";
      why.setAttribute("aria-busy", "false");
    }
    hideEffects(`Which words made the answers cannot be shown. ${noteOf(error)}`);
    return;
  }
  byId("legend").hidden = false;
  byId("effects-note").textContent = "";
  showAnswers(inputs, answers, explanations);
}

// Inputs

function setTexts(first, second) {
  Object.assign(state, { first, second: tasks.length && !hasPairTasks() ? "" : second });
  byId("first").value = state.first;
  byId("second").value = state.second;
}

function showFields() {
  byId("second-field").hidden = !hasPairTasks();
  byId("first-label").textContent = hasSingleTasks() ? "Sentence" : "First sentence";
  byId("second-label").textContent = hasSingleTasks() ? "Second sentence (optional)" : "Second sentence";
  byId("intro").textContent = !hasPairTasks() ? "Type a sentence." : !hasSingleTasks() ? "Type two sentences to compare them." : "Type a sentence, or two to compare them.";
}

async function start() {
  try {
    tasks = await request("v1/tasks");
    model = await request("v1/model");
    stopRetrying();
    showError("");
    byId("key-form").hidden = true;
    showFields();
    showModel(model, tasks);
    examples = examplesFor(model, tasks);
    showExamples(examples, example => {
      setTexts(example.text, example.text_pair ?? "");
      update();
    });
    setTexts(state.first, state.second);
    if (!state.first && !state.second) setTexts(examples[0].text, examples[0].text_pair ?? "");
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
byId("share").addEventListener("click", () => {
  writeLink(state);
  copy(location.href, "share", "The link is copied.", "The link is in the address bar.");
});
byId("key-form").addEventListener("submit", event => {
  event.preventDefault();
  setKey(byId("key").value);
  start();
});
addEventListener("hashchange", () => {
  const link = readLink();
  Object.assign(state, link);
  setTexts(link.first, link.second);
  update();
});
startAttention(choice => {
  Object.assign(state, choice);
  writeLink(state);
});
startCopying();
Object.assign(state, readLink());
setTexts(state.first, state.second);
start();
