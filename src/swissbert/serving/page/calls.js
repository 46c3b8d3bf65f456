// The call of a program for the input that the page shows.

import { byId } from "./elements.js";
import { usesKey } from "./requests.js";

const quoted = text => `'${text.replaceAll("'", String.raw`'\''`)}'`; // for a shell

// Without a body it is a GET.
export function curl(url, body = null) {
  const lines = [`curl -s ${url}`];
  if (body) lines.push(`-H 'content-type: application/json'`);
  if (usesKey()) lines.push(`-H "authorization: Bearer $SWISSBERT_API_KEY"`);
  if (body) lines.push(`-d ${quoted(JSON.stringify(body))}`);
  return lines.join(" \\\n  ");
}

// Texts, lists and objects are written alike in JSON and in Python.
export function python(url, body) {
  const head = usesKey() ? [`import os`, ``, `import requests`, ``, `key = os.environ["SWISSBERT_API_KEY"]`] : [`import requests`, ``];
  const headers = usesKey() ? `,\n    headers={"authorization": f"Bearer {key}"}` : "";
  return [...head, `response = requests.post(`, `    "${url}",`, `    json=${JSON.stringify(body)}${headers},`, `)`, `print(response.json()["answers"])`].join("\n");
}

export function showCalls(inputs) {
  byId("calls").hidden = !inputs.length;
  const url = new URL("v1/predict", location.href.split("#")[0]).href, body = { inputs: inputs.length === 1 ? inputs[0] : inputs };
  byId("curl").textContent = curl(url, body);
  byId("python").textContent = python(url, body);
}

export function startCopying() {
  for (const button of document.querySelectorAll("[data-copy]"))
    button.addEventListener("click", () => copy(byId(button.dataset.copy).textContent, button.dataset.copy, "The call is copied.", "Copying is not allowed here; select the text."));
}

// What happened is said beside the button, in the element `NAME-copied`, and no longer beside another one.
export async function copy(text, name, done, otherwise) {
  const isDone = await navigator.clipboard?.writeText(text).then(() => true, () => false) ?? false;
  for (const node of document.querySelectorAll(".copied")) node.textContent = node.id === `${name}-copied` ? isDone ? done : otherwise : "";
}
