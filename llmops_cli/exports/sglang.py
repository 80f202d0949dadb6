"""A plan of speculation as arguments of SGLang's server."""

from typing import Any

from llmops_cli.speculation.settings import SpeculationPlan

__all__ = ["sglang_speculative"]

_ALGORITHMS = {
    "eagle3": "EAGLE3", "eagle": "EAGLE", "mtp": "EAGLE", "draft_model": "STANDALONE",
    "ngram": "NGRAM", "medusa": "EAGLE",
}  # fmt: skip
_METHODS = {"ngram": "ngram", "chain": "draft_model", "tree": "eagle", "parallel": "eagle"}


def sglang_speculative(plan: SpeculationPlan) -> str:
    """The settings as YAML, as ``sglang.launch_server --config`` reads them.

    Source:
        sgl-project/sglang, server arguments; pull requests 21599 and 24055 for depths that adapt.
    """
    import yaml  # noqa: PLC0415 - only a written export pays for it

    if plan.off_above == 0:
        return (
            f"# SGLang: speculation with {plan.draft} does not pay at any batch; nothing is set.\n"
            "{}\n"
        )
    algorithm = _ALGORITHMS.get(plan.method or _METHODS[plan.kind], "STANDALONE")
    asked: dict[str, Any] = {"speculative-algorithm": algorithm}
    if plan.model:
        asked["speculative-draft-model-path"] = plan.model
    if algorithm != "NGRAM":
        asked["speculative-num-steps"] = plan.drafted_tokens
        asked["speculative-eagle-topk"] = max(plan.levels[:1], default=1)
    asked["speculative-num-draft-tokens"] = 1 + (sum(plan.levels) or plan.drafted_tokens)
    body = yaml.safe_dump(asked, sort_keys=False, width=100)
    return "".join(f"# {line}\n" for line in _remarks(plan)) + body


def _remarks(plan: SpeculationPlan) -> list[str]:
    told = [f"SGLang: {plan.drafted_tokens} tokens of {plan.draft} for {plan.target}."]
    if plan.drafting[0][0] > 1 or len(plan.drafting) > 1:
        runs = " and ".join(f"{first} to {last}" for first, last in plan.drafting)
        told += [
            f"It pays at {runs} running requests only, and these arguments have no switch for",
            "that: speculative-adaptive changes the depth, no more.",
        ]
    elif plan.off_above is not None:
        told += [
            f"It stops paying above {plan.off_above} running requests, and these arguments have no",
            "switch for that: speculative-adaptive changes the depth, no more.",
        ]
    return told
