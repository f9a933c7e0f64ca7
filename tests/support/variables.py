"""The app settings that the service reads."""

from shared_code.settings import load_settings


def documented_variables() -> dict[str, str]:
    """Name and default of every variable `load_settings` reads."""
    seen = _Seen()
    load_settings(seen)
    return seen.defaults


class _Seen(dict[str, str]):
    def __init__(self) -> None:
        super().__init__()
        self.defaults: dict[str, str] = {}

    def get(self, name: str, default: str = "") -> str:  # type: ignore[override]
        self.defaults[name] = default
        return default
