"""Retries after temporary errors: exponential back-off with jitter, added to Retry-After."""

import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, wait_random_exponential

from segment_client.circuit import Circuit
from segment_client.errors import ClientError, Refused, Unreachable
from segment_client.options import Patience

log = logging.getLogger(__name__)

_T = TypeVar("_T")


async def persist(send: Callable[[], Awaitable[_T]], circuit: Circuit, patience: Patience) -> tuple[_T, int]:
    """The result of `send`, and the number of attempts. Raises the last attempt's ClientError.

    Attempts without a connection, and probes of a failing endpoint that only a gateway answered, say nothing
    about the picture. They do not count for `patience.attempts`; `patience.give_up_after_s` limits them.
    """
    attempts = 0
    failures = 0

    async def attempt() -> _T:
        nonlocal attempts, failures
        async with circuit.attempt():
            probing = not circuit.is_closed()
            attempts += 1
            try:
                return await send()
            except ClientError as error:
                failures += not _found_nobody(error, probing=probing)
                raise

    def enough(_: RetryCallState) -> bool:
        return failures >= patience.attempts

    retrying = AsyncRetrying(
        retry=retry_if_exception(lambda error: _may_pass(error, patience)),
        wait=_Wait(patience),
        stop=enough,
        before_sleep=_tell,
        reraise=True,
    )
    try:
        return await retrying(attempt), attempts
    except ClientError as error:
        error.attempts = attempts
        raise


def _found_nobody(error: ClientError, *, probing: bool) -> bool:
    if isinstance(error, Refused):
        return probing and error.status in (502, 503, 504)
    return isinstance(error, Unreachable)


def _may_pass(error: BaseException, patience: Patience) -> bool:
    if isinstance(error, Refused) and (error.retry_after_s or 0.0) > patience.give_up_after_s:
        return False
    return isinstance(error, ClientError) and error.retryable


class _Wait:
    """Retry-After, if the answer has one, and a random time of at most the back-off."""

    def __init__(self, patience: Patience) -> None:
        self._back_off = wait_random_exponential(
            multiplier=patience.first_wait_s, max=patience.longest_wait_s
        )

    def __call__(self, state: RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        asked = error.retry_after_s if isinstance(error, Refused) else None
        return (asked or 0.0) + self._back_off(state)


def _tell(state: RetryCallState) -> None:
    if state.outcome and state.next_action and isinstance(error := state.outcome.exception(), ClientError):
        log.debug("%s %s Again in %.1f s.", error.id, error.message, state.next_action.sleep)
