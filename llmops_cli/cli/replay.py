"""``llmops replay``: logged prompts asked again of another model, provider or prompt version."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from llmops_cli.cli.cassette_option import CassetteOption, RecordModeOption, record_mode_of
from llmops_cli.cli.judge_settings import usage_error
from llmops_cli.cli.logs import Logs, bad_row_findings, read_logs
from llmops_cli.cli.options import PathsArgument, Shared, check_writable, command
from llmops_cli.cli.otlp_option import EndpointOption, endpoint_of, not_exported
from llmops_cli.cli.show import STDOUT, counted, finish, say
from llmops_cli.cli.text_file import text_of
from llmops_cli.errors import ExitCode, LlmopsError
from llmops_cli.report import Finding

if TYPE_CHECKING:
    from llmops_cli.calls import CallsTable
    from llmops_cli.cli.replay_run import Plan
    from llmops_cli.live import Prompted, Wanted

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
    plan: Annotated[
        Path | None,
        typer.Option(
            "--plan",
            metavar="FILE",
            help="Chain and policy that simulate-failover planned, instead of --model.",
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
    context_window: Annotated[
        list[str] | None,
        typer.Option(
            "--context-window",
            metavar="MODEL=TOKENS",
            help="Prompt and answer a model takes; longer ones are not sent to it; repeatable.",
            show_default="as planned or known",
        ),
    ] = None,
    max_output_tokens: Annotated[
        int, typer.Option("--max-output-tokens", metavar="N", min=1, help="Of one answer.")
    ] = 1024,
    concurrency: Annotated[
        int, typer.Option("--concurrency", metavar="N", min=1, max=256, help="Prompts in flight.")
    ] = 4,
    max_attempts: Annotated[
        int | None,
        typer.Option(
            "--max-attempts",
            metavar="N",
            min=1,
            help="Requests at one provider.",
            show_default="3, or as planned",
        ),
    ] = None,
    timeout: Annotated[
        float | None,
        typer.Option(
            "--timeout",
            metavar="SECONDS",
            min=0.001,
            help="Of one request.",
            show_default="120.0, or as planned",
        ),
    ] = None,
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
    cassette: CassetteOption = None,
    record_mode: RecordModeOption = "",
    otlp_endpoint: EndpointOption = "",
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
    follows from it: a run may be killed anywhere and goes on with --resume. A call is noted in
    OUTPUT.inflight before it is sent: if the run is killed, the next one counts it against the
    cap at the most it can have cost. A prompt goes only to those of the chain that can take it,
    by their API and context window, and is not sent where nobody can; both are counted. Exits 4
    when the cap leaves prompts unanswered, 5 when the providers fail.

    With --cassette nothing is sent unless --record-mode says so: recorded answers give the same
    spans again, without key, connection or cost, and a prompt without one is refused. A cassette
    holds answers, no prompts and no keys, readable by its owner; llmops schema cassette.
    """
    from llmops_cli.cli.replay_chain import Patience, chain_of, planned_chain
    from llmops_cli.cli.replay_reports import estimate
    from llmops_cli.cli.replay_run import Plan, run, would_ask
    from llmops_cli.live import ReplaySettings, Wanted

    if output == STDOUT:
        hint = "what is asked for must outlive the run: give a file"
        raise usage_error("replay-to-stdout", "answers go to a file", hint)
    if output is not None:
        check_writable(output)
    mode, endpoint = record_mode_of(record_mode, cassette, output), endpoint_of(otlp_endpoint)
    if plan is not None and model:
        hint = "leave one of them out"
        raise usage_error("replay-two-chains", "--plan and --model both say who is asked", hint)
    patience = Patience(attempts=max_attempts, timeout_s=timeout, first_token_s=first_token)
    given = base_url or [], context_window or [], price_as, patience
    chain = chain_of(model or [], *given) if plan is None else planned_chain(plan, *given)
    traffic = read_logs(paths, logs, shared, keep_content=True)
    another = None
    if system is not None:
        another = text_of(system, "prompt-unreadable", "the prompt", exit_code=ExitCode.USAGE)
    wanted = Wanted(chain.deployments, another, max_output_tokens)
    prompts, refused = _prompts(traffic.calls, wanted, sample, shared.seed)
    settings = ReplaySettings(
        policy=chain.policy,
        max_output_tokens=max_output_tokens,
        concurrency=concurrency,
        keep_content=keep_content,
    )
    common: dict[str, Any] = {
        "inputs": traffic.files,
        "parameters": {
            "models": chain.names,
            "max_usd": max_usd,
            "max_output_tokens": max_output_tokens,
            "sample": sample,
            "seed": shared.seed,
        },
        "findings": bad_row_findings(traffic.bad_rows) + refused,
    }
    replayed = Plan(
        prompts=prompts,
        chain=chain,
        settings=settings,
        system=another,
        cap_usd=max_usd,
        output=output,
        resume=resume,
        cassette=cassette,
        record_mode=mode,
        endpoint=endpoint,
    )
    if dry_run:
        finish(estimate(replayed, would_ask(replayed), **common), shared)
    _run(replayed, common, shared, run)


def _run(plan: "Plan", common: dict[str, Any], shared: Shared, run: Any) -> None:
    from llmops_cli.cli.replay_reports import provider_failed, summary

    outcome = run(plan, shared)
    for finding in not_exported(outcome.exported):
        say(shared, f"llmops: warning: {finding.message}")
    if outcome.failed:
        raise provider_failed(outcome)
    say(shared, f"llmops: spans in {plan.output}")
    finish(summary(outcome, plan, **common), shared)


def _prompts(
    calls: "CallsTable", wanted: "Wanted", sample: int | None, seed: int
) -> tuple["list[Prompted]", tuple[Finding, ...]]:
    from llmops_cli.cli.replay_prompts import problems, why_none
    from llmops_cli.live import prompts_of, sampled

    prompts = prompts_of(calls, wanted)
    if not prompts.found:
        raise LlmopsError(
            "replay-nothing-moves",
            f"none of {counted(prompts.every, 'prompt')} can be sent: {why_none(prompts)}",
            hint="--model of the API that the log is in asks them as they are",
            field="content",
        )
    return sampled(prompts.found, sample, seed), problems(prompts)


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
            (
                "llmops replay logs/ --model openai/gpt-4.1-mini -o shadow.jsonl "
                "--cassette ci.cassette.jsonl --record-mode once"
            ),
        ),
    )(replay)
