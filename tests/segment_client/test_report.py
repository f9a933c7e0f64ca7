import csv
from pathlib import Path

from segment_client.answer import Answer, number
from segment_client.errors import Broken
from segment_client.maker import Outcome, Result
from segment_client.report import Report


def test_rows_are_in_the_file_at_once(tmp_path: Path) -> None:
    error = Broken("The answer broke off.")
    error.attempts = 6
    with Report(tmp_path / "report.csv") as report:
        answer = Answer(64, 60, 900, 0.25, "an-id", attempts=2)
        report.add(Outcome(Path('a,"b".jpg'), Result.DONE, 1.5, Path("out"), 800, answer))
        report.add(Outcome("https://example.com/x", Result.FAILED, 2.0, error=error))
        report.add(Outcome(Path("c.jpg"), Result.SKIPPED, target=Path("out")))
        boxed = Answer(20, 30, 8, None, "", box=(1, 2, 20, 30))
        report.add(Outcome(Path("d.jpg"), Result.DONE, 0, Path("out"), 9, boxed, note="small"))
        with (tmp_path / "report.csv").open(newline="", encoding="utf-8-sig") as file:
            rows = list(csv.reader(file))
    assert rows[1:] == [
        ['a,"b".jpg', "done", "out", "64", "60", "800", "1.500", "2", "0.25", "", "", "an-id", "", ""],
        ["https://example.com/x", "failed", *[""] * 4, "2.000", "6", "", "C-STREAM", str(error), "", "", ""],
        ["c.jpg", "skipped", "out", "", "", "", "0.000", *[""] * 7],
        ["d.jpg", "done", "out", "20", "30", "9", "0.000", "1", "", "", "", "", "1,2,20,30", "small"],
    ]


def test_numbers_of_headers() -> None:
    values = (None, "", "0.25", "1", "nan", "inf", "x")
    assert [number(value) for value in values] == [None, None, 0.25, 1.0, None, None, None]


def test_it_opens_in_excel(tmp_path: Path) -> None:
    names = ["=1+1.jpg", "+a.jpg", "-a.jpg", "@a.jpg", "\t=a.jpg", "\u00fc\n;.jpg", "a=b.jpg"]
    with Report(tmp_path / "report.csv") as report:
        for name in names:
            report.add(Outcome(Path(name), Result.SKIPPED, target=Path(name)))
    data = (tmp_path / "report.csv").read_bytes()
    assert data.startswith(b"\xef\xbb\xbfsource,result,")
    assert data.count(b"\r\n") == 1 + len(names)
    with (tmp_path / "report.csv").open(newline="", encoding="utf-8-sig") as file:
        rows = list(csv.DictReader(file))
    assert [row["source"] for row in rows] == [*(f"'{name}" for name in names[:5]), *names[5:]]
    assert [row["target"] for row in rows] == [row["source"] for row in rows]
