"""`avtrain predict --adapt` on folders of files."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
from PIL import Image

from avbuild.errors import UsageError, UserError
from avtrain.evaluation.adaptation.source import FILE
from avtrain.runs.folder import Run
from tests.avtrain.training.test_fit import avtrain_, fit
from tests.support.commands import tree


@pytest.fixture(scope="module")
def run(small_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("run")
    fit(small_data / "manifest.yaml", out, "--epochs", 1, "--method", "linear-probe")
    return out / "urbansound8k-av-linear-probe-tiny" / "seed0"


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """Five sounds and four images; the last sound has no image."""
    rng = np.random.default_rng(0)
    sounds, images = tmp_path / "sounds", tmp_path / "images"
    sounds.mkdir()
    images.mkdir()
    for number in range(5):
        soundfile.write(sounds / f"clip{number}.wav", 0.1 * rng.standard_normal(8000), 16_000)
        if number < 4:
            Image.fromarray(rng.integers(0, 255, (24, 32, 3), dtype=np.uint8)).save(images / f"clip{number}.png")
    return sounds, images


@pytest.mark.parametrize("name", ["none", "discriminant", "align", "tent", "tsa", "brimpr"])
def test_a_folder_is_a_stream(run: Path, folders: tuple[Path, Path], name: str) -> None:
    options = ("--audio", folders[0], "--image", folders[1], "--adapt", name, "--adapt-batch", 2, "--json")
    avtrain_("predict", run, *options)  # stores the statistics that the adapter needs
    before = tree(run)
    lines = [json.loads(line) for line in avtrain_("predict", run, *options).splitlines()]
    assert [line["sample"] for line in lines] == [f"clip{number}" for number in range(5)]
    assert [line["present"]["image"] for line in lines] == [True] * 4 + [False]
    assert all(line["label"] == max(line["probabilities"], key=line["probabilities"].get) for line in lines)
    assert tree(run) == before
    if name == "none":
        alone = json.loads(avtrain_("predict", run, "--audio", folders[0] / "clip4.wav", "--json"))["probabilities"]
        assert lines[4]["probabilities"] == pytest.approx(alone, abs=1e-5)
    if name == "align":  # so few samples are not evened out
        options = (
            "--audio",
            folders[0],
            "--image",
            folders[1],
            "--adapt",
            "discriminant",
            "--adapt-batch",
            2,
            "--json",
        )
        assert lines == [json.loads(line) for line in avtrain_("predict", run, *options).splitlines()]


def test_each_sample_is_printed_on_a_line(run: Path, folders: tuple[Path, Path]) -> None:
    lines = avtrain_("predict", run, "--audio", folders[0], "--adapt", "align").splitlines()
    assert [line.split("  ")[0] for line in lines[:5]] == [f"clip{number}" for number in range(5)]
    assert "5 samples in order of name, adapted by align" in lines[5]


def test_a_stream_can_abstain(run: Path, folders: tuple[Path, Path]) -> None:
    options = ("--audio", folders[0], "--adapt", "align", "--abstain-below", "1")
    lines = avtrain_("predict", run, *options).splitlines()
    assert all("no label (" in line for line in lines[:5])
    assert "5 of them abstained" in lines[5]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--adapt", "align"), "give a folder to --audio"),
        (("--audio", "FILE", "--adapt", "align"), "not a folder"),
        (("--audio", "SOUNDS", "--adapt-batch", "4"), "is for --adapt alone"),
        (("--audio", "SOUNDS", "--adapt", "align", "--scenario", "D"), "is for one sample"),
        (("--text-string", "hello", "--adapt", "align"), "is for one sample"),
        (("--audio", "SOUNDS", "--adapt", "align", "--abstain-below", "2"), "probability from 0 to 1"),
        (("--audio", "SOUNDS", "--adapt", "nothing"), "no such adapter"),
    ],
)
def test_wrong_options_are_one_error(
    run: Path, folders: tuple[Path, Path], options: tuple[str, ...], message: str
) -> None:
    places = {"SOUNDS": folders[0], "FILE": folders[0] / "clip0.wav"}
    with pytest.raises(UsageError, match=message):
        avtrain_("predict", run, *(places.get(option, option) for option in options))


def test_one_name_twice_and_an_empty_folder_are_errors(run: Path, folders: tuple[Path, Path], tmp_path: Path) -> None:
    shutil.copy(folders[0] / "clip0.wav", folders[0] / "clip0.flac")
    with pytest.raises(UsageError, match="are both audio of the sample clip0"):
        avtrain_("predict", run, "--audio", folders[0], "--adapt", "none")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="no files there"):
        avtrain_("predict", run, "--audio", tmp_path / "empty", "--adapt", "none")


def test_statistics_are_computed_once_and_stored_with_the_run(
    run: Path, folders: tuple[Path, Path], tmp_path: Path
) -> None:
    copy = Path(shutil.copytree(run, tmp_path / "seed0"))
    (copy / FILE).unlink(missing_ok=True)
    options = ("predict", copy, "--audio", folders[0], "--image", folders[1], "--adapt", "align", "--json")
    first = avtrain_(*options)
    stored = (copy / FILE).stat()
    assert avtrain_(*options) == first
    assert (copy / FILE).stat().st_mtime_ns == stored.st_mtime_ns


def test_without_statistics_and_data_the_error_says_how_to_get_them(
    run: Path, folders: tuple[Path, Path], tmp_path: Path
) -> None:
    copy = Path(shutil.copytree(run, tmp_path / "seed0"))
    (copy / FILE).unlink(missing_ok=True)
    config = Run(copy).config()
    moved = config.manifest.model_copy(update={"dataset": str(tmp_path / "nowhere")})
    Run(copy).write_config(config.model_copy(update={"manifest": moved}))
    with pytest.raises(UserError, match=r"not here: .*nowhere(.|\n)*avtrain eval .* --data PATH --adapt align"):
        avtrain_("predict", copy, "--audio", folders[0], "--adapt", "align")
