"""Why a network cannot be described or built.

ManifestError            the manifest is wrong (a ValueError)
BuildError
├── FetchError           the weights could not be had, or are others
├── GraphError           the ONNX file is not what the manifest describes
├── QuantizationError    the network cannot be quantized as described
└── FidelityError        the int8 network differs too much from the float one
"""


class ManifestError(ValueError):
    """The manifest is not JSON, or a field is missing, unknown or has a wrong value."""


class BuildError(RuntimeError):
    """A network cannot be built."""


class FetchError(BuildError):
    """The weights could not be had, or are not the ones the manifest names."""


class GraphError(BuildError):
    """The ONNX file is not what the manifest describes."""


class QuantizationError(BuildError):
    """The network cannot be quantized as the manifest describes it."""


class FidelityError(BuildError):
    """The int8 network is further from the float one than the manifest allows."""
