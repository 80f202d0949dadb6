"""Prices as reports: what a model costs and how it caches, and whether the price book is sound."""

from collections.abc import Iterable
from datetime import date

from llmops_cli.cache.rules import CacheRules, Minimum, provider_names, provider_rules
from llmops_cli.errors import LlmopsError
from llmops_cli.prices import CLASSES, ClassPrices, Compared, Rates, multiplier_for
from llmops_cli.report import Check, Column, Measure, Report, Scalar, Table

__all__ = ["check_report", "rates_report"]


def rates_report(rates: Rates) -> Report:
    """What one model costs by token class, how it caches, and what a replay assumes of it."""
    known = f"${rates.input:g} per million input tokens" if rates.input is not None else "by class"
    caching = _caching(rates)
    assumed = _assumed(rates)
    return Report(
        command="prices",
        title="Price by token class",
        headline=f"{rates.model} by {rates.provider} on {rates.on}: {known}.",
        parameters={
            "model": rates.model,
            "provider": rates.provider,
            "on": rates.on.isoformat(),
            "service_tier": rates.service_tier,
        },
        tables=(_rates(rates), *(table for table in (caching, assumed) if table.rows)),
    )


def _rates(rates: Rates) -> Table:
    tiers = (("any" if not rates.long_prompts else _up_to(rates), rates), *_long(rates))
    return Table(
        name="rates",
        title="USD per million tokens",
        columns=(
            Column(name="prompt", label="prompt"),
            Column(name="class", label="class"),
            Column(name="usd_per_mtok", label="price", unit="usd"),
            Column(name="of_input", label="of input", unit="ratio"),
            Column(name="source", label="source"),
        ),
        rows=tuple(row for label, table in tiers for row in _rows(label, table, rates)),
    )


def _up_to(rates: Rates) -> str:
    return f"up to {rates.long_prompts[0][0]:,}"


def _long(rates: Rates) -> Iterable[tuple[str, ClassPrices]]:
    return ((f"over {start:,}", table) for start, table in rates.long_prompts)


def _rows(label: str, table: ClassPrices, rates: Rates) -> Iterable[tuple[Scalar, ...]]:
    for name in CLASSES:
        price: float | None = getattr(table, name)
        ratio = price / table.input if price is not None and table.input else None
        yield label, name.replace("_", " "), price, ratio, rates.sources.get(name, "no price known")


def _caching(rates: Rates) -> Table:
    declared = multiplier_for(rates.model, rates.provider, rates.on)
    rows, sources = list[tuple[Scalar, ...]](), list[str]()
    for rules, minimum in _serving(rates):
        lives = (life // 60_000_000 for life in (rules.life_5m_us, rules.life_1h_us) if life)
        lifetime = " or ".join(f"{minutes:,} min" for minutes in lives)
        rows.append((rules.label, minimum.tokens, lifetime, rules.isolation))
        sources.append(f"minimum: {minimum.source}, checked {minimum.checked_on}")
        sources.append(f"lifetime: {rules.source}, checked {rules.checked_on}")
    if declared is not None:
        named = (("read", declared.read), ("write", declared.write_5m), ("1 h", declared.write_1h))
        said = ", ".join(f"{name} {value:g}x" for name, value in named if value is not None)
        sources.append(f"declared of input: {said} ({declared.source})")
    return Table(
        name="caching",
        title="Prompt cache",
        columns=(
            Column(name="rules", label="rules"),
            Column(name="minimum_tokens", label="minimum", unit="tokens"),
            Column(name="lifetime", label="lifetime"),
            Column(name="isolation", label="shared inside one"),
        ),
        rows=tuple(rows),
        note="; ".join(dict.fromkeys(sources)),
    )


def _assumed(rates: Rates) -> Table:
    return Table(
        name="assumed",
        title="What the replay assumes because nobody documents it",
        columns=(
            Column(name="rules", label="rules"),
            Column(name="what", label="what"),
            Column(name="taken", label="taken"),
            Column(name="why", label="why"),
        ),
        rows=tuple(
            (rules.label, knob.name, str(knob.default), knob.why)
            for rules, _ in _serving(rates)
            for knob in rules.knobs.values()
        ),
    )


def _serving(rates: Rates) -> Iterable[tuple[CacheRules, Minimum]]:
    # Rules of this seller that cache this model, with the model's own minimum.

    for rules in map(provider_rules, provider_names()):
        if rules.prices_of == rates.provider and rules.serve(rates.model):
            try:
                yield rules, rules.minimum(rates.model)
            except LlmopsError:
                continue


def check_report(found: Compared, day: date) -> Report:
    """Whether every price keeps the multiple its provider declares; the check is the verdict."""
    off = Measure(
        name="off",
        value=len(found.deviations),
        unit="count",
        n=found.prices,
        method="count",
        label="prices or rows that are off",
    )
    compared = f"{found.prices:,} cache prices on {day} against their declared multiples of input"
    result = "all keep them" if not found.deviations else f"{len(found.deviations):,} are off"
    return Report(
        command="prices",
        title="Is the price book sound?",
        headline=f"{compared}: {result}.",
        parameters={"on": day.isoformat()},
        measures=(
            off,
            Measure(
                name="corrections",
                value=found.corrections,
                unit="count",
                method="count",
                label="prices that our reviewed rows add or correct",
            ),
        ),
        checks=(Check.at_most("off", off, 0),),
        tables=(
            Table(
                name="off",
                title="What is off",
                columns=(
                    Column(name="kind", label="kind"),
                    Column(name="model", label="model"),
                    Column(name="class", label="class"),
                    Column(name="found", label="found", unit="ratio"),
                    Column(name="declared", label="declared", unit="ratio"),
                    Column(name="source", label="rule from"),
                ),
                rows=tuple(
                    (
                        item.kind,
                        item.model,
                        item.class_name.replace("_", " "),
                        item.found,
                        item.declared,
                        item.source,
                    )
                    for item in found.deviations
                ),
                note="ratio: breaks the rule; redundant: the package has it; idle: matches nothing",
            ),
        )
        if found.deviations
        else (),
    )
