"""The library against a real host, with a proxy between them that breaks what it carries."""

import asyncio
import hashlib
import io
import os
import random
import signal
from contextlib import ExitStack, aclosing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from segment_client import Look, Mode, Outcome, Result, Service, cutout, cutouts
from segment_client.connection import Connection
from segment_client.folder import Placed
from segment_client.maker import Maker
from segment_client.options import Format
from segment_client.record import FILE_NAME
from tests.support.client_runs import HASTY, collect
from tests.support.faults import Fault, faulty_proxy
from tests.support.hosts import KEYS, Host, embedded_host_at, free_port
from tests.support.photos import encoded
from tests.support.small_host import SETTINGS, Pictures, make_pictures, picture_by_url

PICTURE = encoded("JPEG", 64, 60)


def check_all_done(pictures: Pictures, out: Path, outcomes: list[Outcome]) -> None:
    """Nothing lost, nothing twice, nothing half."""
    sources = [outcome.source for outcome in outcomes]
    assert sorted(map(str, sources)) == sorted(map(str, [*pictures.good, *pictures.broken]))
    failed = {outcome.source: outcome.error.id for outcome in outcomes if outcome.error}
    assert failed == dict.fromkeys(pictures.broken, "E-FORMAT")
    targets = {path: out / path.relative_to(pictures.folder) for path in pictures.good}
    written = {path for path in out.rglob("*") if not path.is_dir() and path.name != FILE_NAME}
    assert written == {target.with_name(target.name + ".png") for target in targets.values()}
    for source, target in targets.items():
        with Image.open(target.with_name(target.name + ".png")) as image:
            image.load()
            assert (image.size, image.mode) == (pictures.good[source], "RGBA")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "a.jpg"
    path.write_bytes(PICTURE)
    return path


PASSING = [
    (Fault.DROP, "C-STREAM"),
    (Fault.HALF, "C-STREAM"),
    (Fault.HALF_PNG, "C-STREAM"),
    (Fault.BUSY, "E-429"),
    (Fault.UNAVAILABLE, "E-503"),
    (Fault.GATEWAY, "HTTP-502"),
]


@pytest.mark.parametrize("fault", [fault for fault, _ in PASSING])
def test_what_may_pass_is_tried_again(host: Host, source: Path, tmp_path: Path, fault: Fault) -> None:
    with faulty_proxy(host.url, lambda n, _: fault if n < 2 else Fault.NONE) as proxy:
        service = Service(proxy.url, KEYS[0], patience=HASTY)
        [outcome], final = collect([source], tmp_path / "out", service)
    assert (outcome.result, final) == (Result.DONE, None)
    assert outcome.answer
    assert outcome.target
    assert outcome.answer.attempts == 3
    assert outcome.answer.bytes == outcome.bytes == outcome.target.stat().st_size
    assert proxy.seen == [fault, fault, Fault.NONE]


@pytest.mark.parametrize(("fault", "error"), PASSING)
def test_what_does_not_pass_is_told(
    host: Host, source: Path, tmp_path: Path, fault: Fault, error: str
) -> None:
    with faulty_proxy(host.url, lambda *_: fault) as proxy:
        service = Service(proxy.url, KEYS[0], patience=replace(HASTY, attempts=3))
        [outcome], final = collect([source], tmp_path / "out", service)
    assert outcome.error
    assert (outcome.error.id, outcome.error.attempts, final) == (error, 3, None)
    assert proxy.seen == [fault] * 3
    assert list((tmp_path / "out").iterdir()) == []


def test_an_answer_that_stands_still_is_given_up(host: Host, source: Path, tmp_path: Path) -> None:
    with faulty_proxy(host.url, lambda *_: Fault.STALL) as proxy:
        service = Service(proxy.url, KEYS[0], patience=replace(HASTY, attempts=2, attempt_s=0.5))
        [outcome], _ = collect([source], tmp_path / "out", service)
    assert outcome.error
    assert (outcome.error.id, outcome.error.attempts) == ("C-STREAM", 2)
    assert list((tmp_path / "out").iterdir()) == []


def test_a_slow_answer_is_waited_for(host: Host, source: Path, tmp_path: Path) -> None:
    with faulty_proxy(host.url, lambda *_: Fault.SLOW) as proxy:
        [outcome], _ = collect([source], tmp_path / "out", Service(proxy.url, KEYS[0], patience=HASTY))
    assert outcome.result is Result.DONE
    assert proxy.seen == [Fault.SLOW]


@pytest.mark.parametrize(
    ("data", "error"), [(b"no picture", "E-FORMAT"), (encoded("PNG", 30, 60), "E-DIM"), (b"", "E-SIZE")]
)
def test_what_stays_wrong_is_sent_once(host: Host, tmp_path: Path, data: bytes, error: str) -> None:
    source = tmp_path / "a.jpg"
    source.write_bytes(data)
    with faulty_proxy(host.url, lambda *_: Fault.NONE) as proxy:
        [outcome], final = collect([source], tmp_path / "out", Service(proxy.url, KEYS[0], patience=HASTY))
    assert outcome.error
    assert (outcome.error.id, final) == (error, None)
    assert len(proxy.seen) == (1 if data else 0)


def test_another_page_is_no_answer(host: Host, source: Path, tmp_path: Path) -> None:
    with faulty_proxy(host.url, lambda *_: Fault.PAGE) as proxy:
        [outcome], _ = collect([source], tmp_path / "out", Service(proxy.url, KEYS[0], patience=HASTY))
    assert outcome.error
    assert outcome.error.id == "C-ANSWER"
    assert len(proxy.seen) == 1


@pytest.mark.campaign
def test_a_folder_survives_every_fault(host: Host, tmp_path: Path) -> None:
    pictures = make_pictures(tmp_path / "photos", 30)
    dice = random.Random(20)
    faults = [*(fault for fault in Fault if fault not in (Fault.STALL, Fault.PAGE)), *[Fault.NONE] * 7]
    patience = replace(HASTY, attempts=40)
    with faulty_proxy(host.url, lambda *_: dice.choice(faults)) as proxy:
        service = Service(proxy.url, KEYS[0], patience=patience)
        outcomes, final = collect([pictures.folder], tmp_path / "out", service)
    assert final is None
    check_all_done(pictures, tmp_path / "out", outcomes)
    assert len(set(proxy.seen)) > 6
    assert proxy.whole == {
        hashlib.sha256(path.read_bytes()).hexdigest(): 1 for path in (*pictures.good, *pictures.broken)
    }


@pytest.mark.slow
@pytest.mark.parametrize(
    ("count", "kills"),
    [(8, (2,)), pytest.param(30, (6, 14), marks=pytest.mark.campaign)],
    ids=["once", "twice"],
)
def test_a_folder_survives_a_server_that_is_killed(
    tmp_path: Path, quick_app: Path, count: int, kills: tuple[int, ...]
) -> None:
    pictures = make_pictures(tmp_path / "photos", count)
    port = free_port()

    async def run() -> list[Outcome]:
        outcomes = []
        with ExitStack() as hosts:

            def start() -> Host:
                return hosts.enter_context(embedded_host_at(port, tmp_path / "log", SETTINGS, quick_app))

            host = start()
            service = Service(host.url, KEYS[0], patience=replace(HASTY, attempts=8, longest_wait_s=0.5))
            async with aclosing(cutouts([pictures.folder], tmp_path / "out", service)) as made:
                async for outcome in made:
                    outcomes.append(outcome)
                    if len(outcomes) in kills:
                        os.kill(host.pid, signal.SIGKILL)
                        host = await asyncio.to_thread(start)
        return outcomes

    check_all_done(pictures, tmp_path / "out", asyncio.run(run()))


def test_a_dead_endpoint_ends_the_run(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    pictures = make_pictures(tmp_path / "photos", 30)
    service = Service(
        f"http://127.0.0.1:{free_port()}", patience=replace(HASTY, probe_every_s=0.2, give_up_after_s=0.5)
    )
    outcomes, final = collect([pictures.folder], tmp_path / "out", service)
    assert final
    assert final.id == "C-DOWN"
    assert 0 < len(outcomes) <= 2 * service.concurrency
    assert all(outcome.error for outcome in outcomes)
    assert "keeps failing" in caplog.text


@pytest.mark.parametrize("key", ["", "not-the-key"])
def test_a_wrong_key_ends_the_run(host: Host, tmp_path: Path, key: str) -> None:
    pictures = make_pictures(tmp_path / "photos", 30)
    outcomes, final = collect([pictures.folder], tmp_path / "out", Service(host.url, key, patience=HASTY))
    assert final
    assert final.id == "E-401"
    assert len(outcomes) <= 2 * Service(host.url).concurrency


def test_two_at_a_time_of_the_same_are_one(host: Host, source: Path, tmp_path: Path) -> None:
    async def run() -> list[Outcome]:
        async with Connection(Service(host.url, KEYS[0])) as connection:
            maker = Maker(connection, Look(), force=False)
            picture = Placed(source, tmp_path / "out" / "a.png")
            return await asyncio.gather(*(maker.make(picture) for _ in range(3)))

    results = [outcome.result for outcome in asyncio.run(run())]
    assert sorted(results) == [Result.DONE, Result.SKIPPED, Result.SKIPPED]


def test_a_picture_that_the_service_fetches(host: Host, tmp_path: Path) -> None:
    service = Service(host.url, KEYS[0], patience=HASTY)
    with picture_by_url(PICTURE) as url:
        [outcome], _ = collect([url], tmp_path, service)
        [again], _ = collect([url], tmp_path, service)
    [gone], _ = collect([url.replace("photo", "gone")], tmp_path, service)
    assert (outcome.target, outcome.result) == (tmp_path / "photo.jpg.png", Result.DONE)
    assert again.result is Result.SKIPPED
    assert gone.error
    assert gone.error.id == "E-URL"


def test_a_run_that_is_left_leaves_no_pieces(host: Host, tmp_path: Path) -> None:
    pictures = make_pictures(tmp_path / "photos", 20)

    async def run() -> None:
        async with aclosing(cutouts([pictures.folder], tmp_path / "out", Service(host.url, KEYS[0]))) as made:
            async for _ in made:
                break

    asyncio.run(run())
    for path in (tmp_path / "out").rglob("*"):
        assert path.is_dir() or path.suffix == ".png" or path.name == FILE_NAME


def test_one_picture_in_memory(host: Host) -> None:
    service = Service(host.url + "/", KEYS[1])
    matte = asyncio.run(cutout(PICTURE, service, Look(Mode.FOREGROUND_MATTING)))
    assert (matte.answer.width, matte.answer.height) == (64, 60)
    assert matte.answer.bytes == len(matte.data)
    assert matte.answer.request_id


def test_one_picture_cropped(host: Host) -> None:
    service = Service(host.url, KEYS[1])
    picture = encoded("JPEG", 640, 600)
    whole, part = (asyncio.run(cutout(picture, service, Look(crop=crop))) for crop in (False, True))
    assert whole.answer.box is None
    assert part.answer.box is not None
    left, top, width, height = part.answer.box
    assert (part.answer.width, part.answer.height) == (width, height)
    alphas = [Image.open(io.BytesIO(made.data)).getchannel("A") for made in (whole, part)]
    expected = np.asarray(alphas[0].crop((left, top, left + width, top + height)), np.int16)
    assert np.abs(expected - np.asarray(alphas[1])).max() <= 1


def test_one_picture_transferred_as_webp(host: Host) -> None:
    service = Service(host.url, KEYS[1])
    made, plain = (
        asyncio.run(cutout(PICTURE, service, Look(transfer=transfer))) for transfer in (Format.WEBP, None)
    )
    own = asyncio.run(cutout(PICTURE, service, Look(format=Format.WEBP)))
    assert (own.answer.format, own.answer.width, own.answer.height) == (Format.WEBP, 64, 60)
    assert own.data.startswith(b"RIFF")
    assert len(own.data) == own.answer.bytes
    assert made.answer.format is Format.WEBP
    alphas = [Image.open(io.BytesIO(one.data)).convert("RGBA").getchannel("A") for one in (made, plain, own)]
    assert alphas[0].tobytes() == alphas[1].tobytes() == alphas[2].tobytes()


def test_a_folder_that_cannot_be_written(host: Host, tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.jpg").write_bytes(PICTURE)
    (tmp_path / "file").write_bytes(b"")
    outcomes, _ = collect([tmp_path / "photos"], tmp_path / "file", Service(host.url, KEYS[0]))
    assert [outcome.error.id for outcome in outcomes if outcome.error] == ["C-WRITE"]
