"""Fixtures: small real inputs made once per session, and the pilot data where they are beside the checkout."""

import csv
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import HealthCheck, settings
from PIL import Image

os.environ["HF_HUB_OFFLINE"] = "1"
if "PYTEST_XDIST_WORKER" in os.environ:  # one thread per process, else all compete for the same cores
    os.environ.setdefault("OMP_NUM_THREADS", "1")
# no time limits: no test may fail because the machine is busy
# the same examples in every run, so that a change is tested and not the luck of a day; make fuzz looks for new ones
settings.register_profile(
    "untimed", max_examples=40, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("untimed")

REPOSITORY = Path(__file__).resolve().parents[1]
SHARED = Path(os.environ.get("AVBUILD_SHARED", REPOSITORY.parent / "shared"))
CIFAR10 = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
URBANSOUND8K = (
    "air_conditioner", "car_horn", "children_playing", "dog_bark", "drilling",
    "engine_idling", "gun_shot", "jackhammer", "siren", "street_music",
)  # fmt: skip
COLUMNS = ("slice_file_name", "fsID", "start", "end", "salience", "fold", "classID", "class")


@pytest.fixture(scope="session")
def pilot(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the real pilot data in their publishers' layouts: UrbanSound8K/, us8k_original/, cifar10/."""
    unpack = SHARED / "data" / "unpack.py"
    if not unpack.exists():
        pytest.skip(f"no pilot data: {unpack} is absent (set AVBUILD_SHARED to a folder that has data/unpack.py)")
    target = tmp_path_factory.mktemp("pilot")
    subprocess.run([sys.executable, str(unpack), str(target)], check=True)
    return target


@pytest.fixture(scope="session")
def pilot_weights() -> Path:
    """Return the folder with the two real encoders."""
    weights = SHARED / "weights"
    if not weights.is_dir():
        pytest.skip(f"no pilot weights: {weights} is absent (set AVBUILD_SHARED to a folder that has weights/)")
    return weights


def write_urbansound8k(root: Path, recordings: int = 6, slices: int = 2) -> Path:
    """Write a small UrbanSound8K: ten classes, folds 1 to 3, and one recording with slices in two folds."""
    rng = np.random.default_rng(0)
    rows = []
    for class_id, name in enumerate(URBANSOUND8K):
        for recording in range(recordings):
            for piece in range(slices):
                fs_id = 1000 + 100 * class_id + recording
                fold = recording % 3 + 1
                if (class_id, recording, piece) == (3, 0, 1):
                    fold = 3  # recording 1300 crosses folds 1 and 3
                file = f"{fs_id}-{class_id}-0-{piece}.wav"
                rows.append((file, fs_id, 0.0, 0.3, 1, fold, class_id, name))
                path = root / "audio" / f"fold{fold}" / file
                path.parent.mkdir(parents=True, exist_ok=True)
                tone = np.sin(np.arange(4800) * (0.02 + 0.02 * class_id)) * 0.4
                noise = rng.standard_normal((4800, 2)) * 0.05
                soundfile.write(path, tone[:, None] + noise, 16_000 if piece else 22_050, subtype="PCM_24")
    table = root / "metadata" / "UrbanSound8K.csv"
    table.parent.mkdir(parents=True)
    with table.open("w", newline="") as file:
        csv.writer(file).writerows([COLUMNS, *rows])
    return root


def write_image_folder(root: Path, per_class: int = 12, classes: tuple[str, ...] = CIFAR10) -> Path:
    """Write a folder of class folders of small JPEG images."""
    rng = np.random.default_rng(1)
    for index, name in enumerate(classes):
        (root / name).mkdir(parents=True)
        for number in range(per_class):
            pixels = rng.integers(0, 160, (24, 32, 3)) + np.array([index * 9, 40, 90 - index * 9])
            Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(root / name / f"{number:03d}.jpg")
    return root


@pytest.fixture(scope="session")
def urbansound8k(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a small UrbanSound8K; do not change it."""
    return write_urbansound8k(tmp_path_factory.mktemp("us8k") / "UrbanSound8K")


@pytest.fixture(scope="session")
def image_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of class folders with CIFAR-10's names; do not change it."""
    return write_image_folder(tmp_path_factory.mktemp("image_folder") / "cifar")


@pytest.fixture(scope="session")
def small_data(urbansound8k: Path, image_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a finished data set of 120 samples with D corrupted on disk; do not change it."""
    from typer.testing import CliRunner

    from avbuild.cli import app

    out = tmp_path_factory.mktemp("small")
    folder = out / "urbansound8k-av"
    where = [
        "--audio-root",
        str(urbansound8k),
        "--images",
        f"folder:{image_folder}",
        "--out",
        str(out),
        "--workers",
        "1",
    ]
    for command in (["make", "urbansound8k-av", *where], ["corrupt", "--scenario", "D", "--data", str(folder)]):
        CliRunner().invoke(app, command, catch_exceptions=False)
    return folder
