"""Chooses the form in which a network is shipped: int8 if its masks are close to the published network's.

If not, float32 and other forms that may help are built, compared and measured, and the fastest of those that
are close enough is shipped.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory

from model_build.ends import with_uint8_ends
from model_build.errors import BuildError, told_as
from model_build.fidelity import Yardstick, normalise
from model_build.graph import float_graph, optimised
from model_build.manifest import Network
from model_build.measure import measured
from model_build.photos import calibration_pictures
from model_build.quantize import INT8, Quantizer, Recipe
from shared_code.matte.built import BuiltNetwork

FLOAT = Recipe("float32")
FLOAT_MAX_MAE = 0.01
"""For float32: rounding to 256 levels, or half precision in the published network, makes less difference."""

_WIDE = Recipe("int8 with activations of 16 bits", wide=True)
_NARROW = [Recipe(f"int8 with levels for {most} % of the values", percentile=most) for most in (99.99, 99.9)]

type Step = Callable[[str], None]


@dataclass(frozen=True)
class Form:
    """A network in a form that may be shipped: an ONNX file and its description for the service.

    `differences`: mean absolute difference of its masks to the published ones, 0..1, by side in pixels.
    """

    name: str
    model: bytes
    built: BuiltNetwork
    differences: Mapping[int, float]
    allowed: float

    @property
    def holds(self) -> bool:
        """Whether its masks are close enough to the published ones."""
        return max(self.differences.values()) <= self.allowed

    def __str__(self) -> str:
        takes = "what it takes cannot be measured on this system"
        if (cost := self.built.cost) is not None:
            takes = (
                f"{cost.seconds:.1f} s on one core, {cost.one_run_mb} MB, {cost.two_runs_mb} MB with two runs"
            )
        return f"{self.name}: differs by {told(self.differences)}; {takes}"


def told(differences: Mapping[int, float]) -> str:
    """The differences in one line."""
    return ", ".join(f"{mae:.4f} at {side} pixels" for side, mae in differences.items())


def best_form(network: Network, weights: Path, step: Step) -> Form:
    """The form to ship; `step` is called with a line for each step and result.

    weights: the path from `fetch.verified_weights`. Raises BuildError, also when even the masks of float32
    are not close enough.
    """
    with TemporaryDirectory() as folder:
        workshop = Workshop(network, weights, Path(folder), step)
        forms = [workshop.form(workshop.usual)]
        if forms[0].holds:
            return forms[0]
        if workshop.usual != FLOAT:
            forms.append(workshop.form(FLOAT))
        if not forms[-1].holds:
            raise BuildError(
                f"{network.name}: its masks differ from those of the network as published by "
                f"{told(forms[-1].differences)}, and {FLOAT_MAX_MAE} is allowed"
            )
        for recipe in workshop.other_recipes():
            try:
                forms.append(workshop.form(recipe))
            except BuildError as error:
                step(f"{recipe.name} cannot be made: {error}")
    best = fastest_of(forms)
    step(f"shipped as {best.name}: nothing faster differs by at most {forms[0].allowed}")
    return best


def fastest_of(forms: Iterable[Form]) -> Form:
    """The fastest form that holds; the first one where time could not be measured."""
    holding = (form for form in forms if form.holds)
    return min(holding, key=lambda form: form.built.cost.seconds if form.built.cost else 0)


class Workshop:
    """Builds the forms of one network."""

    def __init__(self, network: Network, weights: Path, folder: Path, step: Step) -> None:
        """`folder` is for temporary files. Raises BuildError."""
        step("reading the float network")
        self.usual = FLOAT if network.quantization is None else INT8
        self._network = network
        self._folder = folder
        self._step = step
        self._graph = float_graph(weights, network)
        self._yardstick = Yardstick(network, weights)

    @cached_property
    def _quantizer(self) -> Quantizer:
        described = self._network.quantization
        pictures = calibration_pictures(self._network.input.side_px)
        inputs = [normalise(picture, self._network.input) for picture in pictures]
        kept = described.float_convolutions if described else ()
        return Quantizer(self._graph, kept, inputs, self._folder, self._step)

    def model(self, recipe: Recipe) -> bytes:
        """An ONNX file. The same library versions on the same kind of processor give the same bytes.

        Raises BuildError.
        """
        with told_as(self._network.name):
            graph = self._graph if recipe == FLOAT else self._quantizer.made(recipe)
            return optimised(with_uint8_ends(graph, self._network))

    def form(self, recipe: Recipe) -> Form:
        """The model, compared and measured; the result goes to `step`. Raises BuildError."""
        model = self.model(recipe)
        path = self._folder / "measured.onnx"
        path.write_bytes(model)
        cost = measured(self._network.built(), path)
        built = self._network.built(hashlib.sha256(model).hexdigest(), cost)
        form = Form(recipe.name, model, built, self._yardstick.differences(model), self._allowed(recipe))
        self._step(str(form))
        return form

    def other_recipes(self) -> Iterator[Recipe]:
        """What may help where 256 values are too few for a tensor, the costly ones first."""
        yield _WIDE
        decoder = self._float_decoder()
        if decoder is not None:
            yield decoder
        yield from _NARROW

    def _float_decoder(self) -> Recipe | None:
        """The fewest last convolutions in float that hold, found by bisection; None if only all do."""
        names = self._quantizer.convolutions
        holds, misses, best = 0, len(names), None
        while misses - holds > 1:
            middle = (holds + misses) // 2
            recipe = Recipe(f"int8, float from {names[middle]} on", float_from=names[middle])
            differences = self._yardstick.differences(self.model(recipe))
            self._step(f"{recipe.name}: differs by {told(differences)}")
            if max(differences.values()) <= self._allowed(recipe):
                holds, best = middle, recipe
            else:
                misses = middle
        return best

    def _allowed(self, recipe: Recipe) -> float:
        described = self._network.quantization
        return described.max_mae if described and recipe != FLOAT else FLOAT_MAX_MAE
