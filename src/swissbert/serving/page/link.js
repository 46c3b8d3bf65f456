// The address of the page holds its state after the #, so that a link shows the same.

const LONGEST = 10000; // characters of a text

export function writeLink({ first, second, layer, head }) {
  const link = new URLSearchParams();
  if (first) link.set("a", first);
  if (second) link.set("b", second);
  if (layer !== null) link.set("layer", layer === "mean" ? layer : layer + 1);
  if (head !== null) link.set("head", head === "mean" ? head : head + 1);
  history.replaceState(null, "", `#${link}`);
}

// Layer and head are numbers from 0, "mean", or null where the page chooses.
export function readLink() {
  const link = new URLSearchParams(location.hash.slice(1));
  const choice = name => link.get(name) === "mean" ? "mean" : Number.isInteger(Number(link.get(name) || NaN)) ? Math.max(0, Number(link.get(name)) - 1) : null;
  const text = name => (link.get(name) ?? "").slice(0, LONGEST);
  const [layer, head] = [choice("layer"), choice("head")];
  return { first: text("a"), second: text("b"), layer: layer ?? (head === null ? null : "mean"), head: head ?? (layer === null ? null : "mean") };
}
