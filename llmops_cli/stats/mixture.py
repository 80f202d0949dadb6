"""Looking at a normal estimate as often as one likes: mixture boundaries and always-valid p.

For estimates that are nearly normal with a known or well estimated variance. Below a few dozen
events they are too eager: use the betting or Bernoulli bounds there.
"""

import math

import numpy as np
import numpy.typing as npt

__all__ = ["always_valid_p", "mixture_critical", "mixture_precision"]

Floats = npt.NDArray[np.float64]


def mixture_precision(tuned_at: float, alpha: float) -> float:
    """The mixing parameter (rho squared) that makes the boundary tightest at a sample size.

    Args:
        tuned_at: the sample size (or information) in mind.
        alpha: two-sided error.

    Raises:
        ValueError: a size that is not positive, or alpha outside (0, 1).

    Source:
        Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas (2024), Annals of Statistics
        52:2613-2640, appendix B: the usual approximation of the optimum.
    """
    if not tuned_at > 0 or not 0 < alpha < 1:
        raise ValueError("tuning needs a positive sample size and an alpha between 0 and 1")
    return (-2 * math.log(alpha) + math.log(1 - 2 * math.log(alpha))) / tuned_at


def mixture_critical(
    sizes: Floats, *, alpha: float = 0.05, precision: float, one_sided: bool = False
) -> Floats:
    """How many standard errors an estimate may stray, over all time.

    Args:
        sizes: ``(T,)`` sample sizes (or information) at the looks, positive.
        alpha: error over all looks, two-sided or one-sided as asked.
        precision: from :func:`mixture_precision`.
        one_sided: whether only straying upwards counts.

    Returns:
        ``(T,)`` critical values of |z| (of z where one-sided).

    Raises:
        ValueError: sizes or a precision that are not positive, or alpha outside (0, 1).

    Source:
        Two-sided: Robbins (1970); asymptotic confidence sequence of Waudby-Smith et al.
        (2024), equation 9, once multiplied by the standard error. One-sided: the mixture over
        half of the normal law, in the closed form that bounds it from above: Howard, Ramdas,
        McAuliffe and Sekhon (2021), Annals of Statistics 49:1055-1080, section 3.
    """
    if not ((sizes > 0).all() and precision > 0 and 0 < alpha < 1):
        raise ValueError("a boundary needs positive sizes and precision and an alpha below 1")
    grown = sizes * precision + 1
    evidence = (
        np.log1p(np.sqrt(grown) / (2 * alpha)) if one_sided else np.log(np.sqrt(grown) / alpha)
    )
    return np.sqrt(2 * grown / (grown - 1) * evidence)


def always_valid_p(
    estimates: Floats, variances: Floats, *, prior_variance: float, null: float = 0.0
) -> Floats:
    """The p-value of a mixture sequential probability ratio test, at every look.

    Args:
        estimates: ``(T,)`` estimates at the looks, on ever more of the same data.
        variances: ``(T,)`` their variances.
        prior_variance: variance of the effects mixed over, in the unit of ``variances``.
        null: the value to refute.

    Returns:
        ``(T,)`` p-values, never rising; under the null they ever fall to alpha with
        probability at most alpha.

    Raises:
        ValueError: variances that are not positive, or lengths that differ.

    Source:
        Johari, Koomen, Pekelis and Walsh (2022), Operations Research 70:1806-1821, section
        4; mixture of Robbins (1970).
    """
    if len(estimates) != len(variances) or not ((variances > 0).all() and prior_variance > 0):
        raise ValueError("each look needs an estimate and a positive variance")
    both = variances + prior_variance
    evidence = prior_variance * (estimates - null) ** 2 / (2 * variances * both)
    evidence += np.log(variances / both) / 2
    return np.minimum.accumulate(np.minimum(np.exp(-np.maximum(evidence, 0.0)), 1.0))
