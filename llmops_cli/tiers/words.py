"""Numbers inside sentences; those in tables and measures are the views' affair."""

__all__ = ["points"]


def points(share: float) -> str:
    """Points of quality with their sign; nothing has none.

    Args:
        share: quality on a scale of 0 to 1.
    """
    # Rounded twice: the noise of a difference's last bits must not decide how a half goes.
    text = f"{round(100 * share, 9):+.1f}"
    return "0.0" if text in {"+0.0", "-0.0"} else text
