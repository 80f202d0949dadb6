"""What a request will cost, before anybody has counted its tokens."""

from collections.abc import Callable

import msgspec

from llmops_cli.live.completions import Request, Usage

__all__ = ["BYTES_PER_TOKEN", "EXPECTED_OUTPUT_TOKENS", "Price", "expected_usage", "largest_usage"]

Price = Callable[[Usage], float]
"""USD of an answer; the price book is not known here."""

BYTES_PER_TOKEN = 4
"""The rule by which the readers estimate, too."""
EXPECTED_OUTPUT_TOKENS = 30
"""A verdict and a confidence as JSON; a model that reasons needs more."""
_AROUND_TOKENS = 1024
"""What providers put around a prompt for a tool or a schema, and more than they publish."""


def expected_usage(request: Request) -> Usage:
    """Tokens by the rule of four bytes each, and a short answer."""
    return Usage(
        input_tokens=-(-_bytes(request) // BYTES_PER_TOKEN),
        output_tokens=min(EXPECTED_OUTPUT_TOKENS, request.max_output_tokens),
    )


def largest_usage(request: Request) -> Usage:
    """More than it can be: tokenisers work on bytes, so none makes more tokens than bytes."""
    return Usage(
        input_tokens=_bytes(request) + _AROUND_TOKENS,
        output_tokens=request.max_output_tokens,
    )


def _bytes(request: Request) -> int:
    schema = b"" if request.schema is None else msgspec.json.encode(request.schema)
    return len(request.prompt.encode("utf-8", "surrogatepass")) + len(schema)
