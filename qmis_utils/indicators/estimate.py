"""A number with its interval, and the bootstrap that pairs the draws of all quantizers."""

from functools import lru_cache

import numpy as np

from qmis_utils.theory.numerics import Interval


def from_draws(value: float, draws: np.ndarray, noise_floor: float = 0.0) -> Interval:
    """Return a number with the 95 % percentile interval of its bootstrap draws, those that are NaN left out.

    Parameters
    ----------
    value : float
    draws : array (R,)
        A draw may be infinite (equal codewords): the ends are order statistics, never a mean of two draws.
    noise_floor : float
        What pure sampling noise gives.

    Returns
    -------
    Interval
        Its ends are NaN where no draw is known.
    """
    known = draws[~np.isnan(draws)]
    low, high = np.quantile(known, [0.025, 0.975], method="inverted_cdf") if known.size else (np.nan, np.nan)
    return Interval(float(value), float(low), float(high), draws, noise_floor)


@lru_cache(maxsize=8)  # equal seeds pair the draws of all quantizers, so most calls ask for the last ones again
def multiplicities(sizes: tuple[int, ...], draws: int, seed: int) -> list[np.ndarray]:
    """Draw how often a bootstrap of each set of a size takes each of its elements: (draws, size) counts per set."""
    rng = np.random.default_rng(seed)
    counts = [rng.multinomial(n, np.full(n, 1 / n), size=draws).astype(float) for n in sizes]
    for array in counts:
        array.setflags(write=False)
    return counts
