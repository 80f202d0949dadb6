"""The failover file: deployments, policies and outages as YAML, read strictly."""

import msgspec
import pandas as pd

from llmops_cli.documents import converted, document
from llmops_cli.errors import LlmopsError
from llmops_cli.failover.document_entries import DocumentEntry, invalid, within
from llmops_cli.failover.document_incidents import incidents_of, outage_of
from llmops_cli.failover.document_members import line_of, member_of
from llmops_cli.failover.model import Pool, usual_lines

__all__ = ["SCHEMA", "pool_from_yaml"]

SCHEMA = "llmops.failover/1"


def pool_from_yaml(text: str, began: pd.Timestamp, span_s: float, *, source: str) -> Pool:
    """Read a failover file.

    Args:
        text: of the file.
        began: first moment of the log, from which incidents with a date are counted.
        span_s: of the log; incidents lie in it.
        source: its name, for messages.

    Raises:
        LlmopsError: ``failover-not-yaml``, ``failover-schema-unknown``, ``failover-invalid`` with
            the field, ``failover-duplicate``, ``failover-unknown-deployment``,
            ``failover-outside-log``, ``failover-overlap``.
    """
    found = _document(text, source)
    members = tuple(member_of(item, at, source) for at, item in enumerate(found.deployments))
    if not members:
        raise invalid("there is no deployment in it", "deployments", source)
    names = [item.deployment.name for item in members]
    for name in names:
        if names.count(name) > 1:
            raise LlmopsError(
                "failover-duplicate",
                f"two deployments are called '{name}'",
                file=source,
                field="deployments",
            )
    lines = tuple(
        line_of(item, names, f"policies[{at}]", source) for at, item in enumerate(found.policies)
    )
    chain = tuple(item.deployment for item in members)
    return Pool(
        members=members,
        lines=lines or usual_lines(len(members)),
        incidents=incidents_of(found.incidents, chain, (began, span_s), source),
        outages=tuple(
            outage_of(item, chain, f"outages[{at}]", source)
            for at, item in enumerate(found.outages)
        ),
        common=within(found.common_share, "common_share", source),
    )


def _document(text: str, source: str) -> DocumentEntry:
    hint = "deployments, policies, incidents and outages: see llmops simulate-failover -h"
    found = document(text, SCHEMA, prefix="failover", source=source, hint=hint)
    with converted(slug="failover-invalid", source=source):
        return msgspec.convert(found, DocumentEntry)
