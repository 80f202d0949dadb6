"""The one base error of llmops and the exit codes a caller can rely on.

Every refusal in the package is a :class:`LlmopsError`: a slug for machines, one
sentence for people, the place in the input it speaks of, and what to do next.
"""

from enum import IntEnum

__all__ = ["ExitCode", "LlmopsError"]


class ExitCode(IntEnum):
    """What the ``llmops`` process tells its caller; the values are public and stable."""

    OK = 0
    """Done; every check passed (or ``--exit-zero`` was given)."""
    GATE_FAILED = 1
    """A check failed on the bound of its interval."""
    USAGE = 2
    """The command line or the configuration is wrong."""
    BAD_INPUT = 3
    """The input cannot be read, contradicts itself, or holds no data."""
    INCONCLUSIVE = 4
    """The evidence does not decide; the report says how much more would."""
    PROVIDER = 5
    """A call to a model provider failed."""
    BUG = 70
    """A defect in llmops itself."""
    INTERRUPTED = 130
    """Stopped by the user (SIGINT)."""
    BROKEN_PIPE = 141
    """Whoever read our output went away."""


class LlmopsError(Exception):
    """A refusal with a reason.

    Args:
        slug: stable kebab-case identifier, for example ``calls-missing-column``.
        message: one sentence that names what is wrong; never holds prompt text.
        hint: what the reader can do about it.
        exit_code: the process exit code this error asks for.
        file: the input file, as the user named it.
        line: 1-based line or row number in that file.
        field: dotted path of the offending field, for example ``response.usage.input_tokens``.
    """

    def __init__(  # noqa: PLR0913 - one keyword per thing a person may need to find the fault
        self,
        slug: str,
        message: str,
        *,
        hint: str = "",
        exit_code: ExitCode = ExitCode.BAD_INPUT,
        file: str = "",
        line: int | None = None,
        field: str = "",
    ) -> None:
        super().__init__(message)
        self.slug = slug
        self.message = message
        self.hint = hint
        self.exit_code = exit_code
        self.file = file
        self.line = line
        self.field = field

    @property
    def place(self) -> str:
        """``file:line: field`` with the parts that are known; empty when none is."""
        at = self.file if self.line is None else f"{self.file}:{self.line}"
        return ": ".join(part for part in (at, self.field) if part)

    def __str__(self) -> str:
        """The sentence with its place in front."""
        return f"{self.place}: {self.message}" if self.place else self.message

    def render(self) -> str:
        """The lines the command line prints on stderr, without a trailing newline."""
        text = f"llmops: error[{self.slug}]: {self}"
        return f"{text}\nhint: {self.hint}" if self.hint else text
