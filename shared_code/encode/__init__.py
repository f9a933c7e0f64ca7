"""Output: composed rows, in the formats of the answer."""
