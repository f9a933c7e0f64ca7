"""Application Insights: takes what is sent, and weighs it."""

import gzip
import json
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from tests.azd.identity import Entra
from tests.azd.messages import Answer, Call, answer_json, error

AUDIENCE = "https://monitor.azure.com"


@dataclass(frozen=True)
class Item:
    """One record; `size` in bytes as it arrived, unpacked."""

    at: float
    size: int
    name: str
    role: str
    tags: dict[str, str]
    data: dict[str, Any]

    @property
    def trace(self) -> str:
        """The id of the trace it is part of; empty for a metric."""
        return self.tags.get("ai.operation.id", "")

    @property
    def parent(self) -> str:
        """The id of the span above it."""
        return self.tags.get("ai.operation.parentId", "")

    @property
    def span(self) -> str:
        """The id of the span that it is; empty for what is none."""
        return str(self.data.get("baseData", {}).get("id", ""))

    @property
    def text(self) -> str:
        """What a log line says, or the name of a span or a metric."""
        base = self.data.get("baseData", {})
        metrics = ", ".join(metric["name"] for metric in base.get("metrics", []))
        return str(base.get("message") or base.get("name") or metrics)


@dataclass
class Telemetry:
    """Everything that has arrived, in order."""

    entra: Entra
    items: list[Item] = field(default_factory=list)
    without_token: int = 0
    _turn: threading.Lock = field(default_factory=threading.Lock)

    def answer(self, call: Call) -> Answer:
        """The ingestion endpoint and live metrics, which are told that nobody looks."""
        if call.host.endswith("livediagnostics.monitor.azure.com"):
            return answer_json({}, 200, x_ms_qps_subscribed="false")
        if call.method != "POST" or not call.path.endswith("/track"):
            return error(404, "NotPlayed", str(call))
        with_token = self.entra.principal(call, AUDIENCE) is not None
        body = gzip.decompress(call.body) if call.headers.get("content-encoding") == "gzip" else call.body
        items = [_item(one) for one in _documents(body)]
        with self._turn:
            self.items += items
            self.without_token += 0 if with_token else len(items)
        return answer_json({"itemsReceived": len(items), "itemsAccepted": len(items), "errors": []})

    def since(self, begin: float) -> list[Item]:
        """What has arrived since then."""
        with self._turn:
            return [item for item in self.items if item.at >= begin]

    def counted(self, metric: str, begin: float) -> float:
        """The sum of a counter's points since then."""
        given = [item.data["baseData"].get("metrics", []) for item in self.since(begin)]
        return sum(float(point["value"]) for points in given for point in points if point["name"] == metric)

    def weigh(self, begin: float) -> tuple[int, str]:
        """Bytes since then, and a line for each kind of record, the heaviest first."""
        sizes: Counter[str] = Counter()
        counts: Counter[str] = Counter()
        for item in self.since(begin):
            kind = f"{item.role or '?'} {item.name}: {item.text[:70]}"
            sizes[kind] += item.size
            counts[kind] += 1
        lines = [f"{size:>9} bytes, {counts[kind]:>4} x {kind}" for kind, size in sizes.most_common(30)]
        return sum(sizes.values()), "\n".join(lines)


def _documents(body: bytes) -> list[dict[str, Any]]:
    """One in each line, or an array."""
    text = body.decode()
    if text.lstrip().startswith("["):
        array: list[dict[str, Any]] = json.loads(text)
        return array
    return [json.loads(line) for line in text.splitlines() if line.strip()]


def _item(document: dict[str, Any]) -> Item:
    size = len(json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode())
    tags = document.get("tags", {})
    role = tags.get("ai.cloud.role", "")
    return Item(time.monotonic(), size, document.get("name", ""), role, tags, document.get("data", {}))
