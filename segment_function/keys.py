"""Who may call: the subscription keys of `SEGMENT_API_KEYS`."""

import hashlib
import hmac

from shared_code.errors import AccessDenied
from shared_code.settings import Settings

KEY_HEADER = "Ocp-Apim-Subscription-Key"


def check_key(key: str | None, settings: Settings) -> None:
    """Compare `key` with every configured key, in time that tells nothing of them.

    With no key configured every call is refused, unless anonymous access is allowed. Raises AccessDenied.
    """
    if not settings.api_keys:
        if settings.allow_anonymous:
            return
        raise AccessDenied
    # Starlette decodes header bytes as Latin-1; this has the caller's bytes back.
    given = hashlib.sha256((key or "").encode("latin-1", "replace")).digest()
    matches = [
        hmac.compare_digest(given, hashlib.sha256(known.encode()).digest()) for known in settings.api_keys
    ]
    if not any(matches):
        raise AccessDenied
