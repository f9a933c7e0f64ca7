"""Input: formats, headers, decoding."""
