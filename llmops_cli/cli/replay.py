"""``llmops replay``: logged prompts asked again of another model, provider or prompt version."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from llmops_cli.cli.judge_settings import price_of, usage_error
from llmops_cli.cli.logs import Logs, bad_row_findings, read_logs
from llmops_cli.cli.options import PathsArgument, Shared, check_writable, command
from llmops_cli.cli.show import STDOUT, counted, finish, say
from llmops_cli.cli.text_file import text_of
from llmops_cli.errors import ExitCode, LlmopsError
from llmops_cli.report import Finding

if TYPE_CHECKING:
    from llmops_cli.calls import CallsTable
    from llmops_cli.cli.replay_run import Plan
    from llmops_cli.live import Prompted

__all__ = ["register", "replay"]

_DEFAULT_CAP_USD = 1.0


def replay(
    paths: PathsArgument,
    *,
    model: Annotated[
        list[str] | None,
        typer.Option(
            "--model",
            metavar="PROVIDER/NAME",
            help="Who answers; repeat for fallbacks, in order.",
            show_default=False,
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="PATH",
            help="OpenTelemetry spans of every request, as JSON lines.",
            show_default=False,
        ),
    ] = None,
    base_url: Annotated[
        list[str] | None,
        typer.Option(
            "--base-url",
            metavar="PROVIDER=URL",
            help="Another server that speaks a provider's API; repeatable.",
            show_default=False,
        ),
    ] = None,
    system: Annotated[
        Path | None,
        typer.Option(
            "--system",
            metavar="FILE",
            help="Another system prompt.",
            show_default="the logged one",
        ),
    ] = None,
    sample: Annotated[
        int | None,
        typer.Option(
            "--sample",
            metavar="N",
            min=1,
            help="So many prompts, of each task class its share.",
            show_default="all",
        ),
    ] = None,
    max_usd: Annotated[
        float,
        typer.Option(
            "--max-usd", metavar="USD", min=0.0, help="Never spend more, all runs together."
        ),
    ] = _DEFAULT_CAP_USD,
    price_as: Annotated[
        str,
        typer.Option(
            "--price-as",
            metavar="MODEL",
            help="Price every model as this one, for servers of your own.",
            show_default="each as itself",
        ),
    ] = "",
    max_output_tokens: Annotated[
        int, typer.Option("--max-output-tokens", metavar="N", min=1, help="Of one answer.")
    ] = 1024,
    concurrency: Annotated[
        int, typer.Option("--concurrency", metavar="N", min=1, max=256, help="Prompts in flight.")
    ] = 4,
    max_attempts: Annotated[
        int, typer.Option("--max-attempts", metavar="N", min=1, help="Requests at one provider.")
    ] = 3,
    timeout: Annotated[
        float, typer.Option("--timeout", metavar="SECONDS", min=0.001, help="Of one request.")
    ] = 120.0,
    first_token: Annotated[
        float | None,
        typer.Option(
            "--first-token",
            metavar="SECONDS",
            min=0.001,
            help="Move on when nothing of an answer has come by then.",
            show_default=False,
        ),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on in the output of a run that ended early.")
    ] = False,
    keep_content: Annotated[
        bool, typer.Option("--keep-content", help="Keep prompts and answers in the spans.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what it would cost; send nothing.")
    ] = False,
    logs: Logs,
    shared: Shared,
) -> None:
    """Ask logged prompts again.

    Shadow answers for judge-eval, simulate-tiers and simulate-rollout: every prompt once, within
    a dollar cap, with retries and fallbacks by the policy that simulate-failover plays.

    Keys come from ANTHROPIC_API_KEY and OPENAI_API_KEY. An answer is on the disk before anything
    follows from it: a run may be killed anywhere and goes on with --resume. Prompts that cannot
    move to the other API are counted and not sent. Exits 4 when the cap leaves prompts
    unanswered, 5 when the providers fail.
    """
    from llmops_cli.cli.replay_reports import estimate
    from llmops_cli.cli.replay_run import Plan, run
    from llmops_cli.failover.policy import Backoff, FailoverPolicy
    from llmops_cli.live import ReplaySettings

    if output == STDOUT:
        hint = "what is asked for must outlive the run: give a file"
        raise usage_error("replay-to-stdout", "answers go to a file", hint)
    if output is not None:
        check_writable(output)
    chosen = _targets(model or [], base_url or [])
    traffic = read_logs(paths, logs, shared, keep_content=True)
    another = None
    if system is not None:
        another = text_of(system, "prompt-unreadable", "the prompt", exit_code=ExitCode.USAGE)
    prompts, refused = _prompts(traffic.calls, chosen, another, sample, shared.seed)
    policy = FailoverPolicy(
        timeout_s=timeout,
        first_token_s=first_token,
        backoff=Backoff(attempts=max_attempts),
    )
    settings = ReplaySettings(
        policy=policy,
        max_output_tokens=max_output_tokens,
        concurrency=concurrency,
        keep_content=keep_content,
    )
    common: dict[str, Any] = {
        "inputs": traffic.files,
        "parameters": {
            "models": ", ".join(f"{item[0]}/{item[1]}" for item in chosen),
            "max_usd": max_usd,
            "max_output_tokens": max_output_tokens,
            "sample": sample,
            "seed": shared.seed,
        },
        "findings": bad_row_findings(traffic.bad_rows) + refused,
    }
    plan = Plan(
        prompts=prompts,
        targets=chosen,
        prices=tuple(
            price_of(name, price_as, "" if url else provider, needed=True)
            for provider, name, url in chosen
        ),
        settings=settings,
        system=another,
        cap_usd=max_usd,
        output=output,
        resume=resume,
    )
    if dry_run:
        finish(estimate(plan, **common), shared)
    _run(plan, common, shared, run)


def _run(plan: "Plan", common: dict[str, Any], shared: Shared, run: Any) -> None:
    from llmops_cli.cli.replay_reports import provider_failed, summary

    outcome = run(plan, shared)
    if outcome.failed:
        raise provider_failed(outcome)
    say(shared, f"llmops: spans in {plan.output}")
    finish(summary(outcome, plan.cap_usd, **common), shared)


def _targets(models: list[str], urls: list[str]) -> tuple[tuple[str, str, str | None], ...]:
    from llmops_cli.live import PROVIDERS

    if not models:
        hint = "--model anthropic/claude-haiku-4-5"
        raise usage_error("replay-no-model", "nobody is asked: --model is missing", hint)
    known: dict[str, str] = {}
    for text in urls:
        provider, _, url = text.partition("=")
        if provider not in PROVIDERS or not url:
            hint = f"--base-url {next(iter(PROVIDERS))}=http://localhost:8000"
            raise usage_error("replay-bad-url", f"'{text}' is not PROVIDER=URL", hint)
        known[provider] = url
    found: list[tuple[str, str, str | None]] = []
    for text in models:
        provider, _, name = text.partition("/")
        if provider not in PROVIDERS or not name:
            hint = f"one of {', '.join(f'{item}/…' for item in PROVIDERS)}"
            raise usage_error("replay-bad-model", f"'{text}' is not PROVIDER/NAME", hint)
        found.append((provider, name, known.get(provider)))
    return tuple(found)


def _prompts(
    calls: "CallsTable",
    targets: tuple[tuple[str, str, str | None], ...],
    system: str | None,
    sample: int | None,
    seed: int,
) -> tuple["list[Prompted]", tuple[Finding, ...]]:
    from llmops_cli.failover.portability import WORDS
    from llmops_cli.live import prompts_of, sampled

    found, refused, every = prompts_of(calls, [provider for provider, _, _ in targets], system)
    if not found:
        why = ", ".join(WORDS[slug] for slug, _ in refused.most_common(2))
        raise LlmopsError(
            "replay-nothing-moves",
            f"none of {counted(every, 'prompt')} can be sent: {why}",
            hint="--model of the API that the log is in asks them as they are",
            field="content",
        )
    findings = tuple(
        Finding(
            slug=f"replay-{slug}",
            severity="warning",
            message=f"{WORDS[slug]} does not move to the other API; the prompt is not sent",
            count=count,
        )
        for slug, count in sorted(refused.items())
    )
    return sampled(found, sample, seed), findings


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    command(
        app,
        "replay",
        examples=(
            "llmops replay logs/ --model anthropic/claude-haiku-4-5 -o shadow.jsonl --max-usd 5",
            "llmops replay logs/ --model openai/gpt-4.1-mini --sample 200 --dry-run",
            (
                "llmops replay logs/ --model openai/gpt-4.1 --model anthropic/claude-haiku-4-5 "
                "-o shadow.jsonl --resume"
            ),
        ),
    )(replay)
