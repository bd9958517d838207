"""Tests of the differences in a table: resampled accuracies of its cells, each compared with the best of its column."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from avbuild.progress import progress_bar
from avtrain.evaluation.predictions import has_predictions
from avtrain.evaluation.significance import (
    DRAWS,
    difference,
    holm,
    paired_standard_error,
    resample_groups,
    resample_seeds,
)
from avtrain.report.results import Entry, Results
from avtrain.report.sample_scores import DifferentSamplesError, SampleScores, load_sample_scores
from avtrain.report.tables import MEAN, ColumnTests, Table

Resampled = Mapping[str, Mapping[Entry, NDArray[np.float64]]]  # column -> entry -> [draws], pooled over seeds


def tested(table: Table, results: Results) -> Table:
    """Return a table with its tests; as it is where predictions are absent, with the reason.

    Args:
        table: of accuracies.
        results: that it was made from.

    Raises:
        UserError: predictions are damaged.
    """
    if len(table.rows) < 2:
        return table
    absent = {
        e["run"]
        for e in results.evaluations
        if e["listed"] and e["other_manifest"] == table.other_manifest and not has_predictions(e)
    }
    problem = f"no predictions of {_some(sorted(absent))}; evaluate again to test differences" if absent else ""
    try:
        scores = load_sample_scores(results, table.other_manifest, table.scenarios, skip_absent=True)
    except DifferentSamplesError as error:
        return replace(table, tests=ColumnTests({}, {}, 0, f"test samples differ ({error})"))
    resampled = resample_cells(scores, table.scenarios)
    complete = {c: rows for c, rows in resampled.items() if all(e in rows for e, row in table.rows.items() if c in row)}
    p_values = {column: _against_the_best(table, column, rows) for column, rows in complete.items()}
    errors = {
        column: paired_standard_error(np.stack(list(rows.values()), axis=1))
        for column, rows in complete.items()
        if len(rows) > 1
    }
    return replace(table, tests=ColumnTests(p_values, errors, len(set(scores.groups)), problem))


def resample_cells(scores: SampleScores, scenarios: Sequence[str]) -> Resampled:
    """Return resampled accuracies of every cell of a table, all on the same drawn groups.

    Args:
        scores: of the samples.
        scenarios: columns; the mean over them is one more, of the seeds that have all.
    """
    keys = [(e, name, seed) for e, by_name in scores.hits.items() for name, hits in by_name.items() for seed in hits]
    if not keys:
        return {}
    correct = np.stack([scores.hits[entry][name][seed] for entry, name, seed in keys])
    with progress_bar("testing", DRAWS) as advance:
        drawn = resample_groups(correct, scores.groups, advance=advance)
    places = {key: place for place, key in enumerate(keys)}
    columns: dict[str, dict[Entry, NDArray[np.float64]]] = {name: {} for name in (*scenarios, MEAN)}
    for entry, by_name in scores.hits.items():
        for name, hits in by_name.items():
            seeds = sorted(hits)
            columns[name][entry] = resample_seeds(drawn[:, [places[entry, name, seed] for seed in seeds]], seeds)
        complete = sorted(set.intersection(*(set(by_name.get(name, {})) for name in scenarios)))
        if complete:
            of_seeds = [drawn[:, [places[entry, name, seed] for name in scenarios]].mean(axis=1) for seed in complete]
            columns[MEAN][entry] = resample_seeds(np.stack(of_seeds, axis=1), complete)
    return columns


def _against_the_best(table: Table, column: str, rows: Mapping[Entry, NDArray[np.float64]]) -> dict[Entry, float]:
    """Return corrected p-values of the entries that are not the best of a column.

    Entries selected on test, and the others, are tested among themselves.
    """
    raw: dict[Entry, float] = {}
    for warning in dict.fromkeys(entry.warning for entry in rows):
        rivals = [entry for entry in rows if entry.warning == warning]
        best = max(rivals, key=lambda entry: table.rows[entry][column].mean)
        for entry in rivals:
            if not table.is_best(entry, column):
                gap = table.rows[best][column].mean - table.rows[entry][column].mean
                raw[entry] = difference(gap, rows[best] - rows[entry]).p
    return dict(zip(raw, holm(list(raw.values())), strict=True))


def _some(names: Sequence[str]) -> str:
    """Return the first names, and how many more there are."""
    more = f" and {len(names) - 3:,} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more
