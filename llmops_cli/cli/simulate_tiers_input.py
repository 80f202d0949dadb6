"""What simulate-tiers reads: outcome tables or logs, priced again where that is asked for."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import TYPE_CHECKING

from llmops_cli.cli.logs import Logs, bad_row_findings, read_logs, say_bad_rows
from llmops_cli.cli.options import Shared, suggestion
from llmops_cli.errors import ExitCode, LlmopsError
from llmops_cli.report import Finding

if TYPE_CHECKING:
    from llmops_cli.tiers import Outcomes
    from llmops_cli.traffic.outcomes import OutcomeColumns, OutcomeTable

__all__ = ["Asked", "Read", "amounts_of", "option_twice", "pairs_of", "read_input"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """How outcomes are read.

    Attributes:
        columns: of tables.
        costs: US dollars of any request of a model, where no file says.
        prices: whether costs are computed from tokens.
        price_as: names in the price book, by our name.
        on: day of the prices.
    """

    columns: "OutcomeColumns"
    costs: tuple[tuple[str, float], ...]
    prices: bool
    price_as: tuple[tuple[str, str], ...]
    on: date


@dataclass(frozen=True, slots=True, eq=False)
class Read:
    """What was read.

    Attributes:
        outcomes: the table.
        files: every file.
        findings: of the reading.
    """

    outcomes: "Outcomes"
    files: tuple[str, ...]
    findings: tuple[Finding, ...]


def read_input(paths: Sequence[str], asked: Asked, logs: Logs, shared: Shared) -> Read:
    """Read outcome tables, or logs of calls with evaluation scores.

    Raises:
        LlmopsError: what the readers and the price book refuse.
    """
    from llmops_cli.traffic.outcomes import looks_like_outcomes

    plain = logs.input_format == "auto" and looks_like_outcomes(paths, asked.columns)
    return _table(paths, asked, shared) if plain else _traffic(paths, asked, logs, shared)


def _table(paths: Sequence[str], asked: Asked, shared: Shared) -> Read:
    from llmops_cli.tiers.pricing import idle_costs, priced, with_costs
    from llmops_cli.traffic.outcomes import read_outcomes

    _check_heeded(asked)
    columns = replace(asked.columns, keep_tokens=asked.prices)
    table = read_outcomes(paths, columns, max_bad_rows=shared.max_bad_rows)
    say_bad_rows(table.bad_rows, shared)
    outcomes, said = _outcomes(table, columns), dict(asked.costs)
    if asked.prices:
        outcomes = priced(outcomes, table.tokens, dict(asked.price_as), asked.on, said.keys())
    findings = (*bad_row_findings(table.bad_rows), *idle_costs(outcomes, said))
    return Read(with_costs(outcomes, said), table.files, findings)


def _check_heeded(asked: Asked) -> None:
    """Refuse what a table would be read without a word about.

    Raises:
        LlmopsError: ``tiers-unknown-column``, ``tiers-price-as-alone``.
    """
    from llmops_cli.traffic.outcome_columns import NAMES, PER_MODEL

    known = [*NAMES, *PER_MODEL, "model"]
    for name in asked.columns.names:
        if name not in known:
            raise LlmopsError(
                "tiers-unknown-column",
                f"'{name}' is no column of an outcome table",
                hint=suggestion(name, known),
                exit_code=ExitCode.USAGE,
            )
    if asked.price_as and not asked.prices:
        raise LlmopsError(
            "tiers-price-as-alone",
            "--price-as names a model of the price book, and costs are taken as the table says",
            hint="add --prices to compute them from tokens",
            exit_code=ExitCode.USAGE,
        )


def _outcomes(table: "OutcomeTable", columns: "OutcomeColumns") -> "Outcomes":
    from llmops_cli.tiers import Outcomes

    return Outcomes(
        models=table.models,
        quality=table.quality,
        cost_usd=table.cost_usd,
        latency_s=table.latency_s,
        task=table.task,
        tasks=table.tasks,
        cluster=table.cluster,
        chosen=table.chosen,
        propensity=table.propensity,
        text=table.text,
        scores=tuple((name, table.scores[:, at]) for at, name in enumerate(columns.scores)),
    )


def _traffic(paths: Sequence[str], asked: Asked, logs: Logs, shared: Shared) -> Read:
    from llmops_cli.tiers.observed import outcomes_of_calls
    from llmops_cli.tiers.pricing import with_costs

    traffic = read_logs(paths, logs, shared)
    found = outcomes_of_calls(traffic.calls, dict(asked.price_as), dict(asked.costs))
    outcomes = with_costs(found.outcomes, dict(asked.costs))
    findings = (*bad_row_findings(traffic.bad_rows), *found.findings)
    return Read(outcomes, traffic.files, findings)


def pairs_of(given: Sequence[str] | None, option: str) -> tuple[tuple[str, str], ...]:
    """``NAME=VALUE`` pairs; a name may hold equals signs, a value may not.

    Raises:
        LlmopsError: ``option-not-a-pair``, ``option-twice``.
    """
    found = dict[str, str]()
    for text in given or ():
        name, mark, value = text.rpartition("=")
        if not (name and mark and value):
            raise _not_a_pair(text, option)
        if name in found:
            raise option_twice(option, name)
        found[name] = value
    return tuple(found.items())


def option_twice(option: str, name: str) -> LlmopsError:
    """The refusal of an option that says two things of one name, of which one would be lost."""
    of = f" of {name}" if name else ""
    return LlmopsError(
        "option-twice",
        f"{option} says two things{of}",
        hint="give it once",
        exit_code=ExitCode.USAGE,
    )


def amounts_of(given: Sequence[str] | None, option: str) -> tuple[tuple[str, float], ...]:
    """``NAME=NUMBER`` pairs.

    Raises:
        LlmopsError: ``option-not-a-pair``, ``option-twice``.
    """
    try:
        return tuple((name, float(value)) for name, value in pairs_of(given, option))
    except ValueError:
        raise _not_a_pair(", ".join(given or ()), option) from None


def _not_a_pair(text: str, option: str) -> LlmopsError:
    return LlmopsError(
        "option-not-a-pair",
        f"'{text}' is not what {option} takes",
        hint=f"{option} NAME=VALUE, once for each",
        exit_code=ExitCode.USAGE,
    )
