// Requests to the server, with the API key that was typed.

// No answer now; worth another attempt, after `seconds` where the server says so, else null.
export class Unavailable extends Error {
  constructor(message, seconds = null) {
    super(message);
    this.seconds = seconds;
  }
}

export class NoKey extends Error {}

// The sentence of an error without the name of the field, which is one of the API and not of the page. A proxy in front of the
// server answers with content of its own, without such a sentence.
function sentence(content, status) {
  const { error, field } = content ?? {};
  if (typeof error !== "string" || !error) return `The server answered with status ${status}`;
  const text = field && error.startsWith(`${field}: `) ? error.slice(field.length + 2) : error;
  return `${text[0].toUpperCase()}${text.slice(1)}`;
}

let apiKey = "";

export const setKey = key => { apiKey = key; };
export const usesKey = () => apiKey !== "";

export async function request(path, body, signal) {
  const headers = body ? { "content-type": "application/json" } : {};
  if (apiKey) headers.authorization = `Bearer ${apiKey}`;
  let response, content;
  try {
    response = await fetch(path, body ? { method: "POST", headers, body: JSON.stringify(body), signal } : { headers, signal });
    content = await response.json();
  } catch (error) {
    if (error.name === "AbortError") throw error;
    if (!(error instanceof SyntaxError)) throw new Unavailable("The server cannot be reached");
    content = null; // no JSON
  }
  signal?.throwIfAborted();
  if (response.status === 401) throw new NoKey(sentence(content, 401));
  if (response.status === 429) throw new Unavailable("The server is overloaded", Number(response.headers.get("retry-after")) || null);
  if (!response.ok || content === null) throw new Error(sentence(content, response.status));
  return content;
}

export const isReady = () => fetch("readyz").then(response => response.ok, () => false);
