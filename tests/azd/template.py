"""A template and its parameters, evaluated as azd sends them by the official Bicep CLI."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from tests.azd.expressions import PURE, UnknownExpression, evaluate
from tests.azd.identity import TENANT
from tests.azd.runtime import STORAGE_SUFFIX, principal_id, properties
from tests.infra.cli import Bicep
from tests.infra.evaluator import Scope

DEPLOYMENTS = "Microsoft.Resources/deployments"


@dataclass(frozen=True)
class Deployment:
    """What a deployment makes, everything evaluated, and what it gives back."""

    resources: tuple[dict[str, Any], ...]
    outputs: dict[str, Any]

    def of_type(self, kind: str) -> list[dict[str, Any]]:
        return [resource for resource in self.resources if resource["type"] == kind]


@dataclass(frozen=True)
class Place:
    """Where and by whom."""

    subscription: str
    location: str
    deployer: str
    month: str
    """First day of the current one."""


def evaluate_deployment(
    bicep: Bicep, folder: Path, template: Mapping[str, Any], parameters: Mapping[str, Any], place: Place
) -> Deployment:
    """Raises TemplateRefused when a value is not allowed, UnknownExpression for what is not played."""
    known = {
        "deployer().objectId": f"'{place.deployer}'",
        "utcNow('yyyy-MM-01')": f"'{place.month}'",
        "environment().suffixes.storage": f"'{STORAGE_SUFFIX}'",
    }
    text = json.dumps(template)
    for expression, value in known.items():
        text = text.replace(expression, value)
    (folder / "main.json").write_text(text)
    file = folder / "main.bicepparam"
    lines = [
        f"param {name} = any(json({_quoted(json.dumps(entry['value']))}))"
        for name, entry in parameters.items()
    ]
    file.write_text("\n".join(["using 'main.json'", *lines]))
    predicted = bicep.evaluated(file, Scope(place.subscription, TENANT, place.location))
    return _Filled(predicted, json.loads(text)).deployment()


def _quoted(text: str) -> str:
    """A text as Bicep writes it."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'").replace("${", "\\${") + "'"


class _Filled:
    """Fills in what the CLI leaves: references to resources, and to outputs of nested deployments."""

    def __init__(self, predicted: Mapping[str, Any], template: Mapping[str, Any]) -> None:
        self._predicted = predicted
        self._template = template
        self._nested = {
            name: resource["properties"]["template"]
            for name, resource in dict(template["resources"]).items()
            if resource["type"] == DEPLOYMENTS
        }
        self._functions: dict[str, Callable[..., Any]] = {
            **PURE,
            "reference": self._reference,
            "deployment": lambda: {"name": "main"},
            "parameters": lambda name: name,
        }

    def deployment(self) -> Deployment:
        resources = [self._whole(resource) for resource in self._predicted["predictedResources"]]
        return Deployment(tuple(resources), evaluate(self._predicted["outputs"], self._functions))

    def _whole(self, resource: dict[str, Any]) -> dict[str, Any]:
        """What nobody asks for may stay as it is, such as the names of private zones."""
        whole = {}
        for key, value in resource.items():
            try:
                whole[key] = evaluate(value, self._functions)
            except UnknownExpression:
                if key == "properties" and resource["type"] in _ASKED_FOR:
                    raise
                whole[key] = value
        return whole

    def _reference(self, id_: str, _version: str = "", full: str = "") -> dict[str, Any]:
        if f"/{DEPLOYMENTS}/" in id_:
            module = id_.rpartition("/")[2].rpartition("-")[0]
            return {"outputs": _Outputs(self._nested[module]["outputs"], self._output(module))}
        resource = self._by(lambda item: item["id"] == id_, id_)
        if full:
            return {
                **resource,
                "identity": {"principalId": principal_id(id_)},
                "properties": properties(resource),
            }
        return properties(resource)

    def _output(self, module: str) -> Callable[[Any], Any]:
        """A nested template's output: of a resource by its type; the parameter `name` tells which."""
        nested = self._nested[module]
        kinds = nested["resources"]
        kinds = kinds if isinstance(kinds, dict) else {}

        def of_symbol(id_or_symbol: str, _version: str = "") -> dict[str, Any]:
            kind = kinds[id_or_symbol]["type"] if id_or_symbol in kinds else None
            return properties(
                self._of_type(kind, module) if kind else self._by(lambda item: item["id"] == id_or_symbol, "")
            )

        def id_of_type(kind: str, *names: str) -> str:
            parent = "/".join(kind.split("/")[:2])
            rest = zip(kind.split("/")[2:], names[1:], strict=True)
            return str(self._of_type(parent, module)["id"]) + "".join(
                f"/{part}/{name}" for part, name in rest
            )

        functions: dict[str, Callable[..., Any]] = {
            **PURE,
            "reference": of_symbol,
            "resourceId": id_of_type,
            "parameters": lambda name: name,
        }
        return lambda value: evaluate(value, functions)

    def _of_type(self, kind: str, module: str) -> dict[str, Any]:
        of_kind = [item for item in self._predicted["predictedResources"] if item["type"] == kind]
        if len(of_kind) == 1:
            return dict(of_kind[0])
        pattern = self._name_pattern(module)
        return self._by(lambda item: item["type"] == kind and fnmatchcase(item["name"], pattern), pattern)

    def _name_pattern(self, module: str) -> str:
        """The name that a module is given, with `*` for what depends on the subscription."""
        functions: dict[str, Callable[..., Any]] = {
            **PURE,
            "parameters": lambda _: "*",
            "subscription": lambda: {"id": "*"},
            "uniqueString": lambda *_: "*",
            "variables": lambda name: evaluate(self._template["variables"][name], functions),
        }
        given = self._template["resources"][module]["properties"]["parameters"]["name"]["value"]
        return str(evaluate(given, functions))

    def _by(self, holds: Callable[[dict[str, Any]], bool], what: str) -> dict[str, Any]:
        found = [item for item in self._predicted["predictedResources"] if holds(item)]
        if len(found) != 1:
            raise UnknownExpression(f"{len(found)} resources are meant by {what}")
        resource: dict[str, Any] = found[0]
        return resource


class _Outputs(dict[str, Any]):
    """Outputs of a nested deployment, evaluated when they are asked for."""

    def __init__(self, outputs: Mapping[str, Any], value: Callable[[Any], Any]) -> None:
        super().__init__(outputs)
        self._value = value

    def __getitem__(self, name: str) -> dict[str, Any]:
        return {"value": self._value(super().__getitem__(name)["value"])}


_ASKED_FOR = {
    "Microsoft.Authorization/roleAssignments",
    "Microsoft.KeyVault/vaults/secrets",
    "Microsoft.Storage/storageAccounts",
    "Microsoft.Web/sites",
}
