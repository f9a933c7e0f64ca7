"""The app with a zygote whose rooms do what a file tells them."""

from pathlib import Path

from tests.functions_host.layout import LEFT_OUT
from tests.support.hosts import PROJECT


def make_faulty_app(folder: Path, app: Path = PROJECT) -> Path:
    """A folder that a host can be started on: links to the app, and wiring that names another program."""
    folder.mkdir()
    for entry in app.iterdir():
        if entry.name not in {*LEFT_OUT, "function_app.py"}:
            (folder / entry.name).symlink_to(entry)
    wiring = (app / "function_app.py").read_text(encoding="utf-8")
    faulty = wiring.replace("Zygote()", 'Zygote("tests.support.faulty_zygote")')
    if faulty == wiring:
        raise RuntimeError("function_app.py starts no zygote")
    (folder / "function_app.py").write_text(faulty, encoding="utf-8")
    return folder
