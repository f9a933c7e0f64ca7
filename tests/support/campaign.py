"""Cases of which `make test` takes some and CI all."""

from collections.abc import Mapping

import pytest


def some(cases: Mapping[str, object], count: int) -> list[object]:
    """The cases by their ids; all but the first `count` have the mark `campaign`."""
    return [
        pytest.param(case, id=id, marks=[pytest.mark.campaign] if place >= count else [])
        for place, (id, case) in enumerate(cases.items())
    ]
