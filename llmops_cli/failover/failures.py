"""What can go wrong with one attempt, and what each kind allows: the catalogue of failures.

Client and simulator sort failures by this table alone, so both do the same with the same fault.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

__all__ = ["HANDLING", "FailureKind", "Handling", "kind_of_status"]


class FailureKind(StrEnum):
    """Why an attempt brought no answer."""

    RATE_LIMITED = "rate_limited"
    OVERLOADED = "overloaded"
    UNAVAILABLE = "unavailable"
    TIMEOUT = "timeout"
    CONNECTION = "connection"
    MALFORMED = "malformed"
    CUT_SHORT = "cut_short"
    CONTEXT_WINDOW = "context_window"
    CONTENT_POLICY = "content_policy"
    BAD_REQUEST = "bad_request"
    NOT_ALLOWED = "not_allowed"
    NOT_FOUND = "not_found"
    NO_MONEY = "no_money"
    OVER_CAP = "over_cap"


@dataclass(frozen=True, slots=True)
class Handling:
    """What a failure allows.

    Attributes:
        repeat: the same deployment may answer the same request later.
        move: another deployment may answer it now.
        unhealthy: it says something about the deployment, not about the request.
        hopeless: no request will succeed there until somebody acts.
    """

    repeat: bool
    move: bool
    unhealthy: bool
    hopeless: bool = False


_PASSING = Handling(repeat=True, move=True, unhealthy=True)
_ACCOUNT = Handling(repeat=False, move=True, unhealthy=True, hopeless=True)
_REQUEST = Handling(repeat=False, move=True, unhealthy=False)

HANDLING: Mapping[FailureKind, Handling] = {
    FailureKind.RATE_LIMITED: _PASSING,
    FailureKind.OVERLOADED: _PASSING,
    FailureKind.UNAVAILABLE: _PASSING,
    FailureKind.TIMEOUT: _PASSING,
    FailureKind.CONNECTION: _PASSING,
    FailureKind.MALFORMED: _PASSING,
    FailureKind.CUT_SHORT: _PASSING,
    # Moved only where a larger window or another policy on content may help: the policy says so.
    FailureKind.CONTEXT_WINDOW: _REQUEST,
    FailureKind.CONTENT_POLICY: _REQUEST,
    # Wrong everywhere: a copy of it sent elsewhere costs time and hides the defect.
    FailureKind.BAD_REQUEST: Handling(repeat=False, move=False, unhealthy=False),
    # The client's own cap: nothing was sent, and nothing will be.
    FailureKind.OVER_CAP: Handling(repeat=False, move=False, unhealthy=False),
    FailureKind.NOT_ALLOWED: _ACCOUNT,
    FailureKind.NOT_FOUND: _ACCOUNT,
    FailureKind.NO_MONEY: _ACCOUNT,
}

_CODES = {
    "rate_limit_error": FailureKind.RATE_LIMITED,
    "rate_limit_exceeded": FailureKind.RATE_LIMITED,
    "overloaded_error": FailureKind.OVERLOADED,
    "context_length_exceeded": FailureKind.CONTEXT_WINDOW,
    "model_context_window_exceeded": FailureKind.CONTEXT_WINDOW,
    "content_filter": FailureKind.CONTENT_POLICY,
    "content_policy_violation": FailureKind.CONTENT_POLICY,
    # A 429 that no wait can mend: sorted by its code, not by its status.
    "insufficient_quota": FailureKind.NO_MONEY,
    "billing_error": FailureKind.NO_MONEY,
    "billing_hard_limit_reached": FailureKind.NO_MONEY,
    "over_cap": FailureKind.OVER_CAP,
    "timeout": FailureKind.TIMEOUT,
    "timeout_error": FailureKind.TIMEOUT,
    "connection_error": FailureKind.CONNECTION,
    "malformed_response": FailureKind.MALFORMED,
    "cut_short": FailureKind.CUT_SHORT,
}

_STATUSES = {
    401: FailureKind.NOT_ALLOWED,
    402: FailureKind.NO_MONEY,
    403: FailureKind.NOT_ALLOWED,
    404: FailureKind.NOT_FOUND,
    408: FailureKind.TIMEOUT,
    409: FailureKind.UNAVAILABLE,
    413: FailureKind.CONTEXT_WINDOW,
    429: FailureKind.RATE_LIMITED,
    504: FailureKind.TIMEOUT,
    529: FailureKind.OVERLOADED,
}

_SERVER_ERRORS = 500


def kind_of_status(status: int | None, code: str = "") -> FailureKind:
    """Sort an answer that is an error, as both providers' SDKs name them.

    Args:
        status: HTTP status; None where no answer came.
        code: the provider's error code or type, where it is known; it decides where it is known
            here, because the same status stands for faults that pass and faults that do not.
    """
    if code in _CODES:
        return _CODES[code]
    if status is None:
        return FailureKind.CONNECTION
    if status in _STATUSES:
        return _STATUSES[status]
    return FailureKind.UNAVAILABLE if status >= _SERVER_ERRORS else FailureKind.BAD_REQUEST
