"""`avtrain push`: upload a finished run as a model to the Hugging Face Hub."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from avbuild.dataset.build_record import FILE_NAME as BUILD
from avbuild.dataset.build_record import BuildRecord, read_build
from avbuild.dataset.hub import uploading
from avbuild.dataset.storage import Folder
from avbuild.errors import UserError
from avtrain.data.shards import at_place
from avtrain.inference.export_file import TOKENIZER
from avtrain.inference.loaded_run import LoadedRun
from avtrain.runs.folder import Run
from avtrain.runs.guards import require_same_data

FILES = ("config.yaml", "env.json", "metrics.jsonl", "model.safetensors", "frozen.safetensors", "result.json")
PROGRAM, CARD = "model.pt2", "README.md"
OF_PROGRAM = (PROGRAM, TOKENIZER)
NEEDED = (
    "manifest", "other_manifest", "scenario", "base_scenario", "severity", "inference", "leaky", "n", "accuracy",
    "macro_f1", "calibration_error",
)  # fmt: skip


def find_build(loaded: LoadedRun, data: str | None) -> BuildRecord | None:
    """Return the record of the data set that a run was trained on.

    Args:
        loaded: the run.
        data: place of the data set, where it was moved; None: as in its manifest.

    Returns:
        None where the data set is not in the place of its manifest any more, or has other rows.

    Raises:
        UserError: the rows at the place given are not those of the training, or the record is damaged.
    """
    manifest = at_place(loaded.config.manifest, data)
    folder = Folder(manifest.dataset)
    if data is None and not folder.exists(BUILD):
        return None
    build = read_build(folder)
    try:
        require_same_data(loaded.run, manifest)
    except UserError:
        if data is None:
            return None
        raise
    return build


def run_files(run: Run) -> dict[str, Path]:
    """Return the files of a run that a model consists of, by their path in the repository.

    Weights and measurements are read once, so that damaged ones are noticed; `scores_of` reads the scores.
    Predictions of single samples are not among them.

    Raises:
        UserError: one is damaged.
    """
    run.weights()
    run.metrics()
    scores = [path for path in sorted((run.folder / "eval").rglob("*.json")) if not path.name.startswith(".partial-")]
    files = [*(run.folder / name for name in FILES), *scores]
    return {path.relative_to(run.folder).as_posix(): path for path in files if path.exists()}


def scores_of(run: Run) -> list[dict[str, Any]]:
    """Return the scores that `avtrain eval` wrote.

    Raises:
        UserError: a file is damaged, or was written by an earlier version and lacks what a card needs.
    """
    scores = run.evaluations()
    if lacking := [key for key in NEEDED if any(key not in each for each in scores)]:
        raise UserError(
            f"{run}/eval: written by an earlier version of avtrain, without {', '.join(lacking)}; delete that folder, "
            f"then avtrain eval {run}"
        )
    return scores


def upload(repository: str, files: Mapping[str, Path | bytes], public: bool, message: str) -> str:
    """Upload a model in one commit, which also removes scores and programs of an earlier one.

    Args:
        repository: OWNER/NAME on the Hub.
        files: path in the repository -> file or its content.
        public: whether everybody can see it.
        message: of the commit.

    Returns:
        The address of the repository.

    Raises:
        UserError: the Hub cannot be reached or refuses.
    """
    from huggingface_hub import CommitOperationAdd, CommitOperationCopy, CommitOperationDelete, HfApi

    api = HfApi()
    with uploading(repository):
        address = api.create_repo(repository, repo_type="model", private=not public, exist_ok=True)
        there = api.list_repo_files(repository, repo_type="model")
        stale = [name for name in there if (name.startswith("eval/") or name in OF_PROGRAM) and name not in files]
        operations: list[CommitOperationAdd | CommitOperationCopy | CommitOperationDelete] = [
            *(CommitOperationAdd(name, file) for name, file in files.items()),
            *(CommitOperationDelete(name) for name in stale),
        ]
        api.create_commit(repository, operations=operations, repo_type="model", commit_message=message)
    return str(address)
