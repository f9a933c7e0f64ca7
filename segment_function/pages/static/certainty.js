// The network's certainty in words. docs/models.md has the share of bad mattes that each threshold catches.

const DOUBTFUL = 0.1;
const WORDS = [[0.05, "sure"], [DOUBTFUL, "fairly sure"], [0.2, "unsure: look at it"], [1, "very unsure: look closely"]];

// uncertainty: 0..1 or null. `doubtful`: somebody should check the result.
export function certainty(uncertainty) {
  if (uncertainty === null) return { words: "", doubtful: false };
  const [, words] = WORDS.find(([most]) => uncertainty <= most) ?? WORDS.at(-1);
  return { words, doubtful: uncertainty > DOUBTFUL };
}
