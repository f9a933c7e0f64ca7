"""Shows a run on standard error: a bar on a terminal, else a line now and then; failures and a summary."""

import asyncio
import logging
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

from segment_client.errors import printable
from segment_client.maker import Outcome, Result

DOUBTFUL_FROM = 0.2
"""Results are doubtful from this uncertainty on: docs/models.md says how many bad ones that catches."""
_DOUBTFUL_NAMED = 20
_LINE_EVERY_S = 10.0


@dataclass
class Tally:
    """The counts of a run so far.

    `failures` are counted by id, without those that ended the run; `messages` has the first one of each id.
    """

    results: Counter[Result] = field(default_factory=Counter)
    failures: Counter[str] = field(default_factory=Counter)
    messages: dict[str, str] = field(default_factory=dict)
    doubtful: int = 0
    doubtful_names: list[str] = field(default_factory=list)

    @property
    def is_empty(self) -> bool:
        """Whether nothing was counted but the error that ended the run."""
        return not (self.results[Result.DONE] or self.results[Result.SKIPPED] or self.failures)

    @property
    def total(self) -> int:
        """All outcomes."""
        return self.results.total()

    def add(self, outcome: Outcome) -> None:
        """Count one outcome."""
        self.results[outcome.result] += 1
        if outcome.error and not outcome.error.final:
            self.failures[outcome.error.id] += 1
            self.messages.setdefault(outcome.error.id, outcome.error.message)
        if outcome.answer and (outcome.answer.uncertainty or 0.0) >= DOUBTFUL_FROM:
            self.doubtful += 1
            if len(self.doubtful_names) < _DOUBTFUL_NAMED:
                self.doubtful_names.append(str(outcome.source))


class Screen:
    """A context manager around a run."""

    def __init__(self) -> None:
        self._console = Console(stderr=True, highlight=False)
        self._progress = Progress(
            BarColumn(),
            MofNCompleteColumn(),
            _Rate(),
            TimeRemainingColumn(elapsed_when_finished=True),
            TextColumn("[red]{task.fields[failed]}"),
            console=self._console,
            disable=not self._console.is_terminal,
        )
        self._task = self._progress.add_task("", total=None, failed="")
        self._total: int | None = None
        self._lines = _Lines(self._console)

    def __enter__(self) -> Self:
        logging.getLogger("segment_client").addHandler(self._lines)
        self._progress.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._progress.stop()
        logging.getLogger("segment_client").removeHandler(self._lines)

    def expect(self, total: int) -> None:
        """How many outcomes there will be."""
        self._total = total
        self._progress.update(self._task, total=total)

    def add(self, outcome: Outcome, tally: Tally) -> None:
        """Show one outcome. Failures get a line, except the one that ends the run, and so do notes."""
        if outcome.error and not outcome.error.final:
            name = printable(str(outcome.source))
            self.say(f"{name}: {outcome.error.id} {outcome.error.message}")
        if outcome.note:
            self.say(f"{printable(str(outcome.source))}: {outcome.note}")
        failed = tally.results[Result.FAILED]
        self._progress.update(self._task, advance=1, failed=f"{failed} failed" if failed else "")

    def say(self, line: str) -> None:
        """Show a line, above the bar."""
        self._console.print(Text(line), soft_wrap=True)

    async def tell_progress(self, tally: Tally, every_s: float = _LINE_EVERY_S) -> None:
        """Without a bar, show a line every 10 s if something has changed; never returns."""
        told, began = 0, time.monotonic()
        while not self._console.is_terminal:
            await asyncio.sleep(every_s)
            if tally.total > told:
                told = tally.total
                of = "" if self._total is None else f" of {self._total}"
                per_s = told / (time.monotonic() - began)
                self.say(f"{told}{of} pictures: {_counts(tally)}; {per_s:.1f}/s")

    def summarize(self, tally: Tally) -> None:
        """Show the counts, a table of the failures by id, and the doubtful results."""
        self.say(_counts(tally))
        if tally.failures:
            table = Table("error", "pictures", "the first one's message")
            for name, count in tally.failures.most_common():
                table.add_row(Text(name), str(count), Text(tally.messages[name]))
            self._console.print(table)
        if tally.doubtful:
            names = ", ".join(map(printable, tally.doubtful_names))
            more = tally.doubtful - len(tally.doubtful_names)
            looks = "1 result looks" if tally.doubtful == 1 else f"{tally.doubtful} results look"
            self.say(f"{looks} doubtful: {names}" + (f", and {more} more" if more else ""))


def _counts(tally: Tally) -> str:
    done, skipped, failed = (tally.results[result] for result in Result)
    return f"{done} cut out, {skipped} already there, {failed} failed"


class _Rate(ProgressColumn):
    """Outcomes per second, recently."""

    def render(self, task: Task) -> Text:
        """The rate, `-/s` while there is none."""
        speed = task.finished_speed or task.speed
        return Text(f"{speed:.1f}/s" if speed else "-/s")


class _Lines(logging.Handler):
    """Shows warnings of the library as lines."""

    def __init__(self, console: Console) -> None:
        super().__init__(logging.WARNING)
        self._console = console

    def emit(self, record: logging.LogRecord) -> None:
        self._console.print(Text(printable(record.getMessage())), soft_wrap=True)
