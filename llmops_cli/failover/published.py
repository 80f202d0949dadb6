"""Outages as providers posted them: reviewed data, for who has no record of his own."""

from collections.abc import Sequence
from functools import cache

import msgspec

from llmops_cli.errors import ExitCode, LlmopsError
from llmops_cli.failover.document_entries import OutageEntry
from llmops_cli.failover.document_incidents import outage_of
from llmops_cli.failover.policy import Deployment
from llmops_cli.failover.sampling import Outage
from llmops_cli.yaml_text import shipped_yaml

__all__ = ["published_outages"]

_FILE = "outages.yaml"


def published_outages(chain: Sequence[Deployment]) -> tuple[Outage, ...]:
    """The posted outages of a chain's providers.

    Raises:
        LlmopsError: ``failover-no-record`` where a provider has none.
    """
    known = {entry.provider: entry for entry in _entries()}
    wanted = sorted({item.provider for item in chain})
    for name in wanted:
        if name not in known:
            raise LlmopsError(
                "failover-no-record",
                f"no posted outages of '{name}' are known here",
                hint=f"known: {', '.join(sorted(known))}; name its outages in the failover file",
                exit_code=ExitCode.USAGE,
            )
    return tuple(outage_of(known[name], tuple(chain), name, _FILE) for name in wanted)


@cache
def _entries() -> tuple[OutageEntry, ...]:
    return tuple(msgspec.convert(shipped_yaml("failover", _FILE), list[OutageEntry]))
