"""An invoice held against what the log's usage is worth at the price book's rates."""

import math
from dataclasses import dataclass

from llmops_cli.errors import ExitCode, LlmopsError

__all__ = ["Reconciliation", "reconcile"]


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """What was paid, and the log's own usage priced: all providers, input and output."""

    invoice_usd: float
    priced_usd: float

    @property
    def difference_usd(self) -> float:
        """Paid beyond what the log explains; negative where the log is worth more."""
        return self.invoice_usd - self.priced_usd

    @property
    def explained(self) -> float:
        """The priced log as a share of the invoice; above 1 where the log is worth more."""
        return self.priced_usd / self.invoice_usd

    @property
    def hint(self) -> str:
        """Where to look for the difference, by its sign."""
        if self.difference_usd > 0:
            return (
                "traffic that is not in the log, failed calls that were billed, long-context or "
                "regional rates, server tools, tax"
            )
        return "a negotiated discount, batch rates, credits, calls logged twice"


def reconcile(invoice_usd: float, priced_usd: float) -> Reconciliation:
    """Hold an invoice against the priced log.

    Raises:
        LlmopsError: ``cache-bad-invoice`` for an amount that is not above 0.
    """
    if not (math.isfinite(invoice_usd) and invoice_usd > 0):
        raise LlmopsError(
            "cache-bad-invoice",
            f"--invoice-usd {invoice_usd:g} is not an amount",
            hint="give the total of the invoice in USD for the time of the log",
            exit_code=ExitCode.USAGE,
        )
    return Reconciliation(invoice_usd, priced_usd)
