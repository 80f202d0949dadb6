"""Which boundaries a plan decides by: of harm, and of the benefit of the doubt it may lose."""

from dataclasses import dataclass
from typing import Literal

from llmops_cli.errors import ExitCode, LlmopsError

__all__ = ["ALWAYS_VALID", "BenefitKind", "Boundaries", "HarmKind"]

HarmKind = Literal["mixture", "pocock"]
BenefitKind = Literal["fixed", "obrien-fleming", "pocock"]

_MOST_LOOKS = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Boundaries:
    """The choice; the defaults are those of plans that name none.

    Attributes:
        harm: ``mixture`` holds however often one looks; ``pocock`` spends four fifths of the risk
            evenly over ``harm_looks`` (Lan and DeMets), one fifth holds at all looks.
        harm_looks: when each next equal part of the stage's information is in.
        benefit: what may promote: ``fixed`` the end of the stage only; ``obrien-fleming`` and
            ``pocock`` spend the risk over ``benefit_looks`` (Lan and DeMets), so that a stage may
            end early.
        benefit_looks: when each next equal part of the stage's requests is in.
    """

    harm: HarmKind = "mixture"
    harm_looks: int = 20
    benefit: BenefitKind = "fixed"
    benefit_looks: int = 4

    def __post_init__(self) -> None:
        """Refuse, with the usage exit code, what does not decide in time."""
        if self.harm not in {"mixture", "pocock"}:
            raise LlmopsError(
                "rollout-bad-harm-boundary",
                "harm is told by a mixture or by Pocock's boundary",
                hint="O'Brien and Fleming's spends nothing early: it cannot stop a change that "
                "harms the first users",
                exit_code=ExitCode.USAGE,
            )
        if self.benefit not in {"fixed", "obrien-fleming", "pocock"}:
            raise LlmopsError(
                "rollout-bad-benefit-boundary",
                "stages go on by one look (fixed), or by O'Brien and Fleming's or Pocock's",
                hint="--benefit-boundary obrien-fleming",
                exit_code=ExitCode.USAGE,
            )
        for name, looks in (("harm", self.harm_looks), ("benefit", self.benefit_looks)):
            if not 1 <= looks <= _MOST_LOOKS:
                raise LlmopsError(
                    f"rollout-bad-{name}-looks",
                    f"--{name}-looks lies between 1 and {_MOST_LOOKS}",
                    exit_code=ExitCode.USAGE,
                )

    @property
    def chances(self) -> int:
        """Looks of a stage that may promote it."""
        return 1 if self.benefit == "fixed" else self.benefit_looks


ALWAYS_VALID = Boundaries()
"""That of plans that name none."""
