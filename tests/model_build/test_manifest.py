import copy
import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from model_build.errors import BuildError
from model_build.manifest import (
    MANIFEST_PATH,
    MODELS_DIR,
    FileSource,
    UrlSource,
    WheelSource,
    load_manifest,
    parse_manifest,
)

SHIPPED = json.loads(MANIFEST_PATH.read_text())
SHA256 = "0" * 64


def entry(document: dict[str, dict[str, dict[str, object]]]) -> dict[str, object]:
    return document["networks"]["u2net"]


def put(path: str, value: object) -> Callable[[object], None]:
    """A change: the field at a dotted path of the u2net entry gets a value."""

    def change(document: object) -> None:
        assert isinstance(document, dict)
        fields = entry(document)
        *outer, last = path.split(".")
        for name in outer:
            inner = fields[name]
            assert isinstance(inner, dict)
            fields = inner
        if value is None:
            del fields[last]
        else:
            fields[last] = value

    return change


def changed(change: Callable[[object], None]) -> str:
    document = copy.deepcopy(SHIPPED)
    change(document)
    return json.dumps(document)


def test_shipped_manifest() -> None:
    manifest = load_manifest()
    assert manifest.default == "u2net"
    assert list(manifest.always) == ["u2net", "u2netp"]
    assert list(manifest.networks) == ["u2net", "u2netp", "isnet-general-use", "birefnet-lite"]
    for name, network in manifest.always.items():
        assert network.name == name
        assert isinstance(network.source, WheelSource)
        assert network.quantization is not None
        assert "Apache-2.0" in network.licence.weights
        assert network.umpire == ("u2netp" if name == "u2net" else None)
        assert network.input.divide_by == "maximum"
        assert network.input.std == (0.229, 0.224, 0.225)


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("weights_sha256", None, "networks.u2net.weights_sha256: Field required"),
        (
            "weights_sha256",
            SHA256.replace("0", "G"),
            "networks.u2net.weights_sha256: String should match pattern",
        ),
        ("weights_sha256", SHA256[1:], "networks.u2net.weights_sha256: String should match pattern"),
        ("training_data", " ", "networks.u2net.training_data: String should match pattern"),
        ("sha265", SHA256, "networks.u2net.sha265: Unexpected keyword argument"),
        ("source", "rembg", "networks.u2net.source: Input should be an object"),
        ("source.wheel", "x.whl", "networks.u2net.source.wheel: Unexpected keyword argument"),
        ("source.wheel_sha256", None, "networks.u2net.source.wheel_sha256: Field required"),
        ("source.file", "x.onnx", "networks.u2net.source.package: Unexpected keyword argument"),
        ("licence.weights", None, "networks.u2net.licence.weights: Field required"),
        ("input.side_px", 0, "networks.u2net.input.side_px: Input should be greater than or equal to 32"),
        ("input.side_px", 320.0, "networks.u2net.input.side_px: Input should be a valid integer"),
        ("input.side_px", True, "networks.u2net.input.side_px: Input should be a valid integer"),
        ("input.second_side_px", 16, "networks.u2net.input.second_side_px: Input should be greater"),
        ("source", {"url": "http://example.com/x.onnx"}, "networks.u2net.source.url: String should match"),
        ("source", {"url": "https://"}, "networks.u2net.source.url: String should match"),
        ("umpire", "nobody", "networks.u2net.umpire: expected a network that has no umpire itself"),
        ("umpire", "u2net", "networks.u2net.umpire: expected a network that has no umpire itself"),
        (
            "input.divide_by",
            "mean",
            "networks.u2net.input.divide_by: Input should be 'maximum' or Input should be a",
        ),
        (
            "input.divide_by",
            0,
            "networks.u2net.input.divide_by: Input should be 'maximum' or Input should be gr",
        ),
        ("input.mean", [0.5, 0.5], "networks.u2net.input.mean: Field required"),
        ("input.mean", [0.5, 0.5, "0.5"], "networks.u2net.input.mean: Input should be a valid number"),
        (
            "input.mean",
            [0.5, 0.5, float("nan")],
            "networks.u2net.input.mean: Input should be a finite number",
        ),
        ("input.std", [0.5, 0.5, 0], "networks.u2net.input.std: Input should be greater than 0"),
        (
            "output.values",
            "sigmoid",
            "networks.u2net.output.values: Input should be 'relative', 'probability' or 'logit'",
        ),
        (
            "quantization.float_convolutions",
            "Conv_0",
            "networks.u2net.quantization.float_convolutions: Input should be a valid array",
        ),
        (
            "quantization.float_convolutions",
            [1],
            "networks.u2net.quantization.float_convolutions: Input should be a valid",
        ),
        ("quantization.max_mae", -1, "networks.u2net.quantization.max_mae: Input should be greater than 0"),
    ],
)
def test_wrong_field_is_named(path: str, value: object, message: str) -> None:
    with pytest.raises(BuildError) as caught:
        parse_manifest(changed(put(path, value)))
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not JSON"),
        ("[]", "manifest: Input should be an object"),
        ("{}", "default: Field required"),
        ('{"default": "a", "networks": {}}', "default: 'a' is not one of []"),
        ('{"default": "a", "default": "b", "networks": {}}', "default: given twice"),
        ('{"default": "a", "networks": {"../a": {}}}', "networks.../a.name: String should match"),
        ('{"default": "a", "networks": {"A": {}}}', "networks.A.name: String should match"),
        ('{"default": "a", "networks": {"a": 1}}', "networks.a: Input should be an object"),
    ],
)
def test_wrong_document(text: str, message: str) -> None:
    with pytest.raises(BuildError) as caught:
        parse_manifest(text)
    assert str(caught.value).startswith(message)


def test_missing_manifest(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match=r"manifest\.json: .*No such file"):
        load_manifest(tmp_path / "manifest.json")


def test_network_of_a_file_in_float32() -> None:
    def change(document: object) -> None:
        put("source", {"file": "mine.onnx"})(document)
        put("quantization", None)(document)
        put("input.divide_by", 255)(document)

    network = parse_manifest(changed(change)).networks["u2net"]
    assert network.source == FileSource("mine.onnx")
    assert network.quantization is None
    assert network.input.divide_by == 255.0


def test_network_of_a_url() -> None:
    address = "https://example.com/network.onnx"
    network = parse_manifest(changed(put("source", {"url": address}))).networks["u2net"]
    assert network.source == UrlSource(address)


def test_example_of_the_docs() -> None:
    page = (MODELS_DIR.parent / "docs" / "models.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```json\n(.*?)```", page, re.DOTALL)
    manifest = parse_manifest(f'{{"default": "mine", "networks": {{{example}}}}}')
    assert isinstance(manifest.networks["mine"].source, FileSource)


def test_a_default_is_built_without_being_asked_for() -> None:
    with pytest.raises(BuildError, match=r"default: 'birefnet-lite' is not one of \['u2net', 'u2netp'\]"):
        parse_manifest(json.dumps({**SHIPPED, "default": "birefnet-lite"}))
