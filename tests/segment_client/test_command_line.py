"""`python -m segment_client` as a process of its own, against a real host."""

import csv
import io
import os
import pty
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from segment_client import __version__
from segment_client.arguments import parse
from segment_client.record import FILE_NAME
from segment_client.report import COLUMNS
from tests.support.hosts import KEYS, PROJECT, Host, environment, free_port
from tests.support.patience import PATIENCE_S, wait_for
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


def test_a_folder_with_a_report(host: Host, tmp_path: Path) -> None:
    pictures = make_pictures(tmp_path / "photos", 12)
    (tmp_path / "photos" / "note.txt").write_text("x")
    odd = tmp_path / "photos" / os.fsdecode(b"new\nline \xff.jpg")
    odd.write_bytes(PICTURE)
    report = tmp_path / "report.csv"
    arguments = (tmp_path / "photos", "--out", tmp_path / "out", "--report", report)

    done = run(host, *arguments)

    assert done.returncode == 1
    assert b"12 cut out, 0 already there, 1 failed" in done.stderr
    assert b"Skipped, because their names are not those of pictures: 1 .txt" in done.stderr
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
    again = run(host, *arguments)
    assert again.returncode == 0
    assert {row["result"] for row in rows(report)} == {"skipped"}
    assert b"0 cut out, 12 already there, 0 failed" in again.stderr
    forced = run(host, *arguments, "--force")
    assert b"12 cut out, 0 already there, 0 failed" in forced.stderr


def test_standard_input_and_output(host: Host) -> None:
    done = run(host, "-", given=PICTURE)
    assert (done.returncode, done.stderr) == (0, b"")
    assert Image.open(io.BytesIO(done.stdout)).size == (64, 60)


@pytest.mark.parametrize(
    ("given", "error"), [(b"", b"E-SIZE"), (b"no picture", b"E-FORMAT"), (b"x" * 20_971_521, b"E-SIZE")]
)
def test_nothing_is_put_out_for_nothing(host: Host, given: bytes, error: bytes) -> None:
    done = run(host, "-", given=given)
    assert (done.returncode, done.stdout) == (1, b"")
    assert error in done.stderr


def test_a_file_to_standard_output_in_another_look(host: Host, tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(PICTURE)
    done = run(host, tmp_path / "a.jpg", "--out", "-", "--background", "#fff", "--format", "jpeg")
    assert done.returncode == 0
    assert Image.open(io.BytesIO(done.stdout)).format == "JPEG"


def test_a_canvas_with_a_note(host: Host, tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(PICTURE)
    options = ("--canvas", "500x400", "--margin", "8%", "--background", "#fff")
    done = run(host, tmp_path / "a.jpg", "--out", "-", *options)
    assert done.returncode == 0
    assert Image.open(io.BytesIO(done.stdout)).size == (500, 400)
    assert b"less than the canvas has room for" in done.stderr
    report = tmp_path / "report.csv"
    done = run(host, tmp_path / "a.jpg", "--out", tmp_path / "cut", "--report", report, *options)
    assert b"a.jpg: the subject has" in done.stderr
    with report.open(newline="", encoding="utf-8-sig") as file:
        [row] = csv.DictReader(file)
    assert "less than the canvas has room for" in row["note"]
    assert len(row["box"].split(",")) == 4


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["{photos}"], "--out is missing"),
        (["-", "--out", "cut"], "standard input must be the only source"),
        (["-", "{photos}/a.jpg"], "standard input must be the only source"),
        (["{photos}", "--out", "-"], "only one picture can go to standard output"),
        (["{photos}/a.jpg", "{photos}/a.jpg", "--out", "-"], "only one picture can go to standard output"),
        (["{photos}", "--out", "{photos}"], "among the sources"),
        (["{photos}", "--out", "{photos}/a.jpg"], "--out is not a folder"),
        (["{photos}/a.jpg", "--out", "cut", "--watch"], "--watch works only on folders"),
        (["{photos}", "--out", "cut", "--background", "no-colour"], "neither a colour nor a file"),
        (["{photos}", "--out", "cut", "--mode", "foregroundMatting", "--background", "red"], "no background"),
        (["{photos}", "--out", "cut", "--format", "gif"], "invalid choice"),
        (["{photos}", "--out", "cut", "--concurrency", "0"], "concurrency"),
        (["{photos}", "--out", "cut", "--attempts", "0"], "must be positive"),
        (["{photos}", "--out", "cut", "--key", "secret"], "unrecognized"),
        (["{photos}", "--out", "cut", "--endpoint", "example.com"], "not an http or https URL"),
        (["{photos}", "--out", "cut", "--endpoint", "https://user@example.com"], "without user name"),
        (
            ["{photos}", "--out", "cut", "--endpoint", "https://a.example/api/"],
            "or query: https://a.example",
        ),
        (["{photos}", "--out", "cut", "--quality", "80"], "--quality needs"),
        (["{photos}", "--out", "cut", "--format", "webp", "--quality", "101"], "quality is 1 to 100"),
        (["{photos}", "--out", "cut", "--margin", "8%"], "--margin needs"),
        (["{photos}", "--out", "cut", "--canvas", "2000"], "such as 2000x2000"),
        (["{photos}", "--out", "cut", "--canvas", "20000x1"], "1 to 16000 pixels"),
        (["{photos}", "--out", "cut", "--canvas", "9x9", "--margin", "8"], "such as 8%"),
        (["{photos}", "--out", "cut", "--canvas", "9x9", "--margin", "50%"], "0% to 45%"),
    ],
)
def test_wrong_command_lines(host: Host, tmp_path: Path, arguments: list[str], message: str) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    (photos / "a.jpg").write_bytes(PICTURE)
    done = run(host, *(argument.replace("{photos}", str(photos)) for argument in arguments))
    assert done.returncode == 2
    assert message in done.stderr.decode()
    assert "Traceback" not in done.stderr.decode()
    assert not list(photos.glob("*.png"))


@pytest.mark.parametrize("key", ["not-the-key", "schl\u00fcssel", "a\nb"])
def test_a_wrong_key_is_told_and_never_shown(host: Host, tmp_path: Path, key: str) -> None:
    (tmp_path / "a.jpg").write_bytes(PICTURE)
    done = run(host, tmp_path / "a.jpg", "--out", tmp_path / "out", key=key)
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
    assert b"keeps failing" in done.stderr


def test_a_wrong_scheme_is_told_at_once_in_one_line(host: Host, tmp_path: Path) -> None:
    make_pictures(tmp_path / "photos", 9)
    endpoint = host.url.replace("http:", "https:")
    done = run(host, tmp_path / "photos", "--out", tmp_path / "out", "--endpoint", endpoint)
    assert done.returncode == 1
    [line] = done.stderr.decode().splitlines()
    assert line.endswith("does not speak TLS: should the endpoint begin with http:// ?")


def test_an_unknown_model_is_told(host: Host, tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(PICTURE)
    arguments = (tmp_path / "a.jpg", "--out", tmp_path / "out", "--model")
    assert run(host, *arguments, "u2netp").returncode == 0
    unknown = run(host, *arguments, "none-such")
    assert unknown.returncode == 1
    assert b"none-such" in unknown.stderr


def test_pictures_that_are_not_taken_are_named(host: Host, tmp_path: Path) -> None:
    make_pictures(tmp_path / "photos", 3)
    (tmp_path / "photos" / "phone.HEIC").write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic")
    (tmp_path / "photos" / "layers.PSD").write_bytes(b"x")
    (tmp_path / "photos" / "movie.mov").write_bytes(b"x")
    report = tmp_path / "report.csv"
    done = run(host, tmp_path / "photos", "--out", tmp_path / "out", "--report", report)
    assert done.returncode == 1
    assert b"layers.PSD: C-FORMAT The service does not accept .psd files." in done.stderr
    assert b"phone.HEIC: E-FORMAT" in done.stderr
    assert b"does not read .heic: its SEGMENT_MORE_FORMATS decides" in done.stderr
    assert b"3 cut out, 0 already there, 2 failed" in done.stderr
    failed = sorted(row["error"] for row in rows(report) if row["result"] == "failed")
    assert failed == ["C-FORMAT", "E-FORMAT"]


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
    host: Host, tmp_path: Path, number: signal.Signals, is_watch: bool
) -> None:
    """Its shell makes it ignore SIGINT."""
    make_pictures(tmp_path / "photos", 40)
    out, ended = tmp_path / "out", tmp_path / "ended"
    arguments = command(tmp_path / "photos", "--out", out, *(["--watch"] if is_watch else []))
    script = f'"$@" & echo $!; wait $!; echo $? > {ended}'
    shell = subprocess.Popen(
        ["sh", "-c", script, "sh", *arguments], env=variables(host), stdout=subprocess.PIPE
    )
    with shell:
        assert shell.stdout
        pid = int(shell.stdout.readline())
        wait_for(lambda: list(out.rglob("*.png")))
        os.kill(pid, number)
        try:
            shell.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            os.kill(pid, signal.SIGKILL)
            raise
    code = int(ended.read_text())
    assert code in ((0, 1) if is_watch else (130,))


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_run_that_is_stopped_leaves_no_pieces(host: Host, tmp_path: Path, number: signal.Signals) -> None:
    make_pictures(tmp_path / "photos", 60)
    out = tmp_path / "out"
    process = subprocess.Popen(
        command(tmp_path / "photos", "--out", out), env=variables(host), stderr=subprocess.PIPE
    )
    with process:
        wait_for(lambda: list(out.rglob("*.png")))
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
def test_on_a_terminal_the_key_is_asked_for_and_a_bar_is_shown(host: Host, tmp_path: Path) -> None:
    make_pictures(tmp_path / "photos", 4)
    arguments = (tmp_path / "photos", "--out", tmp_path / "out", "--endpoint", host.url)
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
def test_keys_that_are_none(host: Host, tmp_path: Path, answer: bytes, code: int, told: bytes) -> None:
    make_pictures(tmp_path / "photos", 4)
    arguments = (tmp_path / "photos", "--out", tmp_path / "out", "--endpoint", host.url)
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
