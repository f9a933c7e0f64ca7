"""`python -m model_build [NAME ...]`: build the networks of the manifest, or some, that are not built yet.

Those that are `on_request` are built when they are named, here or in SEGMENT_MODEL.
"""

import sys
from collections.abc import Callable
from pathlib import Path

from model_build.build import already_built, build, write_at_once
from model_build.errors import BuildError, ManifestError
from model_build.manifest import Manifest, load_manifest
from shared_code.matte.built import BUILT_DIR, CATALOGUE, Catalogue
from shared_code.settings import SettingsError, load_settings


def main(
    names: list[str],
    described: Callable[[], Manifest] = load_manifest,
    folder: Path = BUILT_DIR,
    chosen: Callable[[], str] = lambda: load_settings().model,
) -> int:
    """Build the named networks, or those that need no request, and the one `chosen` for the service.

    Lists for the service all that are built; 0 when each is there.
    """
    try:
        manifest = described()
        asked = [*(names or manifest.always), *filter(None, [chosen()])]
        unknown = [name for name in asked if name not in manifest.networks]
        if unknown:
            known = ", ".join(manifest.networks)
            raise ManifestError(f"the manifest has no network {unknown[0]!r}; it has {known}")
        wanted = {*asked}
        wanted |= {umpire for name in wanted if (umpire := manifest.networks[name].umpire)}
        found = {}
        for name, network in manifest.networks.items():
            built = already_built(network, folder)
            if built is None and name in wanted:
                built = build(network, folder)
            if built is not None:
                found[name] = built
    except (SettingsError, ManifestError, BuildError) as error:
        print(f"model not built: {error}", file=sys.stderr)
        return 1
    write_at_once(folder / CATALOGUE, Catalogue(folder, manifest.default, found).json().encode())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
