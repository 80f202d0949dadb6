"""A timeline as inline SVG: a bar for each stretch of time, with its words above it."""

from llmops_cli.report import Span, Timeline
from llmops_cli.views.elements import Markup, element, joined
from llmops_cli.views.figures import drawable
from llmops_cli.views.numbers import amount

__all__ = ["timeline_chart"]

_WIDTH, _ROW, _BAR = 760.0, 40.0, 11.0


def timeline_chart(timeline: Timeline, identifier: str) -> Markup:
    """Bars from the first start to the last end; spans that have no place are left out."""
    spans = [span for span in timeline.spans if drawable(span.start) and drawable(span.end)]
    if not spans:
        return element("p", "Nothing to draw.", class_="quiet")
    words = "; ".join(_words(span, timeline) for span in spans)
    return element(
        "svg",
        element("title", timeline.title, id=f"{identifier}-title"),
        element("desc", words, id=f"{identifier}-desc"),
        *(_row(span, at, timeline, spans) for at, span in enumerate(spans)),
        viewBox=f"0 0 {_WIDTH:g} {_ROW * len(spans):g}",
        role="img",
        aria_labelledby=f"{identifier}-title {identifier}-desc",
        class_="chart timeline",
    )


def _row(span: Span, at: int, timeline: Timeline, spans: list[Span]) -> Markup:
    top = _ROW * at
    first = min(item.start for item in spans)
    # Halved before subtracting, so that the widest range of floats does not overflow.
    length = max(item.end for item in spans) / 2 - first / 2

    def place(value: float) -> float:
        return _WIDTH * (value / 2 - first / 2) / length if length > 0 else 0.0

    x = place(span.start)
    width = place(span.end) - x if length > 0 else _WIDTH
    line = top + 20 + _BAR / 2
    return joined(
        element("text", _words(span, timeline), x=0, y=top + 13),
        element("line", x1=0.0, x2=_WIDTH, y1=line, y2=line, class_="grid"),
        element("rect", x=x, y=top + 20, width=max(2.0, width), height=_BAR, rx=3, class_="span"),
    )


def _words(span: Span, timeline: Timeline) -> str:
    lasts = amount(span.end - span.start, timeline.unit)
    return " · ".join(part for part in (span.label, lasts, span.words) if part)
