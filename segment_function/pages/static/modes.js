// What each mode makes, read from the radio buttons of the form.

const about = (mode) => document.querySelector(`input[name="mode"][value="${mode}"]`).dataset;

export const kindOf = (mode) => about(mode).kind;

// The word for its results in file names.
export const wordOf = (mode) => about(mode).word;

// Whether its results are transparent and can have a background.
export const isTransparent = (mode) => "transparent" in about(mode);
