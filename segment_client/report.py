"""The report: a CSV file with a row for each picture, written as they are done, that spreadsheets can open.

It is UTF-8 with a byte order mark and CRLF. Cells that a spreadsheet would take for formulas are escaped.
"""

import csv
from pathlib import Path
from typing import Self

from segment_client.maker import Outcome

COLUMNS = (
    "source",
    "result",
    "target",
    "width",
    "height",
    "bytes",
    "seconds",
    "attempts",
    "uncertainty",
    "error",
    "message",
    "request_id",
    "box",
    "note",
)


class Report:
    """A context manager. Raises OSError when the file cannot be written."""

    def __init__(self, path: Path) -> None:
        # Undecodable file names are written as their bytes.
        self._file = path.open("w", newline="", encoding="utf-8-sig", errors="surrogateescape")
        self._rows = csv.writer(self._file)
        self._rows.writerow(COLUMNS)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._file.close()

    def add(self, outcome: Outcome) -> None:
        """Write a row, and flush it, so that it is kept if the process is killed."""
        answer, error = outcome.answer, outcome.error
        made = (answer.width, answer.height, outcome.bytes) if answer else ("", "", "")
        attempts = answer.attempts if answer else error.attempts if error else ""
        box = answer.box if answer else None
        uncertainty = "" if answer is None or answer.uncertainty is None else answer.uncertainty
        self._rows.writerow(
            (
                _text(str(outcome.source)),
                outcome.result,
                _text(str(outcome.target or "")),
                *made,
                f"{outcome.seconds:.3f}",
                attempts,
                uncertainty,
                error.id if error else "",
                _text(error.message) if error else "",
                _text(answer.request_id if answer else error.request_id if error else ""),
                ",".join(map(str, box or ())),
                outcome.note,
            )
        )
        self._file.flush()


def _text(value: str) -> str:
    """`value`, and not the formula that a spreadsheet would make of it (OWASP, CSV Injection)."""
    return f"'{value}" if value.startswith(("=", "+", "-", "@", "\t", "\r")) else value
