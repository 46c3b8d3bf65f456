// Requests to the server, with the API key that was typed.

export class Unavailable extends Error {} // no answer now; worth another attempt
export class NoKey extends Error {}

// The sentence of an error without the name of the field, which is one of the API and not of the page.
function sentence({ error, field }) {
  const text = field && error.startsWith(`${field}: `) ? error.slice(field.length + 2) : error;
  return `${text[0].toUpperCase()}${text.slice(1)}`;
}

let apiKey = "";

export const setKey = key => { apiKey = key; };
export const usesKey = () => apiKey !== "";

export async function request(path, body, signal) {
  const headers = body ? { "content-type": "application/json" } : {};
  if (apiKey) headers.authorization = `Bearer ${apiKey}`;
  let response;
  try {
    response = await fetch(path, body ? { method: "POST", headers, body: JSON.stringify(body), signal } : { headers, signal });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Unavailable("The server cannot be reached");
  }
  const content = await response.json().catch(() => ({ error: `the server answered with status ${response.status}` }));
  if (response.status === 401) throw new NoKey(content.error);
  if (response.status === 429) throw new Unavailable("The server is overloaded");
  if (!response.ok) throw new Error(sentence(content));
  return content;
}

export const isReady = () => fetch("readyz").then(response => response.ok, () => false);
