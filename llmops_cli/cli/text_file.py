"""A small text file that an option names, read whole."""

from pathlib import Path

from llmops_cli.errors import ExitCode, LlmopsError

__all__ = ["text_of"]


def text_of(
    path: Path,
    slug: str,
    what: str = "it",
    *,
    hint: str = "",
    exit_code: ExitCode = ExitCode.BAD_INPUT,
) -> str:
    """The text of a file, without the mark that some editors put before it.

    Args:
        path: of the file.
        slug: of the refusal.
        what: cannot be read, in its words.
        hint: of the refusal.
        exit_code: of the refusal.

    Raises:
        LlmopsError: by ``slug``, where it is not there, or no UTF-8 text.
    """
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        raise LlmopsError(
            slug,
            f"{what} cannot be read: {reason}",
            hint=hint,
            file=str(path),
            exit_code=exit_code,
        ) from error
