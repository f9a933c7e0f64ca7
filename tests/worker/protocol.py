"""Stand-ins for the protobuf classes that the worker library fills in or reads.

Names and fields are those of FunctionRpc.proto; only what the library touches is here. The module itself is
what the library is given as `protos`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace


class StatusResult(SimpleNamespace):
    """How a request to the worker ended."""

    Failure = 0
    Success = 1


class BindingInfo(SimpleNamespace):
    """One binding; the numbers are those of `Direction` and `DataType`."""

    out = 1
    inout = 2
    undefined = 0


class RpcException(SimpleNamespace):
    """`message` and `stack_trace` of what was raised."""


class RpcFunctionMetadata(SimpleNamespace):
    """An indexed function."""


class WorkerMetadata(SimpleNamespace):
    """Versions of the worker."""


class WorkerInitResponse(SimpleNamespace):
    """`capabilities` and `result`."""


class FunctionMetadataResponse(SimpleNamespace):
    """`function_metadata_results` and `result`."""


class FunctionLoadResponse(SimpleNamespace):
    """`function_id` and `result`."""


class FunctionEnvironmentReloadResponse(SimpleNamespace):
    """`capabilities`, unless it failed, and `result`."""


class InvocationResponse(SimpleNamespace):
    """`return_value`, `output_data` and `result`."""


@dataclass(frozen=True)
class RpcHttp:
    """What an invocation tells of an HTTP request that goes through the worker's own port: little."""

    params: Mapping[str, str]
    method: str = ""
    url: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)

    @property
    def body(self) -> "TypedData":
        return TypedData()


@dataclass(frozen=True)
class TypedData:
    """A value of a binding; none set means an empty one."""

    http: RpcHttp | None = None

    def WhichOneof(self, name: str) -> str | None:
        """The name of the field that is set."""
        return "http" if self.http is not None else None


@dataclass(frozen=True)
class ParameterBinding:
    """A named value, into or out of a function."""

    name: str
    data: TypedData

    def WhichOneof(self, name: str) -> str:
        """Values always travel in the message; shared memory is not used."""
        return "data"


@dataclass(frozen=True)
class TraceContext:
    """No trace."""

    trace_parent: str = ""
    trace_state: str = ""
    attributes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class RetryContext:
    """A first attempt."""

    retry_count: int = 0
    max_retry_count: int = 0
    exception: None = None


@dataclass(frozen=True)
class InvocationRequest:
    """Run one function."""

    invocation_id: str
    function_id: str
    input_data: tuple[ParameterBinding, ...]
    trigger_metadata: Mapping[str, TypedData] = field(default_factory=dict)
    trace_context: TraceContext = TraceContext()
    retry_context: RetryContext = RetryContext()
