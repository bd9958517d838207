"""benchmarks/corruption.py: the work that `avbuild corrupt` is compared with, and the timing of calls."""

import importlib
import shutil
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from avbuild.corruptions import CORRUPTIONS
from avbuild.dataset.shards import read_samples
from avbuild.dataset.storage import Folder
from tests.conftest import REPOSITORY


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(REPOSITORY / "benchmarks"))
    return importlib.import_module("corruption")


def test_recoding_keeps_every_sample_and_changes_no_signal(
    script: ModuleType, small_data: Path, tmp_path: Path
) -> None:
    shutil.copytree(small_data, tmp_path / "data")
    folder = Folder(str(tmp_path / "data"))
    jobs = script.all_jobs(folder, "AV")
    assert {job.name.split("/")[0] for job in jobs} == {"A", "V"}
    for job in jobs:
        assert script.recode(job).rows == job.source.rows
        before, after = (list(read_samples(folder.read(name))) for name in (job.source.file, job.name))
        for old, new in zip(before, after, strict=True):
            for modality in ("audio", "image"):
                decode = script.MODALITIES[modality].decode
                assert np.array_equal(decode([old[modality]["bytes"]]), decode([new[modality]["bytes"]]))
    images = [job for job in jobs if job.name.startswith("V/")]
    assert all(
        s["image"]["bytes"].startswith(b"\x89PNG") for job in images for s in read_samples(folder.read(job.name))
    )


def test_every_corruption_is_timed_and_ratios_are_to_the_peers(
    script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(script, "best_times", lambda calls, _: [1.0, 3.0][: len(calls)])
    image = script.fixed_image(32)
    script.compare("Images", "image", image, {"fog": lambda: None, "jpeg": lambda: None}, tmp_path)
    lines = capsys.readouterr().out.splitlines()
    names = [name for name, c in CORRUPTIONS["image"].items() if c.domain == "signal"]
    assert [line.split(" | ")[0].strip("| ") for line in lines[5:-1]] == names
    assert "| fog | 1.000 | 3.000 (patched) | 3.0 |" in lines
    assert "| jpeg | 1.000 | 3.000 | 3.0 |" in lines
    assert lines[-1] == "| **geometric mean of 2, slowest** | | | **3.0, 3.00** |"


def test_the_shortest_time_of_each_call_counts(script: ModuleType) -> None:
    counts = [0, 0]

    def call(index: int) -> None:
        counts[index] += 1

    first, second = script.best_times([lambda: call(0), lambda: call(1)], 0.0)
    assert counts == [6, 6]  # one untimed, five timed
    assert 0 <= first < 1000
    assert 0 <= second < 1000
