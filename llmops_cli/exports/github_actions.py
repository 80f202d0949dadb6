"""A rollout plan as a GitHub Actions workflow: look every hour, and act on what check-rollout says.

The one target that takes the plan's decisions as they are; what moves traffic and what fetches
the sums of both versions are two scripts of the user's own.
"""

import itertools
from typing import Any

from llmops_cli.exports.rollout_file import RolloutFile, rollout_file, stages_in_words
from llmops_cli.rollout.model import Plan, Stage

__all__ = ["github_workflow"]

_LOOK = """\
percent=$(cat rollout/percent)
case "$percent" in
{next}
  *) echo "no rollout is running: rollout/percent says $percent"; exit 0 ;;
esac
./rollout/fetch-sums "$percent" > "$RUNNER_TEMP/sums.csv"
code=0
llmops check-rollout "$RUNNER_TEMP/sums.csv" --plan rollout/plan.yaml --stage "$percent" \\
  --state rollout/state.json -f github -f markdown="$GITHUB_STEP_SUMMARY" || code=$?
case "$code" in
  0) ./rollout/set-percent "$next"; echo "$after" > rollout/percent ;;
  1) ./rollout/set-percent 0; echo rolled-back > rollout/percent ;;
  4) echo "hold" ;;
  *) exit "$code" ;;
esac
"""

_REMEMBER = """\
git config user.name "github-actions[bot]"
git config user.email "41898282+github-actions[bot]@users.noreply.github.com"
git add rollout
git diff --cached --quiet || { git commit -m "Rollout: $(cat rollout/percent)" && git push; }
"""


def github_workflow(plan: Plan) -> RolloutFile:
    """The workflow; the plan itself is expected at rollout/plan.yaml.

    Source:
        GitHub Actions, workflow syntax: ``schedule``, ``concurrency``; exit codes of
        ``llmops check-rollout``: 0 promote, 4 hold, 1 roll back.
    """
    first = _word(plan.steps[0])
    notes = [
        "Put it at .github/workflows/rollout.yaml, and beside it in the repository:",
        "  rollout/plan.yaml     the plan: llmops plan-rollout LOG -o rollout/plan.yaml",
        f"  rollout/percent       the stage that runs; begin with {first} when it has its traffic",
        "  rollout/fetch-sums    prints the sums of both versions at a stage, as CSV",
        "  rollout/set-percent   gives the new version that much of the traffic; 0 goes back",
        *_copies(plan),
        *stages_in_words(plan),
    ]
    warnings = [
        (
            "GitHub moves no traffic and measures none: the two scripts are yours, on top of one "
            "of the other exports or of your own router."
        ),
        (
            "Scheduled runs come late, or not at all on a busy day, and a harm waits for the next "
            "one. The boundaries hold however often and whenever one looks, so no more than that "
            "is lost."
        ),
    ]
    if any(stage.maximum_s is None for stage in plan.stages):
        warnings.append(
            "A stage that stays undecided holds for ever: nothing in the plan says when to give up."
        )
    title = "GitHub Actions: check-rollout between the stages of a plan of llmops plan-rollout."
    return rollout_file(title, notes, warnings, [_workflow(plan)])


def _word(stage: Stage) -> str:
    """What check-rollout calls a stage."""
    return "shadow" if stage.shadow else f"{stage.percent:g}"


def _copies(plan: Plan) -> list[str]:
    if plan.shadow is None:
        return []
    share = f"{plan.shadow.percent:g} %"
    return [f"  shadow: copy {share} of requests to the new version first; set-percent ends it"]


def _workflow(plan: Plan) -> dict[str, Any]:
    steps = [
        {"uses": "actions/checkout@v4"},
        {"uses": "actions/setup-python@v5", "with": {"python-version": "3.11"}},
        {"run": "pip install llmops-cli"},
        {"name": "Look, and act on it", "run": _LOOK.replace("{next}", _nexts(plan))},
        {"name": "Remember", "run": _REMEMBER},
    ]
    return {
        "name": "rollout",
        "on": {"schedule": [{"cron": "17 * * * *"}], "workflow_dispatch": {}},
        "permissions": {"contents": "write"},
        "concurrency": {"group": "rollout", "cancel-in-progress": False},
        "jobs": {"look": {"runs-on": "ubuntu-latest", "steps": steps}},
    }


def _nexts(plan: Plan) -> str:
    percents = [_word(stage) for stage in plan.steps]
    nexts = [(this, after, after) for this, after in itertools.pairwise(percents)]
    # The last stage moves no traffic: everybody is on the new version already.
    nexts.append((percents[-1], percents[-1], "done"))
    return "\n".join(f"  {this}) next={to}; after={then} ;;" for this, to, then in nexts)
