"""Every event of every policy as one Arrow table, for inspection elsewhere."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from llmops_cli.serving.comparison import Played
from llmops_cli.serving.model import EventKind, Events

__all__ = ["event_table"]

_COLUMNS = (
    "time_s", "kind", "replica", "request", "value", "duration_s", "prefill_tokens", "decoding",
    "blocks",
)  # fmt: skip


def event_table(played: Sequence[Played]) -> pa.Table:
    """The events that were kept, policy by policy, each in the order it happened.

    Returns:
        Columns ``policy``, ``kind`` by name, and the others of
        :class:`~llmops_cli.serving.model.Events`; ``request`` is a row of the trace from 0, null
        for iterations.
    """
    tables = [
        _table(each.policy.name, each.outcome.events)
        for each in played
        if each.outcome.events is not None
    ]
    return pa.concat_tables(tables) if tables else pa.table({})


def _table(policy: str, events: Events) -> pa.Table:
    names = [kind.name.lower() for kind in EventKind]
    columns = {name: pa.array(getattr(events, name)) for name in _COLUMNS}
    columns["kind"] = pa.DictionaryArray.from_arrays(
        pa.array(events.kind.astype(np.int32)), pa.array(names)
    ).cast(pa.string())
    columns["request"] = pa.array(events.request, mask=events.request < 0)
    name = pa.repeat(pa.scalar(policy), len(events.time_s))
    return pa.table({"policy": name} | columns)
