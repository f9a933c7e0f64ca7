"""Images by URL, behind an address guard."""
