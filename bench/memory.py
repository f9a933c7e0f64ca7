"""Peak memory of the service and of the process that decodes, picture by picture."""

from pathlib import Path
from tempfile import TemporaryDirectory

from bench.photos import MEGAPIXELS, jpeg
from bench.report import Table
from tests.support.giants import GIANTS
from tests.support.memory import MODES, peak


def run() -> list[Table]:
    """Ordinary photos and the worst that are allowed, in both modes."""
    pictures = {f"{name} megapixel JPEG": lambda size=size: jpeg(*size) for name, size in MEGAPIXELS.items()}
    rows = []
    with TemporaryDirectory() as folder:
        for name, make in (pictures | GIANTS).items():
            path = Path(folder) / "picture"
            path.write_bytes(make())
            peaks = [peak(path, mode) for mode in MODES]
            cells = [f"{peak.service_mb} + {peak.room_mb} ({peak.outcome})" for peak in peaks]
            rows.append([name, f"{path.stat().st_size / 2**20:.1f}", *cells])
    note = (
        "Peak resident MB of the service, interpreter and network included, and of the process that decodes "
        "the picture, 30 of which it shares with others, at the default budget. "
        "Pictures without a size are 16 000 x 16 000; E-MEMORY is the documented refusal."
    )
    return [Table("Memory", note, ("picture", "file MB", *MODES), rows)]
