"""Every command: its name, the module that registers it, and the first line of its help.

``llmops --help`` lists these lines and loads no command; a test holds them equal to what the
commands say themselves.
"""

__all__ = ["COMMANDS"]

COMMANDS: dict[str, tuple[str, str]] = {
    "judge-eval": ("judge_eval", "Say whether a routing judge can be trusted."),
    "judge-plan": (
        "judge_plan",
        "Say how many labels decide whether a judge is reliable enough.",
    ),
    "judge-collect": ("judge_collect", "Ask a judge model for its verdicts."),
    "cache-estimate": ("cache_estimate", "Say what prompt caching saves."),
    "simulate-tiers": ("simulate_tiers", "Assign models to task classes."),
    "simulate-serving": ("simulate_serving", "Compare serving policies on a trace."),
    "plan-rollout": ("plan_rollout", "Plan a rollout in stages."),
    "simulate-rollout": ("simulate_rollout", "Rehearse a rollout on a log."),
    "check-rollout": (
        "check_rollout",
        "Decide on a stage of a rollout: promote (0), hold (4) or roll back (1).",
    ),
    "rollout-lint": ("rollout_lint", "Say how often an existing manifest rolls back for nothing."),
    "plan-speculation": (
        "plan_speculation",
        "Say whether speculative decoding pays: go, no-go, or not decided.",
    ),
    "simulate-failover": ("simulate_failover", "Replay outages and failover on a log."),
    "replay": ("replay", "Ask logged prompts again."),
    "describe": ("describe", "Show what a log holds."),
    "audit-traces": ("audit_traces", "Grade telemetry, and say what to mend first."),
    "ingest": ("ingest", "Write logs as one table, without prompts."),
    "show": ("show_report", "Render a saved report again."),
    "schema": ("schema", "Print a JSON Schema."),
    "config": ("config_command", "Print every setting and its origin."),
    "prices": ("prices", "Show what a model costs and how it caches; check the price book."),
    "datasets": ("datasets", "List, make and convert data to try things on."),
}
"""In the order of ``llmops --help``; each module has ``register(app)``."""
