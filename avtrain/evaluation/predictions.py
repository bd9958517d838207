"""The predictions of `avtrain eval`, one Parquet file beside each JSON file of scores, a row a test sample.

id, group, fold, label, logits (a list), scenario, severity and inference; for each modality `<modality>_missing`, and
`<modality>_logits` where the method scores a modality alone; `temperature` where probabilities are calibrated.  Logits
are those of the model, and probabilities the softmax of logits / temperature.  Every metric of the JSON file but the
contributions of modalities can be computed from it.  The JSON file holds the digest of its Parquet file, so that
damage, and a file of another evaluation, are noticed.
"""

import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from avbuild.errors import UserError
from avtrain.data.samples import Rows
from avtrain.evaluation.predict import Outputs
from avtrain.runs.folder import ADAPTED
from avtrain.runs.sealed import damaged, digest_of

DIGEST = "predictions"  # key of a JSON file of scores
SUFFIX = ".predictions.parquet"


@dataclass(frozen=True)
class Predictions:
    """The predictions for n test samples under one condition.

    Attributes:
        ids: n sample ids.
        groups: recording or speaker of each sample.
        folds: [n], of the source corpus.
        labels: [n], class indices.
        logits: [n, classes].
        present: modality -> [n].
        per_modality: modality -> [n, classes], where the method scores a modality alone.
        temperature: [n], that the logits are divided by for probabilities; None: they are not calibrated.
    """

    ids: tuple[str, ...]
    groups: tuple[str, ...]
    folds: NDArray[np.int64]
    labels: NDArray[np.int64]
    logits: NDArray[np.float64]
    present: dict[str, NDArray[np.bool_]]
    per_modality: dict[str, NDArray[np.float64]]
    temperature: NDArray[np.float64] | None = None

    @property
    def correct(self) -> NDArray[np.bool_]:
        """Return whether each sample is classified correctly, [n]."""
        hits: NDArray[np.bool_] = self.logits.argmax(axis=1) == self.labels
        return hits

    def outputs(self) -> Outputs:
        """Return what the metrics are computed from; the choices of a router are not kept."""
        return Outputs(
            self.logits, self.per_modality, self.present, self.labels, self.ids, temperature=self.temperature
        )


def predictions_file(scores_file: str) -> str:
    """Return the path of the predictions that belong to a JSON file of scores, such as `eval/D.oracle.json`."""
    return scores_file.removesuffix(".json") + SUFFIX


def scores_file(evaluation: Mapping[str, Any]) -> str:
    """Return the path in a run's folder of the JSON file whose content this is."""
    file = condition_file(evaluation["scenario"], evaluation["other_manifest"], evaluation["inference"])
    if (adapted := evaluation.get("adaptation")) is None:
        return file
    stream = f"{adapted['name']}-{adapted['stream']}-{adapted['batch']}"
    return f"{ADAPTED}/{stream}/{file.removeprefix('eval/')}"


def condition_file(scenario: str, other_manifest: str | None, inference: str | None) -> str:
    """Return the path of the scores of one condition in a run's folder.

    Args:
        scenario: name.
        other_manifest: name of the manifest that the scenario comes from; None for the run's own.
        inference: mode; None for a method without inference modes.
    """
    folder = f"eval/{other_manifest}" if other_manifest else "eval"
    return f"{folder}/{scenario}{f'.{inference}' if inference else ''}.json"


def to_parquet(outputs: Outputs, rows: Rows, scenario: str, severity: int | None, inference: str | None) -> bytes:
    """Return the predictions for the rows of a split as a Parquet file; equal predictions give equal bytes.

    Args:
        outputs: predictions, in the order of the rows.
        rows: name the samples, their groups and folds.
        scenario: name of the condition.
        severity: of the condition; None where it is as the manifest defines it.
        inference: mode; None for a method without inference modes.
    """
    samples = list(rows.samples)
    if tuple(sample.id for sample in samples) != outputs.ids:
        raise AssertionError("predictions are not in the order of the rows")
    n = len(samples)
    columns: dict[str, pa.Array] = {
        "id": pa.array(outputs.ids, pa.string()),
        "group": pa.array([sample.group for sample in samples], pa.string()),
        "fold": pa.array([sample.fold for sample in samples], pa.int32()),
        "label": pa.array(outputs.labels, pa.int32()),
        "logits": _lists(outputs.logits),
        "scenario": pa.array([scenario] * n, pa.string()),
        "severity": pa.array([severity] * n, pa.int32()),
        "inference": pa.array([inference] * n, pa.string()),
    }
    columns |= {f"{m}_missing": pa.array(~present) for m, present in outputs.present.items()}
    columns |= {f"{m}_logits": _lists(scores) for m, scores in outputs.per_modality.items()}
    if outputs.temperature is not None:
        columns["temperature"] = pa.array(outputs.temperature, pa.float64())
    buffer = io.BytesIO()
    pq.write_table(pa.table(columns), buffer, compression="zstd")
    return buffer.getvalue()


def has_predictions(evaluation: Mapping[str, Any]) -> bool:
    """Return whether an evaluation was written with its predictions; those of earlier versions were not."""
    return isinstance(evaluation.get(DIGEST), str)


def read_predictions(run: Path, evaluation: Mapping[str, Any]) -> Predictions:
    """Read the predictions of one evaluation.

    Args:
        run: folder of the run.
        evaluation: content of the JSON file of scores.

    Raises:
        UserError: an earlier version wrote none, or the file is missing, damaged, or of another evaluation.
    """
    path = run / predictions_file(scores_file(evaluation))
    if not has_predictions(evaluation):
        raise UserError(f"{path}: absent, since an earlier version evaluated this run; avtrain eval {run} writes it")
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise damaged(str(path), "the file is missing", f"avtrain eval {run} writes it anew") from None
    if digest_of(data) != evaluation[DIGEST]:
        why = "it does not have the digest that its scores name"
        raise damaged(str(path), why, f"avtrain eval {run} writes it anew")
    return _from_parquet(data)


def _from_parquet(data: bytes) -> Predictions:
    table = pq.read_table(io.BytesIO(data))
    missing = [name for name in table.column_names if name.endswith("_missing")]
    scored = [name for name in table.column_names if name.endswith("_logits")]
    return Predictions(
        ids=tuple(table["id"].to_pylist()),
        groups=tuple(table["group"].to_pylist()),
        folds=table["fold"].to_numpy().astype(np.int64),
        labels=table["label"].to_numpy().astype(np.int64),
        logits=_matrix(table["logits"]),
        present={name.removesuffix("_missing"): ~np.asarray(table[name].to_numpy(), dtype=bool) for name in missing},
        per_modality={name.removesuffix("_logits"): _matrix(table[name]) for name in scored},
        temperature=table["temperature"].to_numpy() if "temperature" in table.column_names else None,
    )


def _lists(values: NDArray[np.float64]) -> pa.Array:
    """Return [n, classes] as a column of lists."""
    n, classes = values.shape
    return pa.ListArray.from_arrays(pa.array(np.arange(n + 1, dtype=np.int32) * classes), pa.array(values.ravel()))


def _matrix(column: pa.ChunkedArray) -> NDArray[np.float64]:
    """Return a column of lists of one length as [n, length]."""
    lists = column.combine_chunks()
    return np.asarray(lists.flatten().to_numpy(), dtype=np.float64).reshape(len(lists), -1)
