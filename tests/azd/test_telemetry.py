"""What an instance sends to Application Insights: in an idle minute, and for each picture."""

import time

import pytest

from telemetry.names import PICTURES as PICTURES_METRIC
from telemetry.names import SLOTS_USED, SPAN
from tests.azd.azure import Azure
from tests.azd.person import Person
from tests.azd.portal import deploy
from tests.support.hosts import PROJECT
from tests.support.patience import wait_for
from tests.support.photos import encoded

IDLE_S, MOST_IDLE_BYTES = 60, 30_000
PICTURES, MOST_BYTES_A_PICTURE = 100, 5_000
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def served(azure: Azure) -> Azure:
    """With an app that has told of its start."""
    deploy(azure, {"environmentName": "telemetry", "location": "westeurope", "segmentModel": "u2netp"})
    azure.site.serve(PROJECT, azure.site.settings)
    wait_for_metrics(azure)
    return azure


@pytest.fixture(scope="module")
def idle(served: Azure) -> tuple[int, str]:
    """What a minute without a call has sent: bytes, and a line for each kind of record."""
    begin = time.monotonic()
    time.sleep(IDLE_S)
    return served.telemetry.weigh(begin)


def wait_for_metrics(azure: Azure) -> None:
    """They go once a minute: until those of all that has been are there."""
    called = time.monotonic()
    wait_for(lambda: any(SLOTS_USED.name in item.text for item in azure.telemetry.since(called)))
    time.sleep(5)


def test_idle_minute_is_quiet(idle: tuple[int, str], capsys: pytest.CaptureFixture[str]) -> None:
    size, kinds = idle
    tell(
        capsys, f"an idle minute sends {size / 1000:.1f} kB of at most {MOST_IDLE_BYTES / 1000:.0f}:\n{kinds}"
    )
    assert 0 < size <= MOST_IDLE_BYTES


@pytest.fixture(scope="module")
def hundred_pictures(served: Azure, idle: tuple[int, str]) -> float:
    """When the first of a hundred was sent, all of which have been told of; after the idle minute."""
    assert idle
    begin, picture, person = time.monotonic(), encoded("JPEG", 320, 240), Person(served)
    for _ in range(PICTURES):
        assert person.cut_out(picture, person.key).status_code == 200
    wait_for_metrics(served)
    return begin


def test_pictures_are_told_of_in_few_words(
    hundred_pictures: float, azure: Azure, capsys: pytest.CaptureFixture[str]
) -> None:
    size, kinds = azure.telemetry.weigh(hundred_pictures)
    each = size / PICTURES
    tell(capsys, f"a picture sends {each:.0f} bytes of at most {MOST_BYTES_A_PICTURE}:\n{kinds}")
    assert each <= MOST_BYTES_A_PICTURE


def test_every_picture_is_counted_and_has_its_line(hundred_pictures: float, azure: Azure) -> None:
    assert azure.telemetry.counted(PICTURES_METRIC.name, hundred_pictures) == PICTURES
    lines = [item for item in azure.telemetry.since(hundred_pictures) if item.text.startswith("picture ")]
    assert len(lines) == PICTURES
    assert len({line.trace for line in lines}) == PICTURES  # one trace for each call


def test_a_tenth_is_traced_and_of_that_everything(hundred_pictures: float, azure: Azure) -> None:
    """The host's span of the call, the picture below it, and all its stages: or none of them."""
    items = azure.telemetry.since(hundred_pictures)
    calls = {item.trace: item.span for item in items if item.text.startswith("POST ") and item.span}
    pictures = {item.trace: item for item in items if item.text == SPAN}
    assert {trace: picture.parent for trace, picture in pictures.items()} == calls
    assert 0 < len(pictures) < PICTURES / 3
    for trace, picture in pictures.items():
        stages = {item.text for item in items if item.trace == trace and item.parent == picture.span}
        assert {"receive", "header", "wait", "decode", "network", "matte", "encode", "send"} <= stages


def tell(capsys: pytest.CaptureFixture[str], text: str) -> None:
    """Shown whether the test fails or not."""
    with capsys.disabled():
        print(f"\n{text}")  # noqa: T201


def test_nothing_at_all_was_asked_that_nobody_plays(azure: Azure) -> None:
    """In the whole of this file."""
    assert azure.unknown == []
