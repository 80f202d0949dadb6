"""The SDKs' exceptions become failures; both SDKs are generated alike and raise alike.

No text of the server enters a failure: a body may quote the prompt or a part of the key.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from llmops_cli.live.completions import Failure

__all__ = [
    "CONNECTION",
    "CUT_SHORT",
    "MALFORMED",
    "TIMEOUT",
    "connection_failure",
    "status_failure",
]

_RETRIED = {408, 409, 429}
_FATAL = {401, 402, 403, 404}
_CODE = re.compile(r"[a-z][a-z0-9_]{2,48}")
_UNSENT = {"ConnectError", "ConnectTimeout", "PoolTimeout"}
_NO_MONEY = {"insufficient_quota", "billing_error", "billing_hard_limit_reached"}

MALFORMED = "malformed_response"
"""An answer that says 200 and is not what the API promises."""

CUT_SHORT = "cut_short"
"""An answer that began and never ended."""

CONNECTION = "connection_error"
"""A connection that was not made, or did not hold."""

TIMEOUT = "timeout"
"""An answer that did not begin, or did not end, in time."""


def status_failure(status: int, headers: Mapping[str, str], body: object) -> Failure:
    """What an error status means."""
    kind = _code(body) or str(status)
    retryable = (status in _RETRIED or status >= 500) and kind not in _NO_MONEY  # noqa: PLR2004
    said = headers.get("x-should-retry")
    if said in {"true", "false"}:
        retryable = said == "true"
    return Failure(
        kind,
        status=status,
        retryable=retryable,
        fatal=status in _FATAL or kind in _NO_MONEY,
        retry_after_s=_retry_after(headers),
    )


def connection_failure(error: BaseException, *, timed_out: bool) -> Failure:
    """What it means that no whole answer came; only what was never sent is surely free."""
    unsent = type(error.__cause__).__name__ in _UNSENT
    kind = TIMEOUT if timed_out else CONNECTION
    return Failure(kind, retryable=True, perhaps_billed=not unsent)


def _code(body: object) -> str | None:
    inner: Any = body.get("error", body) if isinstance(body, dict) else None
    if not isinstance(inner, dict):
        return None
    found = (inner.get("code"), inner.get("type"))
    return next((w for w in found if isinstance(w, str) and _CODE.fullmatch(w)), None)


def _retry_after(headers: Mapping[str, str]) -> float | None:
    for name, scale in (("retry-after-ms", 1e-3), ("retry-after", 1.0)):
        try:
            wait = float(headers[name]) * scale
        except (KeyError, ValueError):
            continue
        return wait if 0 <= wait < float("inf") else None
    try:
        at = parsedate_to_datetime(headers["retry-after"])
    except (KeyError, ValueError):
        return None
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    return max((at - datetime.now(tz=UTC)).total_seconds(), 0.0)
