"""The part of an invocation's context that our functions read."""

from types import SimpleNamespace
from typing import cast

import azure.functions as func

_NO_TRACE = SimpleNamespace(trace_parent="", trace_state="")
NO_CONTEXT = cast(func.Context, SimpleNamespace(trace_context=_NO_TRACE))
"""This host has no span of its own."""
