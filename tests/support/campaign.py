"""Cases of which `make test` takes some and CI all."""

from collections.abc import Iterable, Mapping

import pytest


def some(cases: Mapping[str, object] | Iterable[object], count: int) -> list[object]:
    """The cases, by their ids if they have any; all but the first `count` have the mark `campaign`."""
    named = cases if isinstance(cases, Mapping) else {str(case): case for case in cases}
    return [
        pytest.param(case, id=id, marks=[pytest.mark.campaign] if place >= count else [])
        for place, (id, case) in enumerate(named.items())
    ]
