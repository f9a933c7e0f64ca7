"""Two callers, one of whom sends on and on: the other is answered all the same."""

from collections import Counter
from collections.abc import Iterator

import pytest

from tests.functions_host import HOW_TO_GET_ONE, find_host, functions_host
from tests.functions_host.needed import skip
from tests.support import two_callers
from tests.support.hosts import embedded_host
from tests.support.photos import encoded
from tests.support.two_callers import one_after_the_other, polite_beside_greedy

pytestmark = pytest.mark.slow

HOSTS = {"embedded": embedded_host, "functions": functions_host}
SETTINGS = two_callers.SETTINGS | {"SEGMENT_MODEL": "u2netp", "SEGMENT_SLOTS": "1"}


@pytest.fixture(params=HOSTS)
def url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A host with one slot and nine places."""
    if request.param == "functions" and find_host() is None:
        skip(HOW_TO_GET_ONE)
    log = tmp_path_factory.mktemp("log") / "log.txt"
    with HOSTS[request.param](log, SETTINGS) as host:
        yield host.url


@pytest.mark.campaign
def test_a_greedy_caller_keeps_nobody_out(url: str) -> None:
    replies, greedy = polite_beside_greedy(url, encoded("JPEG", 160, 120), 5, encoded("JPEG", 3000, 2000))
    assert Counter(reply.status for reply in replies) == {200: 5}
    assert greedy.keys() == {200, 429}
    assert one_after_the_other(url, encoded("JPEG", 160, 120), 1)[0].status == 200
