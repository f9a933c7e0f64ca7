"""What is shown, on standard error: a bar on a terminal, and everywhere failures, warnings and a summary."""

import logging
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

from segment_client.maker import Outcome, Result
from segment_client.tally import Tally
from segment_client.text import printable


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
        self._lines = _Lines(self._console)

    def __enter__(self) -> Self:
        logging.getLogger("segment_client").addHandler(self._lines)
        self._progress.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._progress.stop()
        logging.getLogger("segment_client").removeHandler(self._lines)

    @property
    def has_bar(self) -> bool:
        """Whether there is use for a total."""
        return self._console.is_terminal

    def expect(self, total: int) -> None:
        """How many outcomes there will be."""
        self._progress.update(self._task, total=total)

    def add(self, outcome: Outcome, tally: Tally) -> None:
        """One outcome more; a failure gets a line."""
        if outcome.error:
            name = printable(str(outcome.source))
            self.say(f"{name}: {outcome.error.id} {outcome.error.message}")
        failed = tally.results[Result.FAILED]
        self._progress.update(self._task, advance=1, failed=f"{failed} failed" if failed else "")

    def say(self, line: str) -> None:
        """A line of its own, above the bar."""
        self._console.print(Text(line), soft_wrap=True)

    def summarize(self, tally: Tally) -> None:
        """What the run has come to: a line, and a table of the failures by id."""
        done, skipped, failed = (tally.results[result] for result in Result)
        self.say(f"{done} cut out, {skipped} there already, {failed} failed")
        if not failed:
            return
        table = Table("error", "pictures", "the first one's message")
        for name, count in tally.failures.most_common():
            table.add_row(Text(name), str(count), Text(tally.messages[name]))
        self._console.print(table)


class _Rate(ProgressColumn):
    """Outcomes in a second, of late."""

    def render(self, task: Task) -> Text:
        """`-/s` before there is one."""
        speed = task.finished_speed or task.speed
        return Text(f"{speed:.1f}/s" if speed else "-/s")


class _Lines(logging.Handler):
    """Warnings of the library as lines."""

    def __init__(self, console: Console) -> None:
        super().__init__(logging.WARNING)
        self._console = console

    def emit(self, record: logging.LogRecord) -> None:
        self._console.print(Text(printable(record.getMessage())), soft_wrap=True)
