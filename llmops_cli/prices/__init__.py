"""The price book: disjoint token classes to money, per model, date and service tier.

Prices come from the installed genai-prices package (never from the network) and from
``overlay.yaml``, our reviewed rows for what that package lacks. A model nobody has a price
for is refused by name.
"""

from llmops_cli.prices.book import PriceBook
from llmops_cli.prices.check import Compared, Deviation, check_prices
from llmops_cli.prices.model import CLASSES, ClassPrices, Rates
from llmops_cli.prices.multipliers import Multiplier, multiplier_for

__all__ = [
    "CLASSES",
    "ClassPrices",
    "Compared",
    "Deviation",
    "Multiplier",
    "PriceBook",
    "Rates",
    "check_prices",
    "multiplier_for",
]
