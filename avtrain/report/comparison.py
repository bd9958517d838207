"""Comparisons of `avtrain compare`: pairs of methods on the same test samples, with tests and intervals."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

from avbuild.errors import UsageError, UserError, nearest
from avtrain.evaluation.significance import (
    DRAWS,
    LEVEL,
    Difference,
    McNemar,
    difference,
    holm,
    pooled_mcnemar,
)
from avtrain.report.differences import Resampled, resample_cells
from avtrain.report.results import Entry, Results
from avtrain.report.sample_scores import SampleScores, load_sample_scores
from avtrain.report.tables import MEAN, Table

FEW_GROUPS = 10  # below, resampling groups understates the spread (Cameron, Gelbach and Miller 2008)
FEW_NOTE = f" With fewer than {FEW_GROUPS} groups the bootstrap's intervals are too narrow, and its p-values too small."


@dataclass(frozen=True)
class Comparison:
    """Two methods on one scenario, or on the mean over scenarios.

    Attributes:
        scenario: name, or `mean`.
        method: the first.
        baseline: the second.
        effect: accuracy of the method minus that of the baseline.
        p: of the bootstrap, corrected for the number of comparisons.
        mcnemar: test over samples, not corrected; None for the mean over scenarios, under which no sample is right or
            wrong.
        p_mcnemar: corrected for the number of comparisons.
    """

    scenario: str
    method: str
    baseline: str
    effect: Difference
    p: float
    mcnemar: McNemar | None
    p_mcnemar: float | None

    @property
    def verdict(self) -> str:
        """Return `better` or `worse` than the baseline where the difference is one, else `no difference shown`."""
        if self.p >= LEVEL:
            return "no difference shown"
        return "better" if self.effect.mean > 0 else "worse"


@dataclass(frozen=True)
class ComparisonTable:
    """All comparisons of the runs of one manifest on the scenarios of one manifest.

    Attributes:
        title: names of the manifests.
        samples: number of test samples.
        groups: number of recordings or speakers among them.
        seeds: number of seeds of each method.
        comparisons: in order of scenario.
    """

    title: str
    samples: int
    groups: int
    seeds: Mapping[str, int]
    comparisons: Sequence[Comparison]

    @property
    def note(self) -> str:
        """Return how the numbers were made, as plain text."""
        made = f"{len(self.comparisons)} comparison{'s'[: len(self.comparisons) > 1]}"
        return (
            f"Differences of test accuracy in points; {self.samples:,} test samples in {self.groups:,} groups; "
            f"{self._seed_note()}. Paired bootstrap over groups and seeds ({DRAWS:,} draws); McNemar's test over "
            f"samples, seeds pooled; both Holm-corrected over {made}. The verdict is the bootstrap's at p < {LEVEL:g}."
            f"{FEW_NOTE if self.groups < FEW_GROUPS else ''}"
        )

    def _seed_note(self) -> str:
        counts = set(self.seeds.values())
        if len(counts) == 1:
            return f"seeds of each method: {counts.pop()}"
        return "seeds: " + ", ".join(f"{name} {count}" for name, count in self.seeds.items())


def compare(results: Results, table: Table, baseline: Entry | None, scenarios: Sequence[str] | None) -> ComparisonTable:
    """Compare entries of a table in pairs.

    Args:
        results: that the table was made from.
        table: of accuracies.
        baseline: compared with every other entry; None: all pairs.
        scenarios: columns to compare; None: all, and their mean where there are several.

    Raises:
        UsageError: there is nothing to compare, or no such scenario.
        UserError: predictions are absent or damaged, or test samples differ.
    """
    entries = list(table.rows)
    if len(entries) < 2:
        raise UsageError(f"{table.title}: {entries[0]} is the only method here; compare at least two")
    unknown = [name for name in scenarios or () if name not in table.columns]
    if unknown:
        allowed = ", ".join(table.columns)
        raise UsageError(f"--scenario {unknown[0]}: not evaluated{nearest(unknown[0], table.columns)}; have {allowed}")
    if scenarios is None:  # the mean of a single scenario would be the same comparison twice, and corrected for as two
        columns = table.columns if len(table.scenarios) > 1 else table.scenarios
    else:
        columns = tuple(name for name in table.columns if name in scenarios)
    needed = table.scenarios if MEAN in columns else columns
    scores = load_sample_scores(results, table.other_manifest, needed, skip_absent=False)
    resampled = resample_cells(scores, needed)
    pairs = [(e, baseline) for e in entries if e != baseline] if baseline else list(combinations(entries, 2))
    names = results.labels
    found = [
        _compare(table, scores, resampled, column, first, second, names)
        for column in columns
        for first, second in pairs
        if first in resampled.get(column, {}) and second in resampled[column]
    ]
    if not found:
        raise UserError(f"{table.title}: no two methods were evaluated on the same scenario; avtrain eval does it")
    seeds = {names[entry]: table.seed_count(entry) for entry in entries}
    groups = scores.groups
    return ComparisonTable(table.title, len(groups), len(set(groups)), seeds, _corrected(found))


def _compare(
    table: Table,
    scores: SampleScores,
    resampled: Resampled,
    column: str,
    first: Entry,
    second: Entry,
    names: Mapping[Entry, str],
) -> Comparison:
    gap = table.rows[first][column].mean - table.rows[second][column].mean
    effect = difference(gap, resampled[column][first] - resampled[column][second])
    counted = None if column == MEAN else pooled_mcnemar(scores.hits[first][column], scores.hits[second][column])
    return Comparison(
        column, names[first], names[second], effect, effect.p, counted, None if counted is None else counted.p
    )


def _corrected(comparisons: Sequence[Comparison]) -> list[Comparison]:
    """Return the comparisons with p-values corrected over all of them."""
    p_values = holm([each.p for each in comparisons])
    of_mcnemar = iter(holm([each.p_mcnemar for each in comparisons if each.p_mcnemar is not None]))
    return [
        replace(each, p=p, p_mcnemar=None if each.p_mcnemar is None else next(of_mcnemar))
        for each, p in zip(comparisons, p_values, strict=True)
    ]
