"""Text that comes from files and servers, made fit to be shown."""


def printable(text: str) -> str:
    """`text` on one line, with control characters and bytes that are no text as escapes."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)
