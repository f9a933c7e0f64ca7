"""The next action for a blob: a pure function of the event, the state in storage, and the last result.

    inspect ──> in line? ──> finish
       ^           │
       └── make, explain or tidy

Events come more than once, in any order, and to several workers at a time. So an event only says where to
look. Each round reads the state in storage, does one action on the condition that nothing has changed since,
and reads the state again. A job ends when there is exactly one correct output, so it may be interrupted
anywhere.
"""

from dataclasses import dataclass, replace
from enum import Enum, StrEnum
from typing import Final

from cutout_function.event import Ignored

ROUNDS: Final = 8
"""An undisturbed job needs two, or three if a stale output is deleted."""


class Conclusion(StrEnum):
    """How a job ended."""

    CUT_OUT = "cut out"
    REFUSED = "refused"
    ALREADY_DONE = "already done"
    GONE = "gone"
    FOLDER = "left alone: it is the marker of a folder"
    BEGUN = "left alone: it is an append blob with nothing appended yet"
    COPYING = "left alone: a copy to it is under way, and is announced when it has ended"
    ARCHIVED = "not read: it is in the archive tier; to have it cut out, copy it to an online tier"
    REHYDRATING = "not read: it is being rehydrated, and nothing tells of the end; copy it once it is online"

    @property
    def needs_operator(self) -> bool:
        """Whether an operator must act before there can be a cut-out."""
        return self in (Conclusion.ARCHIVED, Conclusion.REHYDRATING)


@dataclass(frozen=True)
class SourceBlob:
    """A blob of the watched container, at one moment.

    `size_bytes` is the stored size, in the coding `content_encoding`. `set_aside` is the conclusion for a
    blob that cannot be cut out, whatever its bytes; None for others.
    """

    name: str
    etag: str
    size_bytes: int
    content_encoding: str = ""
    set_aside: Conclusion | None = None


@dataclass(frozen=True)
class OutputBlob:
    """An output that is stored: its own ETag, and the ETag of the source it was made from."""

    name: str
    etag: str
    source_etag: str


@dataclass(frozen=True)
class Seen:
    """What is stored at one moment: the source, its cut-out and its error document; None if absent."""

    source: SourceBlob | None
    picture: OutputBlob | None = None
    error: OutputBlob | None = None


@dataclass(frozen=True)
class Refused:
    """The picture is at fault; `document` explains it to the uploader."""

    document: bytes


class Happened(Enum):
    """The other results of an action."""

    CUT_OUT = "the cut-out is stored"
    EXPLAINED = "the error document is stored"
    TIDIED = "a stale output is deleted"
    CHANGED = "the source or an output was written by somebody else"


type News = Seen | Refused | Happened


@dataclass(frozen=True)
class Known:
    """The inputs of a decision.

    names: from the event, the most likely name first. seen: the state in storage when it was last read, None
    if that is out of date. refusal: of the source in `seen`.
    """

    names: tuple[str, ...] | Ignored
    seen: Seen | None = None
    refusal: Refused | None = None
    conclusion: Conclusion = Conclusion.ALREADY_DONE
    rounds: int = 0

    def after(self, news: News) -> "Known":
        """The facts after a result."""
        match news:
            case Seen():
                return replace(self, seen=news, rounds=self.rounds + 1)
            case Refused():
                return replace(self, refusal=news)
            case Happened():
                conclusion = _CONCLUSIONS.get(news, self.conclusion)
                return replace(self, seen=None, refusal=None, conclusion=conclusion)


_CONCLUSIONS = {Happened.CUT_OUT: Conclusion.CUT_OUT, Happened.EXPLAINED: Conclusion.REFUSED}


@dataclass(frozen=True)
class Inspect:
    """Find out which of `names` exists, and which outputs it has."""

    names: tuple[str, ...]


@dataclass(frozen=True)
class Make:
    """Make a cut-out of `source`, and store it instead of `replaced`, if there is one."""

    source: SourceBlob
    replaced: OutputBlob | None


@dataclass(frozen=True)
class Explain:
    """Store an error document for `source` instead of `replaced`, if there is one."""

    source: SourceBlob
    document: bytes
    replaced: OutputBlob | None


@dataclass(frozen=True)
class Tidy:
    """Delete an output that was made from an older source."""

    output: OutputBlob


@dataclass(frozen=True)
class GiveUp:
    """Leave the blob to the next delivery of the event."""

    reason: str


@dataclass(frozen=True)
class Finish:
    """Nothing more is to be done."""

    conclusion: Conclusion | Ignored


type Action = Inspect | Make | Explain | Tidy | GiveUp | Finish


def decide(known: Known) -> Action:
    """The next action for a blob."""
    names, seen = known.names, known.seen
    if isinstance(names, Ignored):
        return Finish(names)
    if seen is None:
        return Inspect(names) if known.rounds < ROUNDS else GiveUp(f"{names[0]!r} keeps changing")
    source = seen.source
    if source is None:
        return Finish(Conclusion.GONE)
    outputs = (seen.picture, seen.error)
    right = next((output for output in outputs if output and output.source_etag == source.etag), None)
    if right is None:
        if source.set_aside is not None:
            return Finish(source.set_aside)
        if known.refusal is not None:
            return Explain(source, known.refusal.document, seen.error)
        return Make(source, seen.picture)
    stale = seen.error if right is seen.picture else seen.picture
    return Finish(known.conclusion) if stale is None else Tidy(stale)
