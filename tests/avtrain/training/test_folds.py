"""Cross-validation: each fold is tested once, stopped at any fold it goes on, and the report is the mean over folds."""

import json
import shutil
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import torch

from avbuild.dataset.splits import resplit
from avbuild.errors import UsageError
from avbuild.scenarios.manifest_file import load_manifest
from avtrain.data.dataset import MultimodalData
from avtrain.data.shards import read_corrupted, read_rows, split_keys
from avtrain.evaluation.fold_means import fold_means
from avtrain.runs.folder import Run
from avtrain.training.folds import find_folds, of_fold
from tests.avtrain.training.test_fit import avtrain_, fit, weights
from tests.conftest import write_urbansound8k
from tests.support import synthetic_shards
from tests.support.commands import succeed
from tests.support.reports import score, view_of
from tests.support.stopping import stopped_in
from tests.support.synthetic_shards import row, write_data

NAME = "urbansound8k-av-finetune-tiny-folds"
FOLDS = (1, 2, 3)


@pytest.fixture(scope="module")
def data(image_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """90 samples of 90 recordings in three folds, with D on disk; do not change it."""
    place = tmp_path_factory.mktemp("data")
    corpus = write_urbansound8k(place / "UrbanSound8K", recordings=9, slices=1)
    where = ("--audio-root", corpus, "--images", f"folder:{image_folder}", "--out", place, "--workers", "1")
    succeed("make", "urbansound8k-av", *where)
    succeed("corrupt", "--scenario", "D", "--data", place / "urbansound8k-av", "--workers", "1")
    return place / "urbansound8k-av"


@pytest.fixture(scope="module")
def manifest(data: Path) -> Path:
    return data / "manifest.yaml"


@pytest.fixture(scope="module")
def runs(manifest: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All folds, stopped in the second and resumed, evaluated; do not change it."""
    out = tmp_path_factory.mktemp("folds")
    with stopped_in(epoch=1):
        fit(manifest, out, "--epochs", 2, "--folds", "1")
    with stopped_in(epoch=2, saved=False):
        fit(manifest, out, "--epochs", 2, "--folds", "all")  # finishes the first epoch of fold 1 only
    first = Run(out / NAME / "fold1" / "seed0")
    assert not first.finished
    fit(manifest, out, "--epochs", 2, "--folds", "all")
    avtrain_("eval", out)
    return out


def test_every_fold_is_tested_once_by_a_run_that_saw_no_recording_of_it(manifest: Path) -> None:
    loaded = load_manifest(manifest)
    every, chosen = find_folds(loaded, "all")
    assert every == chosen == FOLDS
    keys = split_keys(loaded)
    tested: list[str] = []
    for fold in every:
        homes = resplit(of_fold(loaded, fold).split, keys, loaded.seed)
        of = {split: [k for k, home in zip(keys, homes, strict=True) if home == split] for split in set(homes)}
        assert {key.fold for key in of["test"]} == {fold}
        assert not {key.group for key in of["test"]} & {key.group for key in (*of["train"], *of["validation"])}
        assert not {key.group for key in of["train"]} & {key.group for key in of["validation"]}
        tested += [key.id for key in of["test"]]
    assert sorted(tested) == sorted(key.id for key in keys)


def test_stopped_and_resumed_the_folds_end_with_the_weights_of_undisturbed_ones(
    runs: Path, manifest: Path, tmp_path: Path
) -> None:
    fit(manifest, tmp_path, "--epochs", 2, "--folds", "1,3")
    for fold in (1, 3):
        whole, resumed = (weights(out / NAME / f"fold{fold}" / "seed0") for out in (tmp_path, runs))
        assert all(torch.equal(whole[key], resumed[key]) for key in whole)
    before = {path: path.stat().st_mtime_ns for path in runs.rglob("model.safetensors")}
    said = avtrain_("fit", manifest, "--backbone", "tiny", "--epochs", 2, "--batch-size", 32, "--lr", 0.002, *small(),
                    "--out", runs, "--folds", "all")  # fmt: skip
    assert said.count("finished already") == 3
    assert before == {path: path.stat().st_mtime_ns for path in runs.rglob("model.safetensors")}


def small() -> list[str]:
    options = {"width": 24, "layers": 1, "heads": 2, "image_size": 16, "audio_seconds": 0.5}
    return [f"--set=backbone.{key}={value}" for key, value in options.items()]


def test_the_report_is_the_mean_over_folds_and_pools_them(runs: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(runs, tmp_path / "runs"))
    printed = avtrain_("report", copy)
    found = [json.loads((copy / NAME / f"fold{n}" / "seed0" / "eval" / "D.json").read_text()) for n in FOLDS]
    assert [(e["fold"], e["folds"], e["run"]) for e in found] == [
        (n, [1, 2, 3], f"{NAME}/fold{n}/seed0") for n in FOLDS
    ]
    assert sum(e["n"] for e in found) == 90
    values = 100 * np.array([e["accuracy"] for e in found])
    markdown = (copy / "report.md").read_text()
    assert f"{values.mean():.1f} ± {values.std(ddof=1):.1f}" in markdown
    assert "urbansound8k-av (3 folds)" in markdown
    assert "n folds" in markdown
    assert "n seeds" not in markdown.split("####")[0]
    pooled = 100 * sum(e["accuracy"] * e["n"] for e in found) / 90
    row = next(line for line in markdown.splitlines() if line.startswith("| finetune") and "| D |" in line)
    assert f"| {pooled:.1f} |" in row
    assert row.endswith("| 3 of 3 |")
    assert "3 folds" in printed
    assert "Cross-validation over 3 folds" in (copy / "report.html").read_text()


def test_eval_ends_with_the_mean_over_folds(runs: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(runs, tmp_path / "runs"))
    shutil.rmtree(copy / NAME / "fold2")
    printed = avtrain_("eval", copy / NAME, "--scenarios", "C")
    assert f"{NAME}, mean ± std over folds: C " in printed
    assert "(2 of 3 folds)" in printed
    assert printed.rstrip().endswith(f"next: avtrain report {copy}")


def test_seeds_of_a_fold_count_by_their_mean() -> None:
    folds = [1, 2]
    evaluations = [
        score("finetune", "C", accuracy, seed=seed, fold=fold, folds=folds, run=f"x/fold{fold}/seed{seed}")
        for fold, seed, accuracy in ((1, 0, 0.5), (1, 1, 0.7), (2, 0, 0.2))
    ]
    (line,) = fold_means(evaluations)
    assert line == "x, mean ± std over folds: C 0.400 ± 0.283 (2 of 2 folds)"


def test_a_table_over_folds_and_one_over_seeds_are_kept_apart(tmp_path: Path) -> None:
    evaluations = [
        score("finetune", "C", accuracy, seed=seed, fold=fold, folds=[1, 2], run=f"x/fold{fold}/seed{seed}")
        for fold, seed, accuracy in ((1, 0, 0.5), (1, 1, 0.7), (2, 0, 0.2))
    ]
    view = view_of(tmp_path, evaluations)
    ((_, row),) = view.tables[0].rows.items()
    assert row["C"].values == pytest.approx((0.6, 0.2))
    assert view.results.manifest == "demo (2 folds)"


def test_a_fold_is_corrupted_as_on_disk(manifest: Path) -> None:
    """Rows of any fold under D: those that D on disk holds are equal, whatever split they are in now."""
    loaded = load_manifest(manifest)
    on_disk = read_corrupted(loaded, "test", "D")
    assert on_disk is not None
    frontend = _Raw()
    written = {p.id: p.signals for p in MultimodalData(on_disk, loaded, frontend, ("D",))}
    compared = 0
    for fold in FOLDS:
        ours = of_fold(loaded, fold)
        assert read_corrupted(ours, "test", "D") is None
        for prepared in MultimodalData(read_rows(ours, "test"), ours, frontend, ("D",)):
            for modality, signal in written.get(prepared.id, {}).items():
                assert torch.equal(signal, prepared.signals[modality])
                compared += 1
    assert compared == 2 * len(written) > 0


class _Raw:
    """A front end that returns signals as they are."""

    shapes: ClassVar[dict[str, tuple[int, ...]]] = {}

    def prepare(self, modality: str, signal: torch.Tensor) -> torch.Tensor:
        return signal

    def finish(self, modality: str, prepared: torch.Tensor) -> torch.Tensor:
        return prepared


def test_the_start_of_a_fold_is_the_run_on_the_same_fold(runs: Path, manifest: Path, tmp_path: Path) -> None:
    fit(manifest, tmp_path, "--epochs", 1, "--method", "linear-probe", "--folds", "2", "--init-from", runs / NAME)
    source = weights(runs / NAME / "fold2" / "seed0")
    probed = weights(tmp_path / "urbansound8k-av-linear-probe-tiny-folds" / "fold2" / "seed0")
    shared = [key for key in probed if key.startswith("backbone.")]
    assert shared
    assert all(torch.equal(source[key], probed[key]) for key in shared)
    with pytest.raises(UsageError, match="may be among its training rows"):
        fit(manifest, tmp_path, "--method", "linear-probe", "--folds", "1", "--init-from", runs / NAME / "fold2")


@pytest.mark.parametrize(
    ("asked", "message"), [("1,9", "no fold 9 in .*it has 1, 2, 3"), ("every", "write all, or numbers"), ("0", "write")]
)
def test_folds_that_are_not_there_are_a_usage_error(manifest: Path, tmp_path: Path, asked: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        fit(manifest, tmp_path / "runs", "--folds", asked)
    assert not (tmp_path / "runs").exists()


def test_a_data_set_without_folds_or_with_some_only_is_refused(
    urbansound8k: Path, image_folder: Path, tmp_path: Path
) -> None:
    write_data(tmp_path / "made-up")
    manifest = tmp_path / "m.yaml"
    manifest.write_text("manifest: 1\nname: m\ndataset: made-up\nscenarios: {C: {}}\n")
    find_folds(load_manifest(manifest), "all")  # not made by avbuild: its folds are what there is
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(synthetic_shards, "row", lambda *given: {**row(*given), "fold": 0})
        write_data(tmp_path / "made-up")
    with pytest.raises(UsageError, match="180 of its 180 rows have no fold"):
        find_folds(load_manifest(manifest), "all")
    succeed("make", "urbansound8k-av", "--audio-root", urbansound8k, "--images", f"folder:{image_folder}",
            "--out", tmp_path, "--workers", "1", "--folds", "1,2")  # fmt: skip
    partly = load_manifest(tmp_path / "urbansound8k-av" / "manifest.yaml")
    with pytest.raises(UsageError, match=r"was made with --folds 1,2.*--folds 1,2"):
        find_folds(partly, "all")
    assert find_folds(partly, "1,2") == ((1, 2), (1, 2))
