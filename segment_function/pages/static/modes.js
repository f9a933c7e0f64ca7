// What each mode gives, as the form says it of its radio button.

const about = (mode) => document.querySelector(`input[name="mode"][value="${mode}"]`).dataset;

export const kindOf = (mode) => about(mode).kind;

// The word for it in a file's name.
export const wordOf = (mode) => about(mode).word;

// Whether its pictures are transparent, so that something can be put behind them.
export const isTransparent = (mode) => "transparent" in about(mode);
