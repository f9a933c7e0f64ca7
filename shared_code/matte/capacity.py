"""What a process does with the networks that are built, by what the builder measured of them.

On an instance of a known size, what a network takes beyond the catalogue's default one, for which
NOT_FOR_PICTURES_MB was measured, is taken from what pictures may use. Where too little is left it is refused.
"""

import logging
from dataclasses import dataclass, replace

from shared_code.matte.built import Catalogue, ModelError
from shared_code.settings import NOT_FOR_PICTURES_MB, Settings

log = logging.getLogger(__name__)

LEAST_FOR_PICTURES_MB = 256
"""Enough for a photo of 24 megapixels."""
SLOT_WAIT_S = 10
"""At least; for a slow network it is two runs."""

CORE_MB = 2048
"""Flex Consumption gives an instance a core for so much memory."""
SIZES_MB = (2048, 4096)


@dataclass(frozen=True)
class Capacity:
    """The settings that fit the networks, the networks that are offered, and how many runs at once."""

    settings: Settings
    catalogue: Catalogue
    runs: int


def capacity(settings: Settings, catalogue: Catalogue, cores: int) -> Capacity:
    """Plan the process. Without an `instance_mb` its memory is the operator's own business.

    Raises ModelError when the network is not built, does not fit, or is slower than the deadline.
    """
    name = settings.model or catalogue.default
    if name not in catalogue.networks:
        raise ModelError(f"SEGMENT_MODEL: no network {name!r} is built, only {', '.join(catalogue.networks)}")
    seconds = _seconds(catalogue, name)
    if seconds >= settings.deadline_s:
        raise ModelError(
            f"SEGMENT_MODEL: {name} takes {seconds:.0f} s for a picture on one core, "
            f"and SEGMENT_DEADLINE_S ends every call after {settings.deadline_s}"
        )
    if settings.slot_wait_s is None:
        wait_s = min(max(SLOT_WAIT_S, 2 * seconds), settings.deadline_s / 2)
        settings = replace(settings, slot_wait_s=wait_s)
    if settings.instance_mb == 0:
        return Capacity(settings, catalogue, cores)
    return _on_an_instance(settings, catalogue, name, cores)


def _on_an_instance(settings: Settings, catalogue: Catalogue, name: str, cores: int) -> Capacity:
    runs = _runs(catalogue, name, settings.instance_mb, cores)
    if runs == 0:
        raise _too_small(catalogue, name, settings.instance_mb)
    budget_mb = left_mb = _left_mb(catalogue, name, runs, settings.instance_mb)
    offered = {}
    for other, built in catalogue.networks.items():
        beside_mb = _memory_mb(catalogue, {name, other}, runs) - _memory_mb(catalogue, {name}, runs)
        rest_mb = left_mb - (settings.models_in_memory - 1) * beside_mb
        if rest_mb < LEAST_FOR_PICTURES_MB:
            log.warning("network %s is not offered: too large beside %s on this instance", other, name)
            continue
        offered[other] = built
        budget_mb = min(budget_mb, rest_mb)
    default = catalogue.default if catalogue.default in offered else name
    return Capacity(
        replace(settings, memory_budget_mb=min(budget_mb, settings.memory_budget_mb)),
        replace(catalogue, networks=offered, default=default),
        runs,
    )


def _runs(catalogue: Catalogue, name: str, instance_mb: int, cores: int) -> int:
    """How many runs at once the instance has room for, 0 to `cores`."""
    fitting = (
        runs
        for runs in range(cores, 0, -1)
        if _left_mb(catalogue, name, runs, instance_mb) >= LEAST_FOR_PICTURES_MB
    )
    return next(fitting, 0)


def _left_mb(catalogue: Catalogue, name: str, runs: int, instance_mb: int) -> int:
    """What is left for pictures."""
    usual_mb = _memory_mb(catalogue, {catalogue.default}, runs)
    extra_mb = max(0, _memory_mb(catalogue, {name}, runs) - usual_mb)
    return instance_mb - NOT_FOR_PICTURES_MB - extra_mb


def _memory_mb(catalogue: Catalogue, names: set[str], runs: int) -> int:
    """Of these networks and their umpires, as far as it was measured."""
    needed = names | {umpire for name in names if (umpire := catalogue.networks[name].umpire)}
    costs = [cost for name in needed if (cost := catalogue.networks[name].cost)]
    return sum(cost.one_run_mb + (runs - 1) * (cost.two_runs_mb - cost.one_run_mb) for cost in costs)


def _seconds(catalogue: Catalogue, name: str) -> float:
    """Of one run on one core, as far as it was measured."""
    cost = catalogue.networks[name].cost
    return 0 if cost is None else cost.seconds


def needed_mb(catalogue: Catalogue, name: str) -> int:
    """Memory of the smallest instance, in MiB, on which the network has one run at a time."""
    return LEAST_FOR_PICTURES_MB - _left_mb(catalogue, name, 1, 0)


def smallest_instance_mb(catalogue: Catalogue, name: str) -> int | None:
    """The size of Flex Consumption that has as much, if there is one."""
    return next((size for size in SIZES_MB if size >= needed_mb(catalogue, name)), None)


def _too_small(catalogue: Catalogue, name: str, instance_mb: int) -> ModelError:
    takes = f"SEGMENT_MODEL: {name} takes {_memory_mb(catalogue, {name}, 1)} MB"
    size = smallest_instance_mb(catalogue, name)
    if size is None:
        needed = needed_mb(catalogue, name)
        return ModelError(
            f"{takes} and needs {needed} MB in all, more than an instance of Flex Consumption has; "
            "a container can have them"
        )
    return ModelError(
        f"{takes}, more than an instance of {instance_mb} MB has room for; "
        f"it needs one of {size} MB (azd env set INSTANCE_MEMORY_MB {size})"
    )
