"""What ``llmops check-rollout`` reads: logs, aggregates and query results; its state."""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from llmops_cli.cli.logs import Logs, bad_row_findings, read_logs
from llmops_cli.cli.options import Shared
from llmops_cli.cli.text_file import text_of
from llmops_cli.errors import ExitCode, LlmopsError
from llmops_cli.report import Finding

if TYPE_CHECKING:
    from llmops_cli.rollout.model import Plan
    from llmops_cli.rollout.observed import Observed
    from llmops_cli.rollout.state import State
    from llmops_cli.traffic.sources import Source

    Seen = tuple[Observed, tuple[str, ...], tuple[Finding, ...]]

__all__ = ["Reading", "ends_of", "moment_of", "read_observed", "read_state"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """How the data of a stage are read.

    Attributes:
        plan: its guardrails are the metrics that are known.
        canary: column and value of the new version in a log; None for sums.
        control: value of the old one; None for every other call.
        since: moment in UTC at which the stage began; empty for all that is there.
        until: moment in UTC at which it ended; the same.
        as_of: moment in UTC until which all data are in; empty for that of the last window.
        logs: how logs are read.
        shared: as the command was given.
    """

    plan: "Plan"
    canary: tuple[str, str] | None
    control: str | None
    since: str
    until: str
    as_of: str
    logs: Logs
    shared: Shared


def read_observed(paths: Sequence[str], how: Reading) -> "Seen":
    """What both versions did, the files read, and what was found on the way.

    Raises:
        LlmopsError: ``sums-unreadable``, and those of the readers.
    """
    return _sums(paths, how) if how.canary is None else _calls(paths, how, how.canary)


def read_state(path: Path | None, plan: "Plan") -> "State":
    """The state in a file; a new one where there is none yet."""
    from llmops_cli.rollout.state import State, fingerprint, from_json

    if path is None or not path.exists():
        return State(fingerprint(plan))
    return from_json(text_of(path, "sums-unreadable"), plan, source=str(path))


def ends_of(since: str | None, until: str | None) -> tuple[str, str]:
    """When a stage began and ended, as :func:`moment_of` gives it.

    Raises:
        LlmopsError: ``rollout-bad-moment``, ``rollout-no-time``.
    """
    first, last = moment_of(since, "--since"), moment_of(until, "--until")
    if first and last and datetime.fromisoformat(first) >= datetime.fromisoformat(last):
        raise LlmopsError(
            "rollout-no-time",
            "--until is not after --since",
            hint="--since is when the stage began, --until when it ended",
            exit_code=ExitCode.USAGE,
        )
    return first, last


def moment_of(text: str | None, option: str) -> str:
    """A moment as windows are named, in UTC; empty for none.

    Raises:
        LlmopsError: ``rollout-bad-moment``.
    """
    if text is None:
        return ""
    try:
        moment = datetime.fromisoformat(text)
        return moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC).isoformat()
    except (ValueError, OverflowError):
        raise LlmopsError(
            "rollout-bad-moment",
            f"{option} is not a moment",
            hint=f"{option} 2026-09-01T08:00:00Z",
            exit_code=ExitCode.USAGE,
        ) from None


def _sums(paths: Sequence[str], how: Reading) -> "Seen":
    from llmops_cli.rollout.observed import Observed
    from llmops_cli.rollout.observed_csv import read_sums
    from llmops_cli.rollout.observed_prometheus import looks_like_prometheus, read_query
    from llmops_cli.traffic.sources import resolve

    seen, sources = Observed(), resolve(paths, (".csv",))
    for source in sources:
        text = _text(source)
        if looks_like_prometheus(text):
            seen += read_query(text, how.plan, source=source.name)
        else:
            seen += read_sums(text.splitlines(), how.plan, source=source.name)
    return seen.between(how.since, how.until), tuple(source.name for source in sources), ()


def _text(source: "Source") -> str:
    from llmops_cli.traffic.streams import open_bytes

    try:
        with open_bytes(source) as stream:
            return stream.read().decode("utf-8-sig")
    except UnicodeError as error:
        raise _unreadable("it is not text", source) from error
    except OSError as error:
        raise _unreadable(error.strerror or "the gzip data is damaged", source) from error
    except (EOFError, zlib.error) as error:
        raise _unreadable("the gzip data is damaged or cut off", source) from error


def _unreadable(reason: str, source: "Source") -> LlmopsError:
    return LlmopsError("sums-unreadable", f"it cannot be read: {reason}", file=source.name)


def _calls(paths: Sequence[str], how: Reading, canary: tuple[str, str]) -> "Seen":
    from llmops_cli.rollout.observed_log import calls_of_versions, sums_of_calls

    traffic = read_logs(paths, how.logs, how.shared)
    ends = (how.since, how.until)
    calls, others = calls_of_versions(traffic.calls, canary, how.control, *ends)
    findings = (*bad_row_findings(traffic.bad_rows), *_others(others, canary[0]))
    return sums_of_calls(calls, how.plan, canary), tuple(traffic.files), findings


def _others(count: int, column: str) -> tuple[Finding, ...]:
    if not count:
        return ()
    return (
        Finding(
            slug="rollout-unknown-variant",
            severity="warning",
            message="calls that name neither version are left out",
            hint="leave out --control where every other call is the old version",
            field=column,
            count=count,
        ),
    )
