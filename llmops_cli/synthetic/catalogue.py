"""The data sets by name: what each is, what is planted in it, and the bytes it is made of.

Public data sets stand beside ours with their licence and the command that converts them.
"""

import csv
import gzip
import io
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from llmops_cli.synthetic import drafting, failover, fleet, logs, outcomes, routing, telemetry

__all__ = ["DATASETS", "PUBLIC", "Dataset", "PublicData", "make"]


@dataclass(frozen=True, slots=True)
class Dataset:
    """One data set of our own making.

    Attributes:
        file: its name in ``datasets/``.
        about: what it is, in one sentence.
        question: the command it is for.
        truths: what is planted, name to value.
        build: from seed to content.
        drawn: whether chance is in it; what is written by hand is the same for every seed.
    """

    file: str
    about: str
    question: str
    truths: Mapping[str, float]
    build: Callable[[int], str]
    drawn: bool = True


@dataclass(frozen=True, slots=True)
class PublicData:
    """One public data set and how it becomes ours."""

    name: str
    about: str
    licence: str
    source: str
    convert: str


def _jsonl(lines: list[logs.Line]) -> str:
    return "".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines)


def _csv(rows: list[dict[str, str]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _routing(truth: routing.RoutingTruth) -> Callable[[int], str]:
    return lambda seed: _csv(routing.decisions(truth, seed))


def _truths(truth: routing.RoutingTruth) -> dict[str, float]:
    return {"sensitivity": truth.sensitivity, "specificity": truth.specificity}


DATASETS: Mapping[str, Dataset] = {
    "agent": Dataset(
        "agent.jsonl.gz",
        "an agent with tools and growing conversations, six hours; only tools and system prompt "
        "are marked for caching, and one team's system prompt begins with the time of day",
        "cache-estimate",
        {"conversations": 48, "workspaces": 2},
        lambda seed: _jsonl(logs.agent(seed)),
    ),
    "rag": Dataset(
        "rag.jsonl.gz",
        "a RAG service that puts what it retrieved before its instructions, so that the marked "
        "prefix is written each time and almost never read",
        "cache-estimate",
        {"calls": 260},
        lambda seed: _jsonl(logs.rag(seed)),
    ),
    "classifier": Dataset(
        "classifier.jsonl.gz",
        "a classifier on a half-hourly timer for five days, with scores, latencies that differ "
        "by user, and errors",
        "plan-rollout",
        {"error_rate": 0.012, "mean_score": 0.90, "users": 200},
        lambda seed: _jsonl(logs.classifier(seed)),
    ),
    "chat": Dataset(
        "chat.jsonl.gz",
        "a support bot on OpenAI Chat Completions with cached_tokens",
        "describe",
        {"calls": 160, "cached_calls": 0.8},
        lambda seed: _jsonl(logs.chat(seed)),
    ),
    "telemetry": Dataset(
        "telemetry.jsonl.gz",
        "OTLP spans of two services: an agent on the current GenAI conventions, and a support bot "
        "that still writes those of 1.36, with defects",
        "audit-traces",
        telemetry.DEFECTS | {"calls": sum(telemetry.CALLS.values())},
        lambda seed: _jsonl(telemetry.telemetry(seed)),
    ),
    "routing": Dataset(
        "routing.csv",
        "a routing judge that can be trusted: verdicts, truth, both models' outcomes and costs",
        "judge-eval",
        _truths(routing.STRONG),
        _routing(routing.STRONG),
    ),
    "routing-weak": Dataset(
        "routing-weak.csv",
        "a routing judge that cannot",
        "judge-eval",
        _truths(routing.WEAK),
        _routing(routing.WEAK),
    ),
    "routing-few": Dataset(
        "routing-few.csv",
        "a routing judge of whom too little is known",
        "judge-eval",
        _truths(routing.FEW),
        _routing(routing.FEW),
    ),
    "outcomes": Dataset(
        "outcomes.csv",
        "three models on the same requests of six task classes: quality, cost and latency of each; "
        "one model is as good at easy tasks, one is better at code, one class is too rare",
        "simulate-tiers",
        outcomes.TRUTHS,
        lambda seed: _csv(outcomes.outcomes(seed)),
    ),
    "acceptance": Dataset(
        "acceptance.jsonl.gz",
        "what a draft model had accepted, step by step, in requests of three classes of which one "
        "is hard to draft for",
        "plan-speculation",
        drafting.TRUTHS,
        lambda seed: _jsonl(drafting.acceptance(seed)),
    ),
    "failover": Dataset(
        "failover.yaml",
        "where the classifier's requests can be answered, and what a client may do when they are "
        "not: deployments at two providers and policies",
        "simulate-failover",
        failover.TRUTHS,
        lambda _seed: failover.POOL,
        drawn=False,
    ),
    "fleet": Dataset(
        "fleet.trace.gz",
        "a request trace of four minutes: customers with long prompts of their own and sessions "
        "that grow; what is shared fits a fleet's caches once, and not on each replica",
        "simulate-serving",
        fleet.TRUTHS,
        lambda seed: _jsonl(fleet.fleet(seed)),
    ),
}

PUBLIC: tuple[PublicData, ...] = (
    PublicData(
        "routellm-gsm8k",
        "1,319 GSM8K questions answered by Mixtral-8x7B and GPT-4-1106, each right or wrong",
        "Apache-2.0",
        "lm-sys/RouteLLM, routellm/evals/gsm8k",
        "llmops datasets convert routellm-gsm8k routellm/ -o gsm8k.csv",
    ),
    PublicData(
        "tau-bench",
        "200 airline-support conversations of a gpt-4o agent with tools, without times or usage",
        "MIT",
        "sierra-research/tau-bench, historical_trajectories",
        "llmops datasets convert tau-bench gpt-4o-airline.json -o tau-bench.jsonl",
    ),
)


def make(name: str, seed: int = 0) -> bytes:
    """The bytes of a data set; the same name and seed give the same content.

    Raises:
        KeyError: no data set of that name.
    """
    dataset = DATASETS[name]
    content = dataset.build(seed).encode()
    return gzip.compress(content, mtime=0) if dataset.file.endswith(".gz") else content
