// Matrices of attention: of one head, of a mean over heads or layers, and the head that is worth seeing first.

const mean = matrices => matrices[0].map((row, i) => row.map((_, j) => matrices.reduce((sum, matrix) => sum + matrix[i][j], 0) / matrices.length));

// `weights` is [layers][heads][from][to]; layer and head are numbers or "mean".
export function matrixOf(weights, layer, head) {
  const layers = layer === "mean" ? weights : [weights[layer]];
  return mean(layers.flatMap(heads => head === "mean" ? heads : [heads[head]]));
}

// Which positions are [CLS] and [SEP]: the first, the last, and the one before the second text.
export const isSpecial = (i, count, boundary) => i === 0 || i === count - 1 || (boundary !== null && i === boundary - 1);

// The head in which words of the two texts, or of a single text words that are no neighbours, attend to each other most clearly.
//
// A link of two words is the geometric mean of both directions, so that a word which all others attend to makes none. Of each word
// the strongest link counts: the sum of all is largest where a head spreads its attention over everything.
export function linkingHead(weights, tokens, boundary) {
  const count = tokens.length, isWord = token => /[\p{L}\p{N}]/u.test(token);
  const words = [...tokens.keys()].filter(i => !isSpecial(i, count, boundary) && isWord(tokens[i]));
  const links = (i, j) => boundary === null ? Math.abs(i - j) > 1 : (i < boundary) !== (j < boundary);
  let best = { layer: "mean", head: "mean", share: -1 };
  weights.forEach((heads, layer) => heads.forEach((matrix, head) => {
    const strongest = i => words.reduce((most, j) => links(i, j) ? Math.max(most, matrix[i][j] * matrix[j][i]) : most, 0);
    const share = words.reduce((sum, i) => sum + Math.sqrt(strongest(i)), 0);
    if (share > best.share) best = { layer, head, share };
  }));
  return best;
}
