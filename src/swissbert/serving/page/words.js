// Which words made an answer: a tint on each word, a sentence with the strongest, and a table with all numbers.

import { element, percent } from "./elements.js";

const STRONGEST = 3; // words of each direction that the sentence names
const FLOOR = 0.02; // effects below this share of the scale are not named
const FULL = 0.15; // an effect of this share of the scale has a full tint, or the strongest one if that is larger
const LONG_TEXT = 400; // characters; longer texts scroll

// Return the texts of an input as paragraphs, with a tint for each word once there are effects.
//
// `effects` is null, or { words, value, without, task, answer } as /v1/explain gives them. `onWord` is called with the number
// of the word that is pointed at, and with null.
export function texts(input, effects, onWord) {
  return ["text", "text_pair"].filter(field => input[field] !== undefined).map(field => {
    const isLong = input[field].length > LONG_TEXT;
    const attributes = { class: "text", dir: "auto", ...(isLong && { tabindex: 0, role: "group", "aria-label": "text" }) };
    return element("p", attributes, ...(effects ? pieces(field, input[field], effects, onWord) : [input[field]]));
  });
}

function pieces(field, text, effects, onWord) {
  const characters = Array.from(text); // by code point, as the server counts
  const mine = effects.words.map((word, i) => ({ ...word, i })).filter(word => word.field === field);
  const nodes = [], isCut = effects.answer.cut;
  let end = 0;
  const between = (from, to, isOutside) => {
    const rest = characters.slice(from, to).join("");
    if (rest) nodes.push(isOutside && isCut && rest.trim() ? element("s", { class: "unread" }, rest) : rest);
  };
  for (const word of mine) {
    between(end, word.start, end === 0);
    nodes.push(tinted(word, effects, onWord));
    end = word.end;
  }
  between(end, characters.length, true);
  return nodes;
}

function tinted(word, effects, onWord) {
  const shares = effectShares(effects), share = shares[word.i];
  const most = Math.max(FULL, ...shares.map(Math.abs));
  const node = element("span", { class: share < 0 && -share >= FLOOR ? "word against" : share < 0 ? "word weak" : "word for" }, word.text);
  node.style.setProperty("--strength", `${Math.round(55 * Math.abs(share) / most)}%`);
  for (const event of ["pointerenter", "click"]) node.addEventListener(event, () => onWord(word.i));
  node.addEventListener("pointerleave", () => onWord(null));
  return node;
}

// What each word adds to the number, as a share of its scale.
function effectShares({ value, without, task, label }) {
  const width = label === null ? task.range[1] - task.range[0] : 1;
  return without.map(number => (value - number) / width);
}

const number = ({ label }, value) => label === null ? value.toFixed(2) : percent(value);

// What the number is: the probability of a label, or the score.
const subject = ({ task, label }) => label === null ? "the score" : `“${task.labels[label]}”`;

export function sentence(effects, only = null) {
  const { value, without, words } = effects;
  if (only !== null) return `Without “${words[only].text}”: ${subject(effects)} is ${number(effects, without[only])} instead of ${number(effects, value)}.`;
  const ranked = effectShares(effects).map((share, i) => ({ share, i })).sort((a, b) => Math.abs(b.share) - Math.abs(a.share));
  const named = sign => ranked.filter(({ share }) => sign * share >= FLOOR).slice(0, STRONGEST)
    .map(({ i }, k) => `“${words[i].text}” (${k === 0 ? "without it " : ""}${number(effects, without[i])})`).join(", ");
  const [up, down] = [named(1), named(-1)];
  if (!up && !down) return `No single word decides: ${subject(effects)} stays near ${number(effects, value)} without any one of them.`;
  const verbs = effects.label === null ? ["Raised by", "lowered by"] : [`For ${subject(effects)}:`, "against:"];
  const parts = [up && `${verbs[0]} ${up}`, down && `${verbs[1]} ${down}`].filter(Boolean).join("; ");
  return `${parts[0].toUpperCase()}${parts.slice(1)}.`;
}

export function table(effects) {
  const { value, without, words } = effects;
  const cell = content => element("td", {}, content);
  const rows = words.map((word, i) => element("tr", {}, element("th", { scope: "row", dir: "auto" }, word.text), cell(number(effects, without[i])), cell(signed(effects, value - without[i]))));
  const heads = ["left out", `${subject(effects)} without it`, "effect"].map(name => element("th", { scope: "col" }, name));
  const groups = words.some(word => /\s/.test(word.text)) ? [element("p", { class: "soft" }, "The text is long, so neighbouring words are left out together.")] : [];
  const scroll = element("div", { class: "scroll", tabindex: 0, role: "group", "aria-label": "effect of each word" }, element("table", {}, element("thead", {}, element("tr", {}, ...heads)), element("tbody", {}, ...rows)));
  return element("details", { class: "effects" }, element("summary", {}, "Effect of each word"), ...groups, scroll);
}

function signed({ label }, difference) {
  const size = label === null ? Math.abs(difference).toFixed(2) : String(Math.round(100 * Math.abs(difference)));
  const sign = Number(size) === 0 ? "" : difference < 0 ? "−" : "+";
  return `${sign}${size}${label === null ? "" : " points"}`;
}
