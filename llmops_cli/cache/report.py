"""An estimate becomes a Report: the answer in a sentence, spend by class, leaks, the gate."""

from dataclasses import asdict

from llmops_cli.cache import evidence_report
from llmops_cli.cache.crossings import crossing_explanations, crossing_table
from llmops_cli.cache.estimate import Estimate, Outcome
from llmops_cli.cache.explain import explanations
from llmops_cli.cache.explain_evidence import evidence_explanations
from llmops_cli.cache.findings import own_findings
from llmops_cli.cache.headline import headline
from llmops_cli.cache.model import AS_LOGGED, LABELS, NONE, POLICIES
from llmops_cli.calls import TOKEN_CLASSES
from llmops_cli.report import Check, Column, Finding, Measure, Report, Scalar, Table

__all__ = ["report_on"]


def report_on(
    figures: Estimate, *, inputs: tuple[str, ...] = (), findings: tuple[Finding, ...] = ()
) -> Report:
    """The report of one estimate; ``findings`` are those of the reader of the log."""
    return Report(
        command="cache-estimate",
        title="What prompt caching saves",
        headline=headline(figures),
        inputs=inputs,
        parameters=_parameters(figures),
        measures=_measures(figures),
        checks=_checks(figures),
        tables=_tables(figures),
        findings=(*findings, *own_findings(figures), *evidence_report.findings(figures)),
        explanations=(
            *explanations(figures),
            *evidence_explanations(figures),
            *crossing_explanations(figures.crossings),
        ),
    )


def _parameters(figures: Estimate) -> dict[str, Scalar]:
    given = {name: value for name, value in asdict(figures.given).items() if name != "on"}
    for name in ("providers", "assume"):
        given[name] = " ".join(given[name]) or None
    on = figures.given.on
    return {
        **given,
        "policy": figures.target,
        "price_as": figures.given.price_as or None,
        "on": on.isoformat() if on else None,
    }


def _measures(figures: Estimate) -> tuple[Measure, ...]:
    policy, baseline = figures.outcomes[figures.target], figures.outcomes[figures.baseline]
    none, least = figures.outcomes[NONE].input_usd, figures.least_usd
    calls, label = figures.trace.calls, LABELS[figures.target]
    taken = (none - policy.input_usd) / (none - least) if none > least else None
    billed = figures.billed or figures.outcomes[AS_LOGGED]
    return (
        figures.saving,
        _sum("saving_usd", "input spend saved, USD", baseline.input_usd - policy.input_usd, calls),
        _sum("input_usd", f"input spend, {label}", policy.input_usd, calls),
        _sum("baseline_usd", f"input spend, {LABELS[figures.baseline]}", baseline.input_usd, calls),
        _policy_hit_rate(figures),
        _share(
            "hit_rate_today",
            "input read from cache, " + ("as billed" if figures.billed else "logged markers"),
            _hit_rate(billed),
            calls,
        ),
        _share("achieved", "share of the achievable saving taken", taken, calls),
        _sum("output_usd", "output spend, whatever the policy", _output(figures), calls),
        *evidence_report.measures(figures),
    )


def _policy_hit_rate(figures: Estimate) -> Measure:
    label = f"input read from cache, {LABELS[figures.target]}"
    return evidence_report.target_hit_rate(figures, label)


def _output(figures: Estimate) -> float | None:
    # A log without usage says nothing about its answers: unknown is not free.
    output = figures.outcomes[NONE]
    unknown = figures.facts["estimated"] and not output.tokens[:, 4].any()
    return None if unknown else float(output.usd[:, 4].sum())


def _sum(name: str, label: str, value: float | None, n: int) -> Measure:
    return Measure(name=name, value=value, unit="usd", n=n, method="sum over calls", label=label)


def _share(name: str, label: str, value: float | None, n: int) -> Measure:
    method = "ratio of sums over calls"
    return Measure(name=name, value=value, unit="share", n=n, method=method, label=label)


def _hit_rate(outcome: Outcome) -> float:
    return float(outcome.tokens[:, 1].sum()) / max(outcome.input_tokens, 1)


def _checks(figures: Estimate) -> tuple[Check, ...]:
    more = evidence_report.checks(figures, _policy_hit_rate(figures))
    bound = figures.given.min_saving
    return more if bound is None else (_saving_check(figures, bound), *more)


def _saving_check(figures: Estimate, bound: float) -> Check:
    saving = figures.saving
    value, low, n = saving.value or 0.0, saving.low or 0.0, saving.n or 0
    half, distance = value - low, abs(value - bound)
    more = (half / distance) ** 2 if distance > 0 else float("inf")
    needed = (
        f"about {max(round(n * more), n + 1):,} conversations instead of {n:,}, at this spread"
        if n > 1 and more < 1e4  # noqa: PLR2004 - beyond that no log will ever decide
        else "traffic of more conversations, or a gate further from the estimate"
    )
    return Check.at_least("min_saving", saving, bound, needed=needed)


def _tables(figures: Estimate) -> tuple[Table, ...]:
    leaks = evidence_report.leak_table(figures, LABELS[figures.target])
    more = evidence_report.tables(figures)
    # What was asked for with an option comes before what is always there.
    crossed = (crossing_table(figures.crossings),) if figures.crossings else ()
    lost = (leaks,) if leaks.rows else ()
    tables = (_spend(figures), *crossed, *lost, *more, _models(figures), _tokens(figures))
    return (*tables, _elsewhere(figures)) if len(figures.elsewhere) else tables


def _spend(figures: Estimate) -> Table:
    none = figures.outcomes[NONE].input_usd
    rows: list[tuple[Scalar, ...]] = []
    if figures.billed is not None:
        rows.append(_spend_row("as billed, by the log", figures.billed, none))
    spends = [_spend_row(LABELS[name], figures.outcomes[name], none) for name in POLICIES]
    least = figures.least_usd
    bound = ("least possible", *(None,) * 4, least, least / none if none else None)
    # What needs no markers of one's own, and the bound, come before the placements.
    rows += [*spends[:4], bound, *spends[4:]]
    names = ("fresh", "read", "write 5 min", "write 1 h", "input")
    return Table(
        name="spend",
        title="Input spend by token class",
        columns=(
            Column(name="policy", label="policy"),
            *(Column(name=f"{n.replace(' ', '_')}_usd", label=n, unit="usd") for n in names),
            Column(name="of_uncached", label="of uncached", unit="share"),
        ),
        rows=tuple(rows),
        note="least possible: both lifetimes, perfect foresight, any number of breakpoints"
        "; best 4: markers chosen knowing this log",
    )


def _spend_row(label: str, outcome: Outcome, none: float) -> tuple[Scalar, ...]:
    by_class = outcome.input_usd_by_class.tolist()
    return (label, *by_class, outcome.input_usd, outcome.input_usd / none if none else None)


def _models(figures: Estimate) -> Table:
    rows: list[tuple[Scalar, ...]] = []
    shown = (NONE, AS_LOGGED, figures.target)
    for model in sorted(set(figures.models)):
        mine = figures.models == model
        usd = [float(figures.outcomes[name].usd[mine, :4].sum()) for name in shown]
        before = usd[0] if figures.target == AS_LOGGED else usd[1]
        saved = 1 - usd[2] / before if before else None
        rows.append((str(model), int(mine.sum()), *usd, saved))
    return Table(
        name="models",
        title="Input spend by model",
        columns=(
            Column(name="model", label="model"),
            Column(name="calls", label="calls", unit="count"),
            Column(name="uncached_usd", label="no caching", unit="usd"),
            Column(name="logged_usd", label="logged markers", unit="usd"),
            Column(name="policy_usd", label=LABELS[figures.target], unit="usd"),
            Column(name="saving", label="saved", unit="share"),
        ),
        rows=tuple(rows),
    )


def _tokens(figures: Estimate) -> Table:
    rows: list[tuple[Scalar, ...]] = []
    if figures.billed is not None:
        rows.append(("as billed, by the log", *figures.billed.tokens.sum(axis=0).tolist()))
    rows += [
        (LABELS[name], *figures.outcomes[name].tokens.sum(axis=0).tolist()) for name in POLICIES
    ]
    labels = ("fresh", "read", "write 5 min", "write 1 h", "output")
    return Table(
        name="tokens",
        title="Tokens by class",
        columns=(
            Column(name="policy", label="policy"),
            *(
                Column(name=name, label=label, unit="tokens")
                for name, label in zip(TOKEN_CLASSES, labels, strict=True)
            ),
        ),
        rows=tuple(rows),
    )


def _elsewhere(figures: Estimate) -> Table:
    rows = [
        (str(provider), str(model), int(calls), *(int(count) for count in counts), float(usd))
        for provider, model, calls, *counts, usd in figures.elsewhere.itertuples(index=False)
    ]
    labels = ("fresh", "read", "write 5 min", "write 1 h", "output")
    return Table(
        name="elsewhere",
        title="Calls outside the replay, as billed",
        columns=(
            Column(name="provider", label="provider"),
            Column(name="model", label="model"),
            Column(name="calls", label="calls", unit="count"),
            *(
                Column(name=name, label=label, unit="tokens")
                for name, label in zip(TOKEN_CLASSES, labels, strict=True)
            ),
            Column(name="usd", label="spend", unit="usd"),
        ),
        rows=tuple(rows),
        note="a dash in spend: no price is known",
    )
