"""What a job's output is called.

The ending is added to the whole name, so that `a.jpg` and `a.png` have outputs of their own.
"""


def png_name(name: str) -> str:
    """The cut-out of the blob `name`."""
    return name + ".png"


def error_name(name: str) -> str:
    """The document that says why the blob `name` has no cut-out."""
    return name + ".error.json"
