"""Whether two classifiers differ on the same test samples: bootstrap over groups, McNemar's test, Holm's correction.

Samples of one recording or speaker are alike, so the bootstrap draws whole groups; it draws seeds too, since another
seed gives another accuracy.  Accuracies are pooled over seeds.  All functions are pure, and equal inputs give equal
results.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import bdtr, chdtrc, ndtr

DRAWS = 10_000
SEED = 0  # of the bootstrap
LEVEL = 0.05  # a difference is called one where the corrected p-value is below
FEW = 25  # discordant pairs below which McNemar's test is exact
FEW_DRAWS = 10  # beyond zero; with fewer, a p-value cannot be counted
CHUNK_BYTES = 64 << 20  # of the weights of groups that are held at once

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class McNemar:
    """The result of McNemar's test.

    Attributes:
        only_first: number of samples that the first classifies correctly in more seeds than the second.
        only_second: the same for the second.
        p: two-sided p-value.
    """

    only_first: int
    only_second: int
    p: float


@dataclass(frozen=True)
class Difference:
    """A difference of accuracies, from -1 to 1.

    Attributes:
        mean: first minus second, over samples and seeds.
        low: lower end of the 95 % interval.
        high: upper end.
        p: two-sided p-value of the bootstrap.
    """

    mean: float
    low: float
    high: float
    p: float


def mcnemar(only_first: int, only_second: int) -> McNemar:
    """Test whether discordant pairs favour one of two classifiers: exactly if there are fewer than 25 of them.

    McNemar: Note on the sampling error of the difference between correlated proportions or percentages, 1947.  With
    25 or more, chi-squared with Edwards' continuity correction.

    Args:
        only_first: number of pairs that only the first classifies correctly.
        only_second: number of pairs that only the second classifies correctly.
    """
    n = only_first + only_second
    if n < FEW:
        p = min(1.0, 2 * float(bdtr(min(only_first, only_second), n, 0.5)))
    else:
        p = float(chdtrc(1, max(0, abs(only_first - only_second) - 1) ** 2 / n))
    return McNemar(only_first, only_second, p)


def pooled_mcnemar(first: Mapping[int, Bools], second: Mapping[int, Bools]) -> McNemar:
    """Test two classifiers with several seeds each; a sample is one pair, whatever the number of seeds.

    It counts for the classifier that has it correct in more seeds.  Both are counted over equally many seeds: those
    that both have, else the first ones of each.

    Args:
        first: seed -> correct or not, [n].
        second: the same, for the same samples.
    """
    shared = sorted(first.keys() & second.keys())
    count = min(len(first), len(second))
    pairs = (shared, shared) if shared else (sorted(first)[:count], sorted(second)[:count])
    hits = [
        np.sum([scores[seed] for seed in seeds], axis=0) for scores, seeds in zip((first, second), pairs, strict=True)
    ]
    return mcnemar(int(np.sum(hits[0] > hits[1])), int(np.sum(hits[0] < hits[1])))


def holm(p_values: Sequence[float]) -> list[float]:
    """Correct p-values for the number of tests, so that the chance of any false alarm stays below the level.

    Holm: A simple sequentially rejective multiple test procedure, 1979.

    Returns:
        Corrected p-values, in the order given.
    """
    order = np.argsort(p_values, kind="stable")
    factors = len(p_values) - np.arange(len(p_values))
    stepped = np.minimum(1.0, np.maximum.accumulate(np.asarray(p_values, dtype=np.float64)[order] * factors))
    corrected = np.empty(len(p_values))
    corrected[order] = stepped
    return corrected.tolist()


def resample_groups(
    correct: NDArray[np.generic],
    groups: Sequence[str],
    draws: int = DRAWS,
    seed: int = SEED,
    advance: Callable[[int], object] = lambda _: None,
) -> Floats:
    """Compute accuracies on test sets made of groups drawn with replacement, the same groups for every column.

    Args:
        correct: [columns, n], 1 where a sample is classified correctly; a column is one seed of one method.
        groups: n names.
        draws: number of test sets.
        seed: of the draws.
        advance: called with the number of draws just done.

    Returns:
        [draws, columns].
    """
    _, members, sizes = np.unique(np.asarray(groups, dtype=object).astype(str), return_inverse=True, return_counts=True)
    count = len(sizes)
    hits = np.stack([np.bincount(members, column.astype(np.float64), count) for column in correct], axis=1)
    rng = np.random.default_rng(seed)
    result = np.empty((draws, len(correct)))
    chunk = max(1, CHUNK_BYTES // (8 * count))
    for start in range(0, draws, chunk):
        size = min(chunk, draws - start)
        drawn = rng.integers(count, size=(size, count)) + np.arange(size)[:, None] * count
        weights = np.bincount(drawn.ravel(), minlength=size * count).reshape(size, count).astype(np.float64)
        result[start : start + size] = (weights @ hits) / (weights @ sizes.astype(np.float64))[:, None]
        advance(size)
    return result


def resample_seeds(accuracies: Floats, seeds: Sequence[int]) -> Floats:
    """Average resampled accuracies over seeds drawn with replacement.

    Classifiers with the same seeds get the same draws, since a seed gives each of them the same order of data.

    Args:
        accuracies: [draws, seeds], by `resample_groups`.
        seeds: of the columns.

    Returns:
        [draws].
    """
    draws, count = accuracies.shape
    order = np.argsort(seeds)
    rng = np.random.default_rng([SEED, *sorted(seeds)])
    drawn = rng.integers(count, size=(draws, count))
    result: Floats = np.take_along_axis(accuracies[:, order], drawn, axis=1).mean(axis=1)
    return result


def difference(mean: float, resampled: Floats) -> Difference:
    """Return a difference with its 95 % percentile interval and its two-sided p-value.

    Efron and Tibshirani: An introduction to the bootstrap, 1993.  Where fewer than 10 draws lie beyond zero, the tail
    of a normal distribution with their standard deviation takes the place of counting; else no p-value could become
    small enough to stand the correction for many tests.

    Args:
        mean: of the samples themselves.
        resampled: [draws], first minus second of each draw.
    """
    low, high = np.quantile(resampled, (0.025, 0.975))
    tail = min(int(np.sum(resampled <= 0.0)), int(np.sum(resampled >= 0.0)))
    p = min(1.0, 2 * (tail + 1) / (len(resampled) + 1))
    spread = float(np.std(resampled))
    if tail < FEW_DRAWS and spread > 0:
        p = min(p, 2 * float(ndtr(-abs(float(np.mean(resampled))) / spread)))
    return Difference(mean, float(low), float(high), float(p))


def paired_standard_error(resampled: Floats) -> float:
    """Compute the standard error of the difference of two classifiers, pooled over all pairs of them.

    Args:
        resampled: [draws, classifiers], accuracies; at least two classifiers.
    """
    covariance = np.cov(resampled, rowvar=False)
    variances = np.diag(covariance)
    pairs = variances[:, None] + variances[None, :] - 2 * covariance
    above = np.triu_indices(len(variances), 1)
    return float(np.sqrt(max(0.0, float(np.mean(pairs[above])))))
