"""A zygote on a system that does not let it change the limits of its rooms."""

import resource

from shared_code.room import zygote


def main(control_fd: int) -> None:
    resource.prlimit = _denied  # type: ignore[assignment]
    zygote.main(control_fd)


def _denied(*_: object) -> None:
    raise PermissionError
