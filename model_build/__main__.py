"""`python -m model_build [NAME ...]`: build networks of the manifest that are not built yet.

Without names, all but those on request; in any case the one in SEGMENT_MODEL.
"""

import logging
import sys
from collections.abc import Callable
from pathlib import Path

from model_build.build import already_built, build, write_at_once
from model_build.errors import BuildError
from model_build.manifest import Manifest, load_manifest
from shared_code.matte.built import BUILT_DIR, CATALOGUE, Catalogue, ModelError
from shared_code.matte.capacity import CORE_MB, capacity
from shared_code.process import cores
from shared_code.settings import Settings, SettingsError, load_settings


def main(
    names: list[str],
    described: Callable[[], Manifest] = load_manifest,
    folder: Path = BUILT_DIR,
    configured: Callable[[], Settings] = load_settings,
) -> int:
    """Build the named networks, or those not on request, and the one that the settings choose.

    Lists all built networks for the service. Returns 0, or 1 when a build fails or the chosen network needs a
    larger instance.
    """
    try:
        settings, manifest = configured(), described()
        asked = [*(names or manifest.always), *filter(None, [settings.model])]
        unknown = [name for name in asked if name not in manifest.networks]
        if unknown:
            known = ", ".join(manifest.networks)
            raise BuildError(f"the manifest has no network {unknown[0]!r}; it has {known}")
        wanted = {*asked}
        wanted |= {umpire for name in wanted if (umpire := manifest.networks[name].umpire)}
        found = {}
        for name, network in manifest.networks.items():
            built = already_built(network, folder)
            if built is None and name in wanted:
                built = build(network, folder)
            if built is not None:
                found[name] = built
    except (SettingsError, BuildError) as error:
        print(f"model not built: {error}", file=sys.stderr)
        return 1
    catalogue = Catalogue(folder, manifest.default, found)
    write_at_once(folder / CATALOGUE, catalogue.json().encode())
    try:
        capacity(settings, catalogue, settings.instance_mb // CORE_MB or cores())
    except ModelError as error:
        print(f"model not usable: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    logging.disable(logging.WARNING)  # the quantizer warns that it raises the operator set
    sys.exit(main(sys.argv[1:]))
