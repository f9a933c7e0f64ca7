"""One bash in which a person types the commands of a page, and the answers that he gives when he is asked."""

import os
import secrets
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.azd.laptop import PATIENCE_S, Screen

type Answers = Mapping[str, str]
"""What is typed, by the question that is on the screen."""


class Session:
    """Commands are read from a pipe of their own, so that the programs' input is the answers alone.

    The shell ends with the first command that fails.
    """

    def __init__(self, folder: Path, environment: Mapping[str, str], answers: Answers) -> None:
        self._answers = answers
        reading, self._commands = os.pipe()
        self._process = subprocess.Popen(
            ["bash", "--noprofile", "--norc", "-e", f"/dev/fd/{reading}"],
            cwd=folder,
            env=dict(environment),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            pass_fds=(reading,),
        )
        os.close(reading)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._commands)
        if self._process.stdin:
            self._process.stdin.close()
        self._process.kill()
        self._process.wait()
        if self._process.stdout:
            self._process.stdout.close()

    def run(self, commands: str) -> Screen:
        """Runs them as they stand; what was shown until the shell is ready again, or has ended."""
        end = f"end of commands {secrets.token_hex(8)}"
        sys.stdout.write("".join(f"\n$ {line}" for line in commands.splitlines()) + "\n")
        os.write(self._commands, f"{commands.rstrip()}\necho {end}\n".encode())
        patience = threading.Timer(PATIENCE_S, self._process.kill)
        patience.start()
        try:
            text, ended = self._read_until(end)
        finally:
            patience.cancel()
        return Screen(self._process.wait() if ended else 0, text)

    def _read_until(self, end: str) -> tuple[str, bool]:
        """What was shown, and whether the shell has ended."""
        assert self._process.stdout is not None
        seen, answered = b"", 0
        while end.encode() not in seen:
            part = os.read(self._process.stdout.fileno(), 65536)
            if not part:
                return seen.decode(errors="replace"), True
            sys.stdout.write(part.decode(errors="replace"))
            seen += part
            if self._answer(seen[answered:].decode(errors="replace")):
                answered = len(seen)
        return seen.decode(errors="replace").partition(end)[0], False

    def _answer(self, shown: str) -> bool:
        """Types the answer to a question, if there is one at the end of the screen."""
        assert self._process.stdin is not None
        for question, answer in self._answers.items():
            if question in shown.rpartition("\n")[2]:
                self._process.stdin.write(f"{answer}\n".encode())
                self._process.stdin.flush()
                return True
        return False
