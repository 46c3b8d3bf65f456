// The API page: shows the server's own OpenAPI document. It loads nothing from other servers, and inserts text as text
// nodes only.

import { curl } from "./calls.js";
import { byId, element } from "./elements.js";
import { NoKey, request, setKey } from "./requests.js";

const EXAMPLES = {
  "/v1/predict": { inputs: ["A fine day.", { text: "A dog runs.", text_pair: "A dog is running." }] },
  "/v1/attention": { text: "A fine day.", layer: 0, head: 0 },
  "/v1/explain": { text: "A dog runs.", text_pair: "A dog is running." },
};
const MAX_DEPTH = 4; // levels of a type that are written out

// Types

function resolve(schema, document) {
  return schema.$ref ? document.components.schemas[schema.$ref.split("/").at(-1)] : schema;
}

function typeOf(given, document, depth = 0) {
  const schema = resolve(given, document);
  const limits = [
    schema.minLength !== undefined && `at least ${schema.minLength} characters`, schema.maxLength && `at most ${schema.maxLength} characters`,
    schema.minItems !== undefined && schema.minItems !== schema.maxItems && `at least ${schema.minItems}`, schema.maxItems && schema.minItems !== schema.maxItems && `at most ${schema.maxItems}`,
    schema.minItems && schema.minItems === schema.maxItems && `exactly ${schema.maxItems}`, schema.minimum !== undefined && `from ${schema.minimum}`, schema.maximum !== undefined && `to ${schema.maximum}`,
  ].filter(Boolean);
  const note = limits.length ? ` (${limits.join(", ")})` : "";
  if (schema.anyOf) return schema.anyOf.filter(part => part.type !== "null").map(part => typeOf(part, document, depth)).join(" or ");
  if (schema.type === "array") return `list of ${schema.items ? typeOf(schema.items, document, depth) : "anything"}${note}`;
  if (schema.properties && depth < MAX_DEPTH) {
    const fields = Object.entries(schema.properties).map(([name, part]) =>
      `${"  ".repeat(depth + 1)}${name}${(schema.required ?? []).includes(name) ? "" : "?"}: ${typeOf(part, document, depth + 1)}`);
    return `{\n${fields.join("\n")}\n${"  ".repeat(depth)}}`;
  }
  if (schema.additionalProperties) return `object of ${typeOf(schema.additionalProperties, document, depth)}`;
  return `${schema.type ?? "anything"}${note}`;
}

// Routes

// Descriptions mark code with one or two backticks.
function withCode(text) {
  return text.split(/(``.+?``|`[^`]+`)/).map((part, i) => i % 2 ? element("code", {}, part.replace(/^`+|`+$/g, "")) : part);
}

// Code that can be scrolled with the keys.
const block = (label, text) => element("pre", { tabindex: 0, role: "group", "aria-label": label }, text);

function route(path, method, operation, document) {
  const json = part => part?.content?.["application/json"]?.schema;
  const body = json(operation.requestBody), answer = json(operation.responses["200"]);
  const errors = Object.entries(operation.responses).filter(([status]) => status !== "200");
  const described = body && resolve(body, document).description;
  return element("section", { class: "route", "data-path": path },
    element("h2", {}, element("span", { class: "method" }, method.toUpperCase()), path),
    element("p", {}, ...withCode(operation.description ?? operation.summary ?? "")),
    ...(described ? [element("p", { class: "soft" }, ...withCode(described))] : []),
    block("call", curl(new URL(`.${path}`, location.href), method === "post" ? EXAMPLES[path] ?? {} : null)),
    ...(body ? [element("h3", {}, "Body"), block("body", typeOf(body, document))] : []),
    ...(answer && Object.keys(answer).length ? [element("h3", {}, "Answer"), block("answer", typeOf(answer, document))] : []),
    ...(errors.length ? [element("h3", {}, "Errors"), element("table", {}, ...errors.map(([status, part]) => element("tr", {}, element("td", {}, status), element("td", {}, ...withCode(part.description)))))] : []));
}

function showLimits(limits) {
  const rows = Object.entries(limits).map(([name, value]) =>
    element("tr", {}, element("td", {}, name.replaceAll("_", " ")), element("td", {}, value.toLocaleString("en"))));
  byId("limits").replaceChildren(byId("limits-title"), element("table", {}, ...rows));
  byId("limits").hidden = false;
}

async function start() {
  try {
    const document = await request("openapi.json");
    const routes = Object.entries(document.paths).flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, operation]) => route(path, method, operation, document)));
    byId("routes").replaceChildren(...routes);
    showLimits(await request("v1/limits"));
    byId("key-form").hidden = true;
    byId("status").hidden = true;
  } catch (error) {
    byId("key-form").hidden = !(error instanceof NoKey);
    byId("status").textContent = error.message;
    byId("status").hidden = false;
  }
}

byId("key-form").addEventListener("submit", event => {
  event.preventDefault();
  setKey(byId("key").value);
  start();
});
start();
