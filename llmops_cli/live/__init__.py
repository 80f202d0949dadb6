"""The one door to the network: providers' SDKs behind one protocol, every attempt recorded.

``judge-collect`` asks a judge model here, and ``replay`` asks logged prompts again. Everything
else in the package works without a connection.
"""

from llmops_cli.live.budget import Budget
from llmops_cli.live.clients import PROVIDERS, open_client
from llmops_cli.live.collect import Outcome, Row, Settings, Stop, collect_verdicts
from llmops_cli.live.completions import Client, Completion, Failure, Request, Usage
from llmops_cli.live.journal import Journal
from llmops_cli.live.prompted import Prompted, prompts_of, sampled
from llmops_cli.live.prompts import PAIR, QUALITY, UNPARSABLE, Template, Verdict, read_verdict
from llmops_cli.live.recording import Recorder
from llmops_cli.live.replaying import (
    ReplayOutcome,
    ReplaySettings,
    Target,
    replay_prompts,
)
from llmops_cli.live.shadow_spans import ShadowFile

__all__ = [
    "PAIR",
    "PROVIDERS",
    "QUALITY",
    "UNPARSABLE",
    "Budget",
    "Client",
    "Completion",
    "Failure",
    "Journal",
    "Outcome",
    "Prompted",
    "Recorder",
    "ReplayOutcome",
    "ReplaySettings",
    "Request",
    "Row",
    "Settings",
    "ShadowFile",
    "Stop",
    "Target",
    "Template",
    "Usage",
    "Verdict",
    "collect_verdicts",
    "open_client",
    "prompts_of",
    "read_verdict",
    "replay_prompts",
    "sampled",
]
