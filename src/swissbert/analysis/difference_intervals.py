"""Confidence intervals of the difference of two proportions or two means."""

from statistics import NormalDist

from swissbert.kinds import Array

MISSES = 0.05
"""Share of intervals that miss the true difference: those of 95 % confidence."""


def newcombe(hits: int, rows: int, other_hits: int, other_rows: int, misses: float = MISSES) -> tuple[float, float]:
    """Compute the interval of ``hits / rows - other_hits / other_rows`` (Newcombe, 1998, method 10).

    It holds for few rows, and for proportions of 0 and 1.
    """
    z = NormalDist().inv_cdf(1 - misses / 2)
    p, (low, high) = hits / rows, _wilson(hits, rows, z)
    q, (other_low, other_high) = other_hits / other_rows, _wilson(other_hits, other_rows, z)
    below = ((p - low) ** 2 + (other_high - q) ** 2) ** 0.5
    above = ((high - p) ** 2 + (q - other_low) ** 2) ** 0.5
    return p - q - below, p - q + above


def _wilson(hits: int, rows: int, z: float) -> tuple[float, float]:
    """Compute the interval of a proportion (Wilson, 1927)."""
    p, spread = hits / rows, z * z / rows
    half = z * (p * (1 - p) / rows + spread / rows / 4) ** 0.5
    return (p + spread / 2 - half) / (1 + spread), (p + spread / 2 + half) / (1 + spread)


def welch(a: Array, b: Array, misses: float = MISSES) -> tuple[float, float]:
    """Compute the interval of the difference of two means with unequal variances (Welch, 1947).

    Args:
        a: Values ``[N]``, at least 2, not all equal.
        b: Values ``[M]``, at least 2, not all equal.
        misses: Share of intervals that miss the true difference.
    """
    from scipy.stats import t

    va, vb = a.var(ddof=1) / len(a), b.var(ddof=1) / len(b)
    difference, variance = float(a.mean() - b.mean()), float(va + vb)
    freedom = variance**2 / (va**2 / (len(a) - 1) + vb**2 / (len(b) - 1))
    reach = float(t.ppf(1 - misses / 2, freedom)) * variance**0.5
    return difference - reach, difference + reach
