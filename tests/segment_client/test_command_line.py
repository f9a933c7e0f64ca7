"""`python -m segment_client` as a process of its own, against a real host."""

import csv
import io
import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from PIL import Image

from segment_client import __version__
from segment_client.arguments import parse
from segment_client.record import FILE_NAME
from segment_client.report import COLUMNS
from tests.support.hosts import KEYS, PROJECT, Host, environment, free_port
from tests.support.photos import encoded
from tests.support.small_host import make_pictures

PICTURE = encoded("JPEG", 64, 60)


def command(*arguments: str | Path) -> list[str]:
    return [sys.executable, "-m", "segment_client", "cutouts", *map(str, arguments)]


def variables(host: Host | None, key: str = KEYS[0]) -> dict[str, str]:
    named = {"SEGMENT_ENDPOINT": host.url, "SEGMENT_KEY": key} if host else {}
    return environment({"NO_PROXY": "*", "PYTHONPATH": str(PROJECT), **named})


def run(
    host: Host | None, *arguments: str | Path, key: str = KEYS[0], given: bytes = b""
) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(command(*arguments), input=given, env=variables(host, key), capture_output=True)


def rows(report: Path) -> list[dict[str, str]]:
    with report.open(newline="", encoding="utf-8-sig", errors="surrogateescape") as file:
        return list(csv.DictReader(file))


def test_a_folder_with_a_report(small_host: Host, tmp_path: Path) -> None:
    pictures = make_pictures(tmp_path / "photos", 12)
    (tmp_path / "photos" / "note.txt").write_text("x")
    odd = tmp_path / "photos" / os.fsdecode(b"new\nline \xff.jpg")
    odd.write_bytes(PICTURE)
    report = tmp_path / "report.csv"
    arguments = (tmp_path / "photos", "--out", tmp_path / "out", "--report", report)

    done = run(small_host, *arguments)

    assert done.returncode == 1
    assert b"12 cut out, 0 there already, 1 failed" in done.stderr
    assert b"Passed over, as no pictures by their names: 1 .txt" in done.stderr
    assert (done.stdout, b"\x1b" in done.stderr, b"%" in done.stderr) == (b"", False, False)
    written = rows(report)
    assert tuple(written[0]) == COLUMNS
    by_source = {Path(row["source"]): row for row in written}
    assert by_source.keys() == {*pictures.good, *pictures.broken, odd}
    for path, (width, height) in pictures.good.items():
        row = by_source[path]
        target = Path(row["target"])
        assert (row["result"], row["width"], row["height"]) == ("done", str(width), str(height))
        assert (int(row["bytes"]), row["attempts"]) == (target.stat().st_size, "1")
        assert float(row["seconds"]) > 0
        assert 0 <= float(row["uncertainty"]) <= 1
        assert len(row["request_id"]) == 36
    [broken] = pictures.broken
    assert (by_source[broken]["result"], by_source[broken]["error"]) == ("failed", "E-FORMAT")
    assert by_source[broken]["message"] == "Image format is not valid."

    broken.unlink()
    again = run(small_host, *arguments)
    assert again.returncode == 0
    assert {row["result"] for row in rows(report)} == {"skipped"}
    assert b"0 cut out, 12 there already, 0 failed" in again.stderr
    forced = run(small_host, *arguments, "--force")
    assert b"12 cut out, 0 there already, 0 failed" in forced.stderr


def test_standard_input_and_output(small_host: Host) -> None:
    done = run(small_host, "-", given=PICTURE)
    assert (done.returncode, done.stderr) == (0, b"")
    assert Image.open(io.BytesIO(done.stdout)).size == (64, 60)


@pytest.mark.parametrize(
    ("given", "error"), [(b"", b"E-SIZE"), (b"no picture", b"E-FORMAT"), (b"x" * 20_971_521, b"E-SIZE")]
)
def test_nothing_is_put_out_for_nothing(small_host: Host, given: bytes, error: bytes) -> None:
    done = run(small_host, "-", given=given)
    assert (done.returncode, done.stdout) == (1, b"")
    assert error in done.stderr


def test_a_file_to_standard_output_in_another_look(small_host: Host, tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(PICTURE)
    done = run(small_host, tmp_path / "a.jpg", "--out", "-", "--background", "#fff", "--format", "jpeg")
    assert done.returncode == 0
    assert Image.open(io.BytesIO(done.stdout)).format == "JPEG"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["{photos}"], "--out is missing"),
        (["-", "--out", "cut"], "standard input goes alone"),
        (["-", "{photos}/a.jpg"], "standard input goes alone"),
        (["{photos}", "--out", "-"], "standard output takes one picture"),
        (["{photos}/a.jpg", "{photos}/a.jpg", "--out", "-"], "standard output takes one picture"),
        (["{photos}", "--out", "{photos}"], "among the sources"),
        (["{photos}", "--out", "{photos}/a.jpg"], "--out is not a folder"),
        (["{photos}/a.jpg", "--out", "cut", "--watch"], "--watch takes folders"),
        (["{photos}", "--out", "cut", "--background", "no-colour"], "neither a colour nor a file"),
        (["{photos}", "--out", "cut", "--mode", "foregroundMatting", "--background", "red"], "no background"),
        (["{photos}", "--out", "cut", "--format", "gif"], "invalid choice"),
        (["{photos}", "--out", "cut", "--concurrency", "0"], "concurrency"),
        (["{photos}", "--out", "cut", "--attempts", "0"], "must be positive"),
        (["{photos}", "--out", "cut", "--key", "secret"], "unrecognized"),
        (["{photos}", "--out", "cut", "--endpoint", "example.com"], "not an http or https URL"),
        (["{photos}", "--out", "cut", "--endpoint", "https://user@example.com"], "no user name"),
        (
            ["{photos}", "--out", "cut", "--endpoint", "https://a.example/api/"],
            "did you mean https://a.example ?",
        ),
        (["{photos}", "--out", "cut", "--quality", "80"], "--quality goes with"),
        (["{photos}", "--out", "cut", "--format", "webp", "--quality", "101"], "quality is 1 to 100"),
    ],
)
def test_wrong_command_lines(small_host: Host, tmp_path: Path, arguments: list[str], message: str) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    (photos / "a.jpg").write_bytes(PICTURE)
    done = run(small_host, *(argument.replace("{photos}", str(photos)) for argument in arguments))
    assert done.returncode == 2
    assert message in done.stderr.decode()
    assert "Traceback" not in done.stderr.decode()
    assert not list(photos.glob("*.png"))


@pytest.mark.parametrize("key", ["not-the-key", "schl\u00fcssel", "a\nb"])
def test_a_wrong_key_is_told_and_never_shown(small_host: Host, tmp_path: Path, key: str) -> None:
    (tmp_path / "a.jpg").write_bytes(PICTURE)
    done = run(small_host, tmp_path / "a.jpg", "--out", tmp_path / "out", key=key)
    assert done.returncode in (1, 2)
    assert key not in done.stderr.decode()
    assert "Traceback" not in done.stderr.decode()


@pytest.mark.slow
def test_a_dead_endpoint_is_given_up(tmp_path: Path) -> None:
    make_pictures(tmp_path / "photos", 9)
    arguments = (tmp_path / "photos", "--out", tmp_path / "out", "--give-up-after", "0")
    done = run(None, *arguments, "--endpoint", f"http://127.0.0.1:{free_port()}")
    assert done.returncode == 1
    assert b"C-DOWN" in done.stderr
    assert b"fails again and again" in done.stderr


def test_a_wrong_scheme_is_told_at_once_in_one_line(small_host: Host, tmp_path: Path) -> None:
    make_pictures(tmp_path / "photos", 9)
    endpoint = small_host.url.replace("http:", "https:")
    done = run(small_host, tmp_path / "photos", "--out", tmp_path / "out", "--endpoint", endpoint)
    assert done.returncode == 1
    [line] = done.stderr.decode().splitlines()
    assert line.endswith("speaks no TLS: the endpoint perhaps begins with http://.")


def test_an_unknown_model_is_told(small_host: Host, tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(PICTURE)
    arguments = (tmp_path / "a.jpg", "--out", tmp_path / "out", "--model")
    assert run(small_host, *arguments, "u2netp").returncode == 0
    unknown = run(small_host, *arguments, "none-such")
    assert unknown.returncode == 1
    assert b"none-such" in unknown.stderr


def test_pictures_that_are_not_taken_are_named(small_host: Host, tmp_path: Path) -> None:
    make_pictures(tmp_path / "photos", 3)
    (tmp_path / "photos" / "phone.HEIC").write_bytes(b"x")
    (tmp_path / "photos" / "movie.mov").write_bytes(b"x")
    report = tmp_path / "report.csv"
    done = run(small_host, tmp_path / "photos", "--out", tmp_path / "out", "--report", report)
    assert done.returncode == 1
    assert b"phone.HEIC: C-FORMAT The service does not take .heic files." in done.stderr
    assert b"3 cut out, 0 there already, 1 failed" in done.stderr
    assert [row["error"] for row in rows(report) if row["result"] == "failed"] == ["C-FORMAT"]


@pytest.mark.slow
def test_version() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "segment_client", "--version"], capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (0, f"segment-client {__version__}\n")


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
@pytest.mark.parametrize("is_watch", [False, True], ids=["run", "watch"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_run_that_a_script_starts_in_the_background_can_be_stopped(
    small_host: Host, tmp_path: Path, number: signal.Signals, is_watch: bool
) -> None:
    """Its shell makes it ignore SIGINT."""
    make_pictures(tmp_path / "photos", 40)
    out, ended = tmp_path / "out", tmp_path / "ended"
    arguments = command(tmp_path / "photos", "--out", out, *(["--watch"] if is_watch else []))
    script = f'"$@" & echo $!; wait $!; echo $? > {ended}'
    shell = subprocess.Popen(
        ["sh", "-c", script, "sh", *arguments], env=variables(small_host), stdout=subprocess.PIPE
    )
    with shell:
        assert shell.stdout
        pid = int(shell.stdout.readline())
        while not list(out.rglob("*.png")):
            time.sleep(0.02)
        os.kill(pid, number)
        try:
            shell.wait(60)
        except subprocess.TimeoutExpired:
            os.kill(pid, signal.SIGKILL)
            raise
    code = int(ended.read_text())
    assert code in ((0, 1) if is_watch else (130,))


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_run_that_is_stopped_leaves_no_pieces(
    small_host: Host, tmp_path: Path, number: signal.Signals
) -> None:
    make_pictures(tmp_path / "photos", 60)
    out = tmp_path / "out"
    process = subprocess.Popen(
        command(tmp_path / "photos", "--out", out), env=variables(small_host), stderr=subprocess.PIPE
    )
    with process:
        while not list(out.rglob("*.png")):
            time.sleep(0.02)
        process.send_signal(number)
        _, errors = process.communicate()
    assert process.returncode == 130
    assert b"cut out" in errors
    assert b"Traceback" not in errors
    assert {path.suffix for path in out.rglob("*") if path.is_file()} == {".png", Path(FILE_NAME).suffix}


def on_a_terminal(*arguments: str | Path, answer: bytes) -> tuple[int, bytes]:
    """The exit code and what is shown, when `answer` is typed as soon as a key is asked for."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        command(*arguments),
        env=variables(None) | {"TERM": "xterm", "COLUMNS": "120"},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        preexec_fn=lambda: os.login_tty(theirs),
    )
    os.close(theirs)
    shown = b""
    try:
        while piece := os.read(ours, 65_536):
            shown += piece
            if b"Key" in piece:
                os.write(ours, answer)
    except OSError:  # the other end is closed
        pass
    finally:
        os.close(ours)
    return process.wait(), shown


@pytest.mark.skipif(sys.platform == "win32", reason="pseudo-terminals")
def test_on_a_terminal_the_key_is_asked_for_and_a_bar_is_shown(small_host: Host, tmp_path: Path) -> None:
    make_pictures(tmp_path / "photos", 4)
    arguments = (tmp_path / "photos", "--out", tmp_path / "out", "--endpoint", small_host.url)
    code, shown = on_a_terminal(*arguments, answer=KEYS[0].encode() + b"\n")
    assert code == 0
    assert shown.count(b"Key") == 1
    assert b"E-401" not in shown
    assert KEYS[0].encode() not in shown
    assert b"4/4" in shown
    assert b"4 cut out" in shown


@pytest.mark.skipif(sys.platform == "win32", reason="pseudo-terminals")
@pytest.mark.parametrize(
    ("answer", "code", "told"),
    [
        (b"wrong\n", 1, b"E-401"),
        (b"\n", 1, b"E-401"),
        (b"\x04", 130, b"stopped"),
        (b"\x03", 130, b"stopped"),
    ],
    ids=["wrong", "empty", "Ctrl-D", "Ctrl-C"],
)
def test_keys_that_are_none(small_host: Host, tmp_path: Path, answer: bytes, code: int, told: bytes) -> None:
    make_pictures(tmp_path / "photos", 4)
    arguments = (tmp_path / "photos", "--out", tmp_path / "out", "--endpoint", small_host.url)
    ended, shown = on_a_terminal(*arguments, answer=answer)
    assert ended == code
    assert told in shown
    assert shown.count(b"Key") == 1


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="pseudo-terminals")
def test_no_key_is_asked_for_where_none_is_wanted(open_host: Host, tmp_path: Path) -> None:
    make_pictures(tmp_path / "photos", 4)
    arguments = (tmp_path / "photos", "--out", tmp_path / "out", "--endpoint", open_host.url)
    code, shown = on_a_terminal(*arguments, answer=b"")
    assert (code, b"Key" in shown) == (0, False)


def test_the_key_is_on_no_command_line(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse(["cutouts", "--help"], {})
    shown = capsys.readouterr().out
    assert "SEGMENT_KEY" in shown
    assert "--key" not in shown
