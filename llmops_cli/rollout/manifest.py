"""What an Argo Rollouts or Flagger manifest does: its weights, and what it goes back on.

Only what its own fields say; what it asks a metrics server for in other words is named, and left
out.
"""

from dataclasses import dataclass
from typing import Any

from llmops_cli.errors import LlmopsError
from llmops_cli.rollout.manifest_argo import read_argo
from llmops_cli.rollout.manifest_fields import NotWhatItIsForError
from llmops_cli.rollout.manifest_flagger import read_flagger
from llmops_cli.rollout.manifest_rules import STEP_S, ErrorRule, Found

__all__ = ["ErrorRule", "Manifest", "read_manifest"]


@dataclass(frozen=True, slots=True)
class Manifest:
    """A rollout as its manifest has it.

    Attributes:
        controller: Argo Rollouts or Flagger.
        steps: share of traffic and seconds, in order; the last share is below 1.
        rules: that send it back.
        left_out: what is not rehearsed, each in words.
    """

    controller: str
    steps: tuple[tuple[float, float], ...]
    rules: tuple[ErrorRule, ...]
    left_out: tuple[str, ...]


def read_manifest(text: str, *, source: str, waits_s: float = STEP_S) -> Manifest:
    """Read a Rollout with its AnalysisTemplates, or a Canary, from one YAML file.

    Args:
        text: of the file.
        source: what to call it in an error.
        waits_s: how long a step lasts that waits for a person or a gate.

    Raises:
        LlmopsError: ``manifest-not-yaml``, ``manifest-unknown``, ``manifest-bad-field``,
            ``manifest-no-steps``, ``manifest-no-errors``.
    """
    import yaml  # noqa: PLC0415 - only a manifest pays for it

    try:
        documents = [item for item in yaml.safe_load_all(text) if isinstance(item, dict)]
    except yaml.YAMLError as error:
        raise LlmopsError("manifest-not-yaml", "this is not YAML", file=source) from error
    try:
        controller, found = _found(documents, waits_s)
    except NotWhatItIsForError as error:
        raise LlmopsError(
            "manifest-bad-field",
            f"this is not {error.wanted}",
            hint="write what the controller will see, as its templates are not filled in here",
            file=source,
            field=error.field,
        ) from error
    if found is None:
        raise LlmopsError(
            "manifest-unknown",
            "there is neither an Argo Rollout nor a Flagger Canary in it",
            hint="give the Rollout and its AnalysisTemplate in one file",
            file=source,
        )
    if not found.steps:
        raise LlmopsError(
            "manifest-no-steps",
            "it gives the new version no share of traffic that it looks at",
            file=source,
        )
    if not found.rules:
        raise LlmopsError(
            "manifest-no-errors",
            "it has no rule of an error or success rate that can be read",
            hint="name the metric by what it is, as error-rate, and compare it with a number",
            file=source,
        )
    return Manifest(controller, found.steps, found.rules, found.left_out)


def _found(documents: list[dict[str, Any]], waits_s: float) -> tuple[str, Found | None]:
    kinds = {str(item.get("kind")): item for item in documents}
    if "Canary" in kinds:
        return "Flagger", read_flagger(kinds["Canary"], documents, waits_s)
    if "Rollout" in kinds:
        return "Argo Rollouts", read_argo(kinds["Rollout"], documents, waits_s)
    return "", None
