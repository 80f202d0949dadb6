"""The comparison of providers in the report: its table, and what each row had to assume."""

from collections.abc import Iterable, Sequence

from llmops_cli.cache.providers import Crossing
from llmops_cli.report import Column, Explanation, Scalar, Table

__all__ = ["crossing_explanations", "crossing_table"]


def crossing_table(crossings: Sequence[Crossing]) -> Table:
    """Tokens by class and USD of the same traffic at each provider."""
    names = (("fresh", "fresh"), ("read", "read"), ("written", "written"))
    stored = any(crossing.extra_usd for crossing in crossings)
    storage = (Column(name="storage_usd", label="storage", unit="usd"),) if stored else ()
    return Table(
        name="providers",
        title="The same traffic at other providers, by their rules and prices",
        columns=(
            Column(name="provider", label="provider"),
            Column(name="model", label="priced as"),
            *(Column(name=f"{name}_tokens", label=label, unit="tokens") for name, label in names),
            Column(name="input_usd", label="input", unit="usd"),
            Column(name="of_uncached", label="of uncached", unit="share"),
            *storage,
        ),
        rows=tuple(_row(crossing, stored=stored) for crossing in crossings),
        note=_note(crossings),
    )


def _note(crossings: Sequence[Crossing]) -> str:
    unpriced = not all(crossing.model for crossing in crossings)
    said = ["a dash: a server of one's own has no price per token"] if unpriced else []
    said += [
        f"{crossing.rules.label} assumes {knob.name} = {knob.default}"
        for crossing in crossings
        for knob in crossing.rules.knobs.values()
        if knob.given
    ]
    return "; ".join(["token counts of the log", *said])


def _row(crossing: Crossing, *, stored: bool) -> tuple[Scalar, ...]:
    fresh, read, written, long = crossing.tokens.sum(axis=0).tolist()
    usd, uncached = crossing.input_usd, crossing.uncached_usd
    return (
        crossing.rules.label,
        crossing.model or None,
        fresh,
        read,
        written + long,
        usd,
        usd / uncached if usd is not None and uncached else None,
        *((crossing.extra_usd or None,) if stored else ()),
    )


def crossing_explanations(crossings: Iterable[Crossing]) -> tuple[Explanation, ...]:
    """For each provider how its tokens come about, and every undocumented behaviour as taken."""
    return tuple(_explanation(crossing) for crossing in crossings)


def _explanation(crossing: Crossing) -> Explanation:
    rules = crossing.rules
    lives = [f"{life // 1_000_000:,} s" for life in (rules.life_5m_us, rules.life_1h_us) if life]
    fresh, read, written, long = crossing.tokens.sum(axis=0).tolist()
    minimum = rules.minimum(crossing.model)
    return Explanation(
        of=f"the same traffic at {rules.label}",
        formula=_FORMULAS[rules.mechanism],
        numbers=(
            ("fresh", fresh),
            ("read", read),
            ("written", written + long),
            ("input, USD", crossing.input_usd),
            ("of it storage and creation, USD", crossing.extra_usd or None),
            ("shortest prompt", minimum.tokens),
            ("steps of tokens", rules.step_tokens),
            ("lifetime", " or ".join(lives) or None),
        ),
        assumptions=tuple(
            f"{knob.name} = {knob.default}{' (given)' if knob.given else ''}: {knob.why}"
            for knob in rules.knobs.values()
        ),
        source=f"{rules.source}, checked {rules.checked_on}",
    )


_FORMULAS = {
    "breakpoints": "read = longest live entry within the lookback of a breakpoint; the rest up to "
    "the last breakpoint is written",
    "message-ends": "read = longest live message end; written up to the latest eligible one",
    "explicit": "read = longest live marker; written up to the last one",
    "units": "read = longest stored unit that the prompt contains in full",
    "prefix": "read = longest prefix sent within the lifetime, in whole steps; no write fee",
    "object": "read = the object while it is stored; creation and storage are paid apart",
    "pages": "read = full pages still in memory, the least recently used go first",
}
