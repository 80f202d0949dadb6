"""The book itself: genai-prices rows and our overlay become Rates, resolved once per question."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, time
from decimal import Decimal
from difflib import get_close_matches
from typing import TYPE_CHECKING

from llmops_cli.errors import LlmopsError
from llmops_cli.prices.model import CLASSES, ClassPrices, Rates
from llmops_cli.prices.overlay import rows_for

if TYPE_CHECKING:
    from genai_prices.types import ModelInfo, ModelPrice, Provider, TieredPrices

__all__ = ["PriceBook"]

_KEYS: Mapping[str, tuple[str, ...]] = {
    "input": ("input_mtok",),
    "cache_read": ("cache_read_mtok",),
    "cache_write_5m": ("cache_write_5m_mtok", "cache_write_mtok"),
    "cache_write_1h": ("cache_write_1h_mtok",),
    "output": ("output_mtok",),
}
# OpenTelemetry provider names that genai-prices does not know under that name.
_PROVIDERS = {"x_ai": "x-ai", "gcp.gen_ai": "google", "azure.ai.inference": "azure"}
_STANDARD = {"", "standard", "default", "auto", "on_demand"}
_NOON = time(12, tzinfo=UTC)


class PriceBook:
    """Rates by model and day; the same question is answered from memory the second time."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, date, str, str], Rates] = {}

    def rates(self, model: str, on: date, *, provider: str = "", service_tier: str = "") -> Rates:
        """The rates of ``model`` on the day ``on`` (noon UTC where a price has hours).

        Args:
            model: the name in the log, or ``provider/model``.
            on: the day of the call; prices have histories.
            provider: who served the call, as genai-prices or OpenTelemetry call it.
            service_tier: ``batch``, ``flex`` … ; anything standard may be empty.

        Raises:
            LlmopsError: ``price-unknown-model`` with close names, ``price-unknown-tier`` when
                the service tier has no published price for this model.
        """
        tier = "standard" if service_tier.lower() in _STANDARD else service_tier.lower()
        key = (model, on, provider, tier)
        if key not in self._known:
            self._known[key] = _resolve(model, on, _PROVIDERS.get(provider, provider), tier)
        return self._known[key]


def _resolve(model: str, on: date, provider: str, tier: str) -> Rates:
    seller, info = _find(model, provider)
    moment = datetime.combine(on, _NOON)
    standard = info.get_prices(moment)
    starts = _thresholds(standard)
    sources = _sources(standard, info.id)
    tables = [_standard(standard, start, (info.id, seller.id, on), sources) for start in starts]
    if tier != "standard":
        varied = info.get_prices(moment, _context(tier))
        tables = _varied(tables, varied, (info.id, seller.id, on, tier), sources)
    base, *rest = tables
    return Rates(
        **base,
        model=info.id,
        provider=seller.id,
        on=on,
        service_tier=tier,
        long_prompts=tuple(
            (start, ClassPrices(**table)) for start, table in zip(starts[1:], rest, strict=True)
        ),
        sources=sources,
    )


Table = dict[str, float | None]


def _standard(
    prices: "ModelPrice", start: int, where: tuple[str, str, date], sources: dict[str, str]
) -> Table:
    table: Table = {name: _at(_raw(prices, name), start) for name in CLASSES}
    for row in rows_for(*where):
        name = row.class_name
        if row.always or table[name] is None:
            table[name] = row.price(table[name], table["input"])
            if table[name] is not None:
                sources[name] = row.source
    return table


def _varied(
    tables: list[Table],
    varied: "ModelPrice",
    where: tuple[str, str, date, str],
    sources: dict[str, str],
) -> list[Table]:
    model, provider, on, tier = where
    starts = _thresholds(varied)
    fresh: list[Table] = [{name: _at(_raw(varied, name), s) for name in CLASSES} for s in starts]
    if len(fresh) == len(tables) and fresh[0]["input"] != tables[0]["input"]:
        sources.update(dict.fromkeys(sources, f"genai-prices, {model}, {tier}"))
        return fresh
    for row in rows_for(model, provider, on, service_tier=tier):
        sources.update(dict.fromkeys(sources, row.source))
        return [{n: row.price(value, t["input"]) for n, value in t.items()} for t in tables]
    raise LlmopsError(
        "price-unknown-tier",
        f"no price is published for {model} in service tier '{tier}' on {on}",
        hint="price the traffic as of another day with --on DATE",
    )


def _find(model: str, provider: str) -> "tuple[Provider, ModelInfo]":
    from genai_prices.data_snapshot import get_snapshot  # noqa: PLC0415 - 0.2 s, only for pricing

    book = get_snapshot()
    prefix, _, rest = model.partition("/")
    for name, seller in ((model, provider), (rest, prefix)):
        if name:
            try:
                return book.find_provider_model(name, None, seller or None, None)
            except LookupError:
                continue
    ids = [info.id for seller in book.providers for info in seller.models]
    near = get_close_matches(rest or model, sorted(set(ids)), n=3, cutoff=0.6)
    said = f" served by {provider}" if provider else ""
    raise LlmopsError(
        "price-unknown-model",
        f"no price is known for the model '{model}'{said}",
        hint=(f"did you mean {' or '.join(near)}? " if near else "")
        + "--price-as MODEL prices the traffic as a model of your choice",
        field="model",
    )


def _context(tier: str) -> dict[str, str]:
    return {"processing": "batch"} if tier == "batch" else {"service_tier": tier}


def _raw(prices: "ModelPrice", name: str) -> "Decimal | TieredPrices | None":
    return next((value for key in _KEYS[name] if (value := getattr(prices, key)) is not None), None)


def _thresholds(prices: "ModelPrice") -> list[int]:
    tiered = (_raw(prices, name) for name in CLASSES)
    return sorted({0} | {tier.start for value in tiered for tier in getattr(value, "tiers", ())})


def _at(value: "Decimal | TieredPrices | None", start: int) -> float | None:
    if value is None or isinstance(value, Decimal):
        return None if value is None else float(value)
    fitting = [tier.price for tier in value.tiers if tier.start <= start]
    return float(fitting[-1] if fitting and start else value.base)


def _sources(prices: "ModelPrice", model: str) -> dict[str, str]:
    return {n: f"genai-prices, {model}" for n in CLASSES if _raw(prices, n) is not None}
