// The page: sends the texts to the server while you type, and shows answers, the words that made them, and attention.

import { examplesFor, showExamples, showModel } from "./about.js";
import { card, resultText } from "./answers.js";
import { clearAttention, showAttention, startAttention } from "./attention.js";
import { copy, showCalls, startCopying } from "./calls.js";
import { byId, element } from "./elements.js";
import { readLink, writeLink } from "./link.js";
import { NoKey, Unavailable, isReady, request, setKey } from "./requests.js";

const TYPING_DELAY = 150; // milliseconds from the last key to the request
const EXPLAIN_DELAY = 350; // milliseconds from the answers to the request for their words, which costs a pass for each
const RETRY_DELAY = 1000; // milliseconds between attempts to reach the server

const state = { first: "", second: "", layer: null, head: null };
let tasks = [], model = null, examples = [], pendingRequest = null, isRetrying = false;

const hasSingleTasks = () => tasks.some(task => !task.pair);
const hasPairTasks = () => tasks.some(task => task.pair);
const wait = milliseconds => new Promise(resolve => { setTimeout(resolve, milliseconds); });

// Errors

function showError(message) {
  byId("problem").hidden = !message;
  byId("problem").textContent = message;
  if (message) byId("answers").replaceChildren(); // they are those of an earlier text
}

function report(error) {
  if (error.name === "AbortError") return;
  if (error instanceof Unavailable) {
    retry(error.message);
    return;
  }
  byId("answers").setAttribute("aria-busy", "false");
  if (error instanceof NoKey) byId("key-form").hidden = false;
  showError(error.message);
}

async function retry(reason) {
  byId("status").hidden = false;
  byId("status").textContent = `${reason}. Trying again…`;
  if (isRetrying) return;
  isRetrying = true;
  do await wait(RETRY_DELAY); while (!await isReady());
  isRetrying = false;
  byId("status").hidden = true;
  await (model ? update() : start());
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
  byId("legend").hidden = true;
  clearAttention();
  showError("");
}

async function update() {
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
  try {
    const { answers } = await request("v1/predict", { inputs }, signal);
    showError("");
    showAnswers(inputs, answers);
    await attend(inputs[0], signal);
    await wait(EXPLAIN_DELAY);
    if (!signal.aborted) await explainAll(inputs, answers, signal);
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
      const example = examples.find(one => one.task === task.name && one.text === input.text && (one.text_pair ?? undefined) === input.text_pair);
      cards.push(card({ task, input, answer, effects, example, maxTokens: model.max_tokens }));
      summary.push(`${task.title}: ${resultText(answer)}${answer.cut ? " (end of the text not read)" : ""}`);
    }
  });
  const open = [...byId("answers").querySelectorAll("details")].map(details => details.open); // what was opened stays open
  const old = [...byId("answers").children].map(node => node.dataset.task).join();
  byId("answers").replaceChildren(...cards);
  if (old === cards.map(node => node.dataset.task).join() && explanations.length)
    byId("answers").querySelectorAll("details.about").forEach((details, i) => { details.open = open[i] ?? false; });
  byId("answers").setAttribute("aria-busy", "false");
  byId("summary").textContent = summary.join("; ");
}

async function attend({ text, text_pair }, signal) {
  const attention = await request("v1/attention", { text, text_pair }, signal).catch(error => {
    if (error.name === "AbortError" || error instanceof Unavailable) throw error;
    clearAttention(`No attention to show. ${error.message}.`);
    return null;
  });
  if (attention) showAttention(attention, state);
}

async function explainAll(inputs, answers, signal) {
  const explanations = [];
  for (const input of inputs) explanations.push(await request("v1/explain", input, signal));
  byId("legend").hidden = false;
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
  copy(location.href, "The link is copied.", "The link is in the address bar.");
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
