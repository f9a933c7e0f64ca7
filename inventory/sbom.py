"""The software bill of materials of a release: CycloneDX 1.6, as JSON."""

from collections.abc import Sequence

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import HashAlgorithm, HashType
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component as Entry
from cyclonedx.model.component import ComponentScope, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL

from inventory.components import SERVICE, Component, Kind
from shared_code.version import VERSION

_TYPES = {
    Kind.PACKAGE: ComponentType.LIBRARY,
    Kind.SCRIPT: ComponentType.LIBRARY,
    Kind.NETWORK: ComponentType.MACHINE_LEARNING_MODEL,
    Kind.PICTURE: ComponentType.DATA,
}
_PURL_TYPES = {Kind.PACKAGE: "pypi", Kind.SCRIPT: "npm"}


def sbom(components: Sequence[Component]) -> str:
    """The document: every part, its licence, and which package needs which."""
    service = Entry(
        name=SERVICE,
        version=VERSION,
        type=ComponentType.APPLICATION,
        bom_ref=SERVICE,
        licenses=[LicenseFactory().make_from_string("MIT")],
    )
    bom = Bom(components=[_entry(one) for one in components])
    bom.metadata.component = service
    entries = {entry.name: entry for entry in [service, *bom.components]}
    for one in components:
        for parent in one.needed_by:
            bom.register_dependency(entries[parent], [entries[one.name]])
    return JsonV1Dot6(bom).output_as_string(indent=2)


def _entry(one: Component) -> Entry:
    kind = _PURL_TYPES.get(one.kind)
    expression = one.licence.partition(" (")[0]  # a network's names its project as well
    return Entry(
        name=one.name,
        version=one.version or None,
        type=_TYPES[one.kind],
        scope=ComponentScope.OPTIONAL if one.optional else ComponentScope.REQUIRED,
        bom_ref=f"{one.name}@{one.version}" if one.version else one.name,
        licenses=[LicenseFactory().make_from_string(expression)],
        purl=None if kind is None else PackageURL(kind, name=one.name, version=one.version),
        hashes=[] if one.sha256 is None else [HashType(alg=HashAlgorithm.SHA_256, content=one.sha256)],
    )
