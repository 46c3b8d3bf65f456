// Which words made an answer: a tint on each word, a sentence with the strongest, and a table with all numbers.

import { capitalized, element, percent } from "./elements.js";

export const FINDING = "Finding the words that made the answer …"; // in place of the sentence, until it is there
const STRONGEST = 3; // words of each direction that the sentence names
const FLOOR = 0.02; // effects below this share of the scale are neither marked nor named
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
  const node = element("span", { class: Math.abs(share) < FLOOR ? "word" : share < 0 ? "word against" : "word for" }, word.text);
  node.style.setProperty("--strength", `${Math.round(55 * Math.abs(share) / most)}%`);
  for (const event of ["pointerenter", "click"]) node.addEventListener(event, () => onWord(word.i));
  node.addEventListener("pointerleave", () => onWord(null));
  return node;
}

// Numbers are compared as they are shown, in hundredths: a sentence, a table and bars that round for themselves would contradict
// each other.
const hundredths = ({ label }, value) => Math.round(100 * (label === null ? Number(value.toFixed(2)) : value));
const differences = effects => effects.without.map(number => hundredths(effects, effects.value) - hundredths(effects, number));

// What each word adds to the number, as a share of its scale.
function effectShares(effects) {
  const { task, label } = effects, width = label === null ? task.range[1] - task.range[0] : 1;
  return differences(effects).map(difference => difference / 100 / width);
}

const number = ({ label }, value) => label === null ? value.toFixed(2) : percent(value).replace(" ", "\u00a0");

// Words of a long text are left out together with their neighbours.
const isGrouped = ({ words }) => words.some(word => /\s/.test(word.text));

// What the number is: the probability of a label, or the score.
const subject = ({ task, label }) => label === null ? "the score" : `“${task.labels[label]}”`;

export function sentence(effects, only = null) {
  const { value, without, words } = effects;
  if (only !== null) return `Without “${words[only].text}”: ${subject(effects)} is ${number(effects, without[only])} instead of ${number(effects, value)}.`;
  const ranked = effectShares(effects).map((share, i) => ({ share, i })).sort((a, b) => Math.abs(b.share) - Math.abs(a.share));
  const named = sign => ranked.filter(({ share }) => sign * share >= FLOOR).slice(0, STRONGEST)
    .map(({ i }, k) => `“${words[i].text}” (${k === 0 ? "without it " : ""}${number(effects, without[i])})`).join(", ");
  const [up, down] = [named(1), named(-1)];
  if (!up && !down) return `No single ${isGrouped(effects) ? "part" : "word"} decides: ${subject(effects)} stays near ${number(effects, value)} without any one of them.`;
  const verbs = effects.label === null ? ["Raised by", "lowered by"] : [`For ${subject(effects)}:`, up ? "against:" : `against ${subject(effects)}:`];
  const parts = [up && `${verbs[0]} ${up}`, down && `${verbs[1]} ${down}`].filter(Boolean).join("; ");
  return `${capitalized(parts)}.`;
}

export function table(effects) {
  const rows = differences(effects).map((difference, i) => element("tr", {},
    element("th", { scope: "row", dir: "auto" }, effects.words[i].text),
    element("td", {}, number(effects, effects.without[i]).replace("\u00a0%", "")),
    element("td", {}, signed(effects, difference))));
  const heads = effects.label === null ? ["left out", "without it", "effect"] : ["left out", "without it, %", "effect, points"];
  const head = element("tr", {}, ...heads.map(name => element("th", { scope: "col" }, name)));
  const groups = isGrouped(effects) ? " The text is long, so neighbouring words are left out together." : "";
  const what = effects.label === null ? subject(effects) : `the probability of ${subject(effects)}`;
  return element("details", { class: "effects" }, element("summary", {}, "Effect of each word"),
    element("p", { class: "soft" }, `With all words, ${what} is ${number(effects, effects.value)}.${groups}`),
    element("div", { class: "scroll", tabindex: 0, role: "group", "aria-label": "effect of each word" }, element("table", {}, element("thead", {}, head), element("tbody", {}, ...rows))));
}

function signed({ label }, difference) {
  const size = label === null ? (Math.abs(difference) / 100).toFixed(2) : String(Math.abs(difference));
  return `${difference === 0 ? "" : difference < 0 ? "−" : "+"}${size}`;
}
