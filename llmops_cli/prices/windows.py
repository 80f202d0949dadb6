"""How many tokens of prompt and answer together a model takes, by the installed genai-prices."""

__all__ = ["context_window"]


def context_window(model: str, *, provider: str = "") -> int | None:
    """Tokens of input and output that fit; None where nobody has written it down.

    Args:
        model: as the provider calls it.
        provider: who serves it, as genai-prices calls it; empty for anybody.
    """
    from genai_prices.data_snapshot import get_snapshot  # noqa: PLC0415 - 0.2 s, only for replays

    try:
        _, found = get_snapshot().find_provider_model(model, None, provider or None, None)
    except LookupError:
        return None
    return found.context_window
