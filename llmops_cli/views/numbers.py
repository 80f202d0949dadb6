"""How numbers look: the one place that turns a value and its unit into characters.

Every view prints ``80.3 %``, ``$1.20``, ``1,234``, ``4.0x`` the same way because it asks here.
"""

import math
from collections.abc import Callable

from llmops_cli.report import Measure, Scalar, Unit

__all__ = ["UNKNOWN", "amount", "apart", "cell", "estimate", "interval", "level", "short"]

UNKNOWN = "—"
"""What stands where a number is not known."""

# Beyond these a number is written with an exponent: rows of zeros cannot be read.
_MOST_DECIMALS = 12
_HUGE = 1e15
_MOST_EXTRA = 6


def amount(value: float | None, unit: Unit = "", *, extra: int = 0) -> str:
    """A value with the decoration of its unit.

    Args:
        value: the number; None and NaN are unknown.
        unit: what the number counts; a ``share`` is given between 0 and 1.
        extra: decimals beyond the usual, to tell two close numbers apart.
    """
    if value is None or math.isnan(value):
        return UNKNOWN
    if math.isinf(value):
        return "∞" if value > 0 else "-∞"
    return _UNITS[unit](_quiet(float(value)), extra)


def _quiet(value: float) -> float:
    """Without the noise of a sum's last bits, which would decide how a half is rounded."""
    return value if value.is_integer() else float(f"{value:.12g}")


def short(value: float | None) -> str:
    """A bare number without trailing zeros, for symbols in a formula and points of a curve."""
    text = amount(value)
    return text.rstrip("0").rstrip(".") if "." in text and "e" not in text else text


def interval(measure: Measure, *, extra: int = 0) -> str:
    """``[76.4 %, 83.7 %]``, with an open end where there is none; empty without an interval."""
    if measure.low is None and measure.high is None:
        return ""
    low = "(" if measure.low is None else f"[{amount(measure.low, measure.unit, extra=extra)}"
    high = ")" if measure.high is None else f"{amount(measure.high, measure.unit, extra=extra)}]"
    return f"{low}, {high}"


def estimate(measure: Measure, *, extra: int = 0) -> str:
    """The value followed by its interval where it has one."""
    value = amount(measure.value, measure.unit, extra=extra)
    return f"{value} {interval(measure, extra=extra)}".rstrip()


def level(measure: Measure) -> str:
    """The confidence of the interval, ``95 %``; empty where none is stated."""
    return "" if measure.level is None else f"{100 * measure.level:.4g} %"


def apart(bound: float, measure: Measure) -> int:
    """How many extra decimals tell the bound from every side of the measure that differs.

    Without them a gate could read "80.0 % must be at least 80.0 %: fail".
    """
    sides = [
        side
        for side in (measure.value, measure.low, measure.high)
        if side is not None and math.isfinite(side) and side != bound
    ]
    for extra in range(_MOST_EXTRA):
        shown = amount(bound, measure.unit, extra=extra)
        if all(amount(side, measure.unit, extra=extra) != shown for side in sides):
            return extra
    return _MOST_EXTRA


def cell(value: Scalar, unit: Unit = "") -> str:
    """A table cell or parameter: numbers by unit, yes and no, text as it is, a dash for None."""
    if value is None:
        return UNKNOWN
    if isinstance(value, bool):
        return "yes" if value else "no"
    return value if isinstance(value, str) else amount(value, unit)


def _fixed(value: float, decimals: int) -> str:
    if decimals > _MOST_DECIMALS or abs(value) >= _HUGE:
        return f"{value:.3g}"
    text = f"{value:,.{decimals}f}"
    # Rounding must not leave a sign on nothing.
    return text.removeprefix("-") if not text.strip("-0.,") else text


def _decimals(value: float, significant: int, least: int = 0) -> int:
    """Decimals that keep ``significant`` digits of a small number, and never fewer than least."""
    if value == 0:
        return least
    return max(least, significant - 1 - math.floor(math.log10(abs(value))))


def _plain(value: float, extra: int) -> str:
    if value.is_integer():
        return _whole(value, extra)
    significant = 3 if abs(value) < 1 else 4
    return _fixed(value, _decimals(value, significant) + extra)


def _whole(value: float, extra: int) -> str:
    return _fixed(value, 0 if value.is_integer() else 1 + extra)


def _share(value: float, extra: int) -> str:
    percent = 100 * value
    decimals = 1 if abs(percent) >= 1 else _decimals(percent, 2, 1)
    # 99.96 % is not all of it: keep decimals until the text stops saying so.
    while abs(percent) != 100 and decimals < 4 and _fixed(abs(percent), decimals)[:3] == "100":  # noqa: PLR2004 - per cent
        decimals += 1
    return f"{_fixed(percent, decimals + extra)} %"


def _usd(value: float, extra: int) -> str:
    size = abs(value)
    decimals = 0 if size >= 100_000 else _decimals(value, 2, 2) if size < 1 else 2  # noqa: PLR2004 - dollars
    text = _fixed(size, decimals + extra)
    return f"-${text}" if value < 0 and text.strip("0.,") else f"${text}"


_DAY_S, _HOUR_S, _MINUTE_S = 86_400.0, 3_600.0, 60.0


def _seconds(value: float, extra: int) -> str:
    # Two of the next unit before it is used: "90.0 s" reads better than "1.5 min".
    for size, name in ((_DAY_S, "d"), (_HOUR_S, "h"), (_MINUTE_S, "min")):
        if abs(value) >= 2 * size:
            return f"{_fixed(value / size, 1 + extra)} {name}"
    if 0 < abs(value) < 1:
        return f"{_fixed(1000 * value, _decimals(1000 * value, 3) + extra)} ms"
    return f"{_fixed(value, 1 + extra)} s"


def _ratio(value: float, extra: int) -> str:
    # 1.25x is a price and not 1.2x; 4.0x is enough of a speed.
    size = abs(value)
    fine = size < 10 and not math.isclose(size, round(size, 1), abs_tol=1e-9)  # noqa: PLR2004 - times
    decimals = _decimals(value, 2, 1) if size < 1 else 2 if fine else 1 if size < 100 else 0  # noqa: PLR2004
    return f"{_fixed(value, decimals + extra)}x"


def _points(value: float, extra: int) -> str:
    text = _fixed(value, _decimals(value, 1, 1) + extra)
    return f"+{text} pts" if value > 0 else f"{text} pts"


def _per_hour(value: float, extra: int) -> str:
    return f"{_plain(value, extra)} /h"


_UNITS: dict[Unit, Callable[[float, int], str]] = {
    "": _plain,
    "share": _share,
    "usd": _usd,
    "tokens": _whole,
    "count": _whole,
    "s": _seconds,
    "ratio": _ratio,
    "points": _points,
    "per_hour": _per_hour,
}
