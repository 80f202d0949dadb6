"""The one door to the network: providers' SDKs behind one protocol, every attempt recorded.

``judge-collect`` asks a judge model here, and ``replay`` asks logged prompts again; from a
cassette both are played without a connection, as everything else in the package works.
"""

from llmops_cli.live.budget import Budget
from llmops_cli.live.cassette import Cassette, RecordMode
from llmops_cli.live.clients import PROVIDERS, closed_client, open_client
from llmops_cli.live.collect import collect_verdicts
from llmops_cli.live.collect_model import Outcome, Row, Settings, Stop
from llmops_cli.live.completions import Client, Completion, Failure, Request, Usage
from llmops_cli.live.journal import Journal
from llmops_cli.live.judge_tape import JudgeTape
from llmops_cli.live.ledger import Ledger
from llmops_cli.live.playing import unplayed
from llmops_cli.live.prompted import (
    CONTEXT_WINDOW,
    Prompted,
    Prompts,
    Wanted,
    prompts_of,
    sampled,
)
from llmops_cli.live.prompts import PAIR, QUALITY, UNPARSABLE, Template, Verdict, read_verdict
from llmops_cli.live.recording import Recorder
from llmops_cli.live.replay_model import ReplayOutcome, ReplaySettings, Target
from llmops_cli.live.replaying import replay_prompts
from llmops_cli.live.shadow_file import ShadowFile

__all__ = [
    "CONTEXT_WINDOW",
    "PAIR",
    "PROVIDERS",
    "QUALITY",
    "UNPARSABLE",
    "Budget",
    "Cassette",
    "Client",
    "Completion",
    "Failure",
    "Journal",
    "JudgeTape",
    "Ledger",
    "Outcome",
    "Prompted",
    "Prompts",
    "RecordMode",
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
    "Wanted",
    "closed_client",
    "collect_verdicts",
    "open_client",
    "prompts_of",
    "read_verdict",
    "replay_prompts",
    "sampled",
    "unplayed",
]
