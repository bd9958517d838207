"""fit --config, --print-config and --dry-run."""

from pathlib import Path

import pytest
import torch

from avbuild.errors import UsageError, UserError
from avtrain.runs.folder import Run
from tests.avtrain.training.test_fit import avtrain_, fit, weights
from tests.avtrain.training.test_folds import small
from tests.support.commands import tree

NAME = "urbansound8k-av-finetune-tiny"


@pytest.fixture(scope="module")
def runs(small_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One epoch of finetune with seed 3; do not change it."""
    return fit(small_data / "manifest.yaml", tmp_path_factory.mktemp("runs"), "--epochs", 1, "--seeds", 3)


def test_the_configuration_of_a_run_gives_the_same_run(runs: Path, tmp_path: Path) -> None:
    run = runs / NAME / "seed3"
    avtrain_("fit", "--config", run / "config.yaml", "--out", tmp_path)
    first, second = weights(run), weights(tmp_path / NAME / "seed3")
    assert all(torch.equal(first[key], second[key]) for key in first)
    assert Run(run).config() == Run(tmp_path / NAME / "seed3").config()


def test_what_is_printed_is_read_back(runs: Path, small_data: Path, tmp_path: Path) -> None:
    options = ("--backbone", "tiny", "--lr", "1e-5", *small(), "--seeds", "5,6", "--out", tmp_path / "none")
    for more in ((), ("--folds", "2,3")):
        printed = avtrain_("fit", small_data / "manifest.yaml", *options, *more, "--print-config")
        file = tmp_path / "printed.yaml"
        file.write_text(printed)
        again = avtrain_("fit", "--config", file, "--print-config")
        assert again == printed.removeprefix("# the first of 2 runs\n").removeprefix("# the first of 4 runs\n")
        assert "seed: 5" in again
        assert ("folds:" in again) is bool(more)
    assert not (tmp_path / "none").exists()


def test_options_of_the_command_line_replace_those_of_the_file(small_data: Path, tmp_path: Path) -> None:
    file = tmp_path / "c.yaml"
    file.write_text(
        "manifest: m.yaml\nfit:\n  method: prompt\n  backbone: tiny\n  lr: 3e-3\n"
        "  method_options: {length: 2, heads: 2}\n  seed: 4\n"
    )
    (tmp_path / "m.yaml").write_text(
        (small_data / "manifest.yaml").read_text().replace("dataset: .", f"dataset: {small_data}")
    )
    printed = avtrain_("fit", "--config", file, "--lr", "0.5", "--set", "method.length=8", "--print-config")
    for line in ("lr: 0.5", "length: 8", "heads: 2", "seed: 4", "method: prompt", f"dataset: {small_data}"):
        assert line in printed
    assert "seed: 9" in avtrain_("fit", "--config", file, "--seeds", "9", "--print-config")


def test_all_mistakes_of_a_file_are_told_at_once_with_their_lines(tmp_path: Path) -> None:
    file = tmp_path / "c.yaml"
    file.write_text(
        "fit:\n  method: prompt\n  epohcs: 3\n  lr: -1\n  method_options:\n    lenght: 4\n"
        "  backbone: tiny\n  backbone_options: {widht: 3}\nmanifest:\n  manifest: 1\n  name: x\n  sed: 3\n"
        "  dataset: .\n  scenarios: {C: {}}\nfold: 1\n"
    )
    with pytest.raises(UsageError) as caught:
        avtrain_("fit", "--config", file)
    lines = str(caught.value).splitlines()
    assert lines[0] == f"{file}: 6 problems"
    expected = [
        ("line 3 ", 'fit.epohcs: unknown option; did you mean "epochs"'),
        ("line 4 ", "fit.lr: input should be greater than 0"),
        ("line 6 ", 'fit.method_options.lenght: unknown option; did you mean "length"'),
        ("line 8 ", 'fit.backbone_options.widht: unknown option; did you mean "width"'),
        ("line 12", "manifest.sed: unknown key"),
        ("line 15", "fold: unknown key"),
    ]
    for line, (number, what) in zip(lines[1:], expected, strict=True):
        assert line.strip().startswith(number.strip())
        assert what in line


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("fit: 3\n", "line 1  fit: must be a mapping"),
        ("fit: {method: finetun}\n", 'line 1  fit.method: no method "finetun"'),
        ("manifest: no.yaml\n", "line 1  manifest: .*no such manifest"),
        ("folds: x\n", "line 1  folds: must be a list"),
        ("- 1\n", "must be a mapping with the keys"),
        ("fit: {lr: 1, lr: 2}\n", "duplicate key"),
        ("fit: {lr: 1}\n", "no manifest: name one"),
    ],
)
def test_a_file_that_is_no_configuration_is_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "c.yaml").write_text(text)
    with pytest.raises(UsageError, match=message):
        avtrain_("fit", "--config", tmp_path / "c.yaml", "--out", tmp_path / "runs")
    assert not (tmp_path / "runs").exists()


def test_a_dry_run_checks_everything_and_writes_nothing(runs: Path, small_data: Path, tmp_path: Path) -> None:
    before = tree(runs)
    manifest = small_data / "manifest.yaml"
    options = ("--backbone", "tiny", "--epochs", 1, "--batch-size", 32, "--lr", "0.002", *small(), "--dry-run")
    said = avtrain_("fit", manifest, *options, "--seeds", "3,4", "--out", runs)
    assert "seed3: is finished already" in said
    assert "seed4: would be trained; 1 epochs on " in said
    assert "of validation" in said
    assert "would be deleted" in avtrain_(
        "fit", manifest, *options, "--seeds", "3", "--out", runs, "--resume", "restart"
    )
    assert said.count("would be trained") == 1
    with pytest.raises(UserError, match="another configuration"):
        avtrain_("fit", manifest, *options, "--seeds", "3", "--out", runs, "--train-on", "scenarios", "--set", "lr=1")
    with pytest.raises(UserError, match="no data set there"):
        avtrain_("fit", manifest, *options, "--data", tmp_path / "no", "--out", tmp_path / "new")
    with pytest.raises(UsageError, match="its validation split is empty"):  # too few recordings to carve one from
        avtrain_("fit", manifest, *options, "--folds", "all", "--out", runs)
    assert tree(runs) == before
    assert not (tmp_path / "new").exists()
