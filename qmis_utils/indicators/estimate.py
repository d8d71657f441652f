"""A number with its interval, and the bootstrap that pairs the draws of all quantizers."""

from functools import lru_cache

import numpy as np

from qmis_utils.theory.numerics import Interval


def from_draws(value, draws, noise_floor=0.0):
    known = draws[~np.isnan(draws)]
    # a draw may be infinite (equal codewords): take order statistics, never a mean of two draws
    low, high = np.quantile(known, [0.025, 0.975], method="inverted_cdf") if known.size else (np.nan, np.nan)
    return Interval(float(value), float(low), float(high), draws, noise_floor)


@lru_cache(maxsize=8)  # equal seeds pair the draws of all quantizers, so most calls ask for the last ones again
def multiplicities(sizes, draws, seed):
    """Draw how often a bootstrap of each set of a size takes each of its elements: (draws, size) counts per set."""
    rng = np.random.default_rng(seed)
    counts = [rng.multinomial(n, np.full(n, 1 / n), size=draws).astype(float) for n in sizes]
    for array in counts:
        array.setflags(write=False)
    return counts
