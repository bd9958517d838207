"""Whether each test sample is classified correctly, for all entries and scenarios of a table."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from avbuild.errors import UserError
from avbuild.progress import progress_bar
from avtrain.evaluation.predictions import Predictions, has_predictions, read_predictions
from avtrain.report.results import RUN_FOLDER, Entry, Evaluation, Results

Hits = Mapping[int, NDArray[np.bool_]]  # seed -> correct or not, [n]


class DifferentSamplesError(UserError):
    """Two runs were tested on different samples, so that they cannot be paired."""


@dataclass(frozen=True)
class SampleScores:
    """The test samples of a table, and which of them are classified correctly.

    Attributes:
        groups: recording or speaker of each sample.
        hits: entry -> scenario -> seed -> [n].
    """

    groups: tuple[str, ...]
    hits: Mapping[Entry, Mapping[str, Hits]]


@dataclass(frozen=True)
class _TestSet:
    """The samples of the first evaluation, which every other one must have too."""

    name: str
    places: Mapping[str, int]  # id -> row
    labels: NDArray[np.int64]
    groups: tuple[str, ...]


def load_sample_scores(
    results: Results, other_manifest: str | None, scenarios: Sequence[str], *, skip_absent: bool
) -> SampleScores:
    """Read the predictions of all entries on some scenarios; runs on different folds with one seed are put together.

    Args:
        results: of one manifest.
        other_manifest: that the scenarios come from; None for the one trained on.
        scenarios: names.
        skip_absent: leave out entries on scenarios where predictions of a seed are absent; else they are an error.

    Raises:
        UserError: predictions are absent or damaged.
        DifferentSamplesError: says which samples differ.
    """
    wanted: dict[tuple[Entry, str, int], list[Evaluation]] = defaultdict(list)
    for entry, evaluations in results.entries.items():
        for e in evaluations:
            if e["other_manifest"] == other_manifest and e["scenario"] in scenarios:
                wanted[entry, e["scenario"], e["seed"]].append(e)
    if skip_absent:  # a mean over some of the seeds is not what the table shows
        absent = {key[:2] for key, of_seed in wanted.items() if not all(map(has_predictions, of_seed))}
        wanted = defaultdict(list, {key: of_seed for key, of_seed in wanted.items() if key[:2] not in absent})
    first: _TestSet | None = None
    hits: dict[Entry, dict[str, dict[int, NDArray[np.bool_]]]] = defaultdict(lambda: defaultdict(dict))
    with progress_bar("reading", len(wanted)) as advance:
        for (entry, scenario, seed), of_seed in wanted.items():
            name = f"{of_seed[0]['run']} on {scenario}"
            predictions = _joined([read_predictions(e[RUN_FOLDER], e) for e in of_seed], name)
            first = first or _test_set(predictions, name)
            hits[entry][scenario][seed] = _aligned(predictions, name, first)
            advance()
    return SampleScores(first.groups if first else (), hits)


def _joined(parts: Sequence[Predictions], name: str) -> Predictions:
    """Return the predictions of runs on different folds as one; of runs on the same samples the last counts."""
    if len(parts) == 1 or set(parts[0].ids) == set(parts[-1].ids):
        return parts[-1]
    ids = tuple(id_ for part in parts for id_ in part.ids)
    if len(set(ids)) < len(ids):
        raise DifferentSamplesError(f"{name}: several runs with one seed were tested on some of the same samples")
    return Predictions(
        ids=ids,
        groups=tuple(group for part in parts for group in part.groups),
        folds=np.concatenate([part.folds for part in parts]),
        labels=np.concatenate([part.labels for part in parts]),
        logits=np.concatenate([part.logits for part in parts]),
        present={},
        per_modality={},
    )


def _test_set(predictions: Predictions, name: str) -> _TestSet:
    places = {id_: row for row, id_ in enumerate(predictions.ids)}
    return _TestSet(name, places, predictions.labels, predictions.groups)


def _aligned(predictions: Predictions, name: str, first: _TestSet) -> NDArray[np.bool_]:
    """Return which samples are correct, in the order of the first evaluation."""
    extra = [id_ for id_ in predictions.ids if id_ not in first.places]
    absent = first.places.keys() - set(predictions.ids)
    if extra or absent:
        parts = [f"{len(absent):,} of {first.name} are not in it ({min(absent)})"] if absent else []
        parts += [f"{len(extra):,} of its samples are not in {first.name} ({min(extra)})"] if extra else []
        raise DifferentSamplesError(
            f"{name}: its test samples are not those of {first.name}, so the two cannot be paired: "
            f"{' and '.join(parts)}. Compare runs that were evaluated on one test split"
        )
    rows = np.array([first.places[id_] for id_ in predictions.ids], dtype=np.int64)
    if np.any(first.labels[rows] != predictions.labels):
        raise DifferentSamplesError(f"{name}: its labels are not those of {first.name}; the classes differ")
    if any(first.groups[row] != group for row, group in zip(rows, predictions.groups, strict=True)):
        raise DifferentSamplesError(f"{name}: its groups are not those of {first.name}; the recordings differ")
    hits = np.empty(len(rows), dtype=bool)
    hits[rows] = predictions.correct
    return hits
