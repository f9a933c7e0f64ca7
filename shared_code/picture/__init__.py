"""What comes in: formats, headers, decoding."""
