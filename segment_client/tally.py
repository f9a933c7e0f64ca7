"""What a run has come to so far."""

from collections import Counter
from dataclasses import dataclass, field

from segment_client.maker import Outcome, Result


@dataclass
class Tally:
    """Counts of outcomes, and of failures by id, each with the first message of its kind."""

    results: Counter[Result] = field(default_factory=Counter)
    failures: Counter[str] = field(default_factory=Counter)
    messages: dict[str, str] = field(default_factory=dict)

    def add(self, outcome: Outcome) -> None:
        """Count one outcome."""
        self.results[outcome.result] += 1
        if outcome.error:
            self.failures[outcome.error.id] += 1
            self.messages.setdefault(outcome.error.id, outcome.error.message)
