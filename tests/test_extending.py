"""docs/extending.md: its examples work when they are registered, and nothing else has to know of them."""

import importlib.util
import re
import shutil
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from typer.testing import CliRunner

from avbuild.cli import app as avbuild
from avbuild.corruptions import CORRUPTIONS
from avbuild.dataset.storage import Folder
from avtrain.cli import app as avtrain
from tests.avtrain.training.test_fit import SMALL
from tests.conftest import REPOSITORY, write_image_folder, write_urbansound8k

PAGE = (REPOSITORY / "docs" / "extending.md").read_text(encoding="utf-8")


def example(heading: str, folder: Path) -> ModuleType:
    """Write the example under a heading of the page to a file, and import it."""
    section = PAGE.split(f"## {heading}\n")[1].split("\n## ")[0]
    (code,) = re.findall(r"```python\n(.*?)```", section, flags=re.DOTALL)
    path = folder / "example.py"
    path.write_text(code)
    spec = importlib.util.spec_from_file_location("example", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def run(app, *arguments: object) -> str:  # type: ignore[no-untyped-def]
    result = CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_a_corruption(small_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(CORRUPTIONS, "audio", dict(CORRUPTIONS["audio"]))
    dropouts = example("A corruption", tmp_path).dropouts
    silent = dropouts(np.ones(10_000, np.float32), 0.3, np.random.default_rng(0)) == 0
    assert silent.mean() == pytest.approx(0.3, abs=0.02)
    monkeypatch.setenv("COLUMNS", "250")
    assert "Set random samples to zero." in run(avbuild, "scenarios")
    shutil.copytree(small_data, tmp_path / "data")
    manifest = tmp_path / "manifest.yaml"
    manifest.write_text(
        "manifest: 1\nname: dropouts\ndataset: data\n"
        "scenarios: {S: {audio: {chain: [dropouts], severity: 3}}, L: {audio: {chain: [{dropouts: {rate: 0.25}}]}}}\n"
    )
    where = ("--data", tmp_path / "data", "--workers", 1)
    run(avbuild, "corrupt", "--scenario", "S,L", "--manifest", manifest, *where)
    assert "every hash" in run(avbuild, "verify", tmp_path / "data")


def test_a_method(small_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from avtrain.methods import registry

    method = example("A method", tmp_path).ProductOfExperts
    monkeypatch.setitem(registry.METHODS, method.name, method)  # type: ignore[arg-type]
    runs = tmp_path / "runs"
    fit = ("--method", method.name, "--backbone", "tiny", "--epochs", 1, "--device", "cpu", "--out", runs)
    run(avtrain, "fit", small_data / "manifest.yaml", *fit, *SMALL)
    run(avtrain, "eval", runs, "--device", "cpu")
    assert "product-of-experts" in run(avtrain, "report", runs)
    assert "Hinton" in run(avtrain, "methods")


def test_a_data_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from avbuild.dataset.shards import read_samples
    from avbuild.sources import registry

    builder = example("A data set", tmp_path).BUILDER
    monkeypatch.setitem(registry.BUILDERS, builder.name, builder)  # type: ignore[arg-type]
    clips = sorted(write_urbansound8k(tmp_path / "UrbanSound8K").rglob("*.wav"))[:40]
    images = sorted(write_image_folder(tmp_path / "pictures", 40, ("dog",)).rglob("*.jpg"))
    for index, (clip, image) in enumerate(zip(clips, images, strict=True)):
        for kind, file in (("audio", clip), ("images", image)):
            folder = tmp_path / "mine" / kind / ("cat", "dog")[index % 2]
            folder.mkdir(parents=True, exist_ok=True)
            file.rename(folder / f"{index}{file.suffix}")
    run(avbuild, "make", builder.name, "--audio-root", tmp_path / "mine", "--out", tmp_path / "data", "--workers", 1)
    data = tmp_path / "data" / builder.name
    run(avbuild, "corrupt", "--scenario", "D", "--data", data, "--workers", 1)
    assert "every hash" in run(avbuild, "verify", data)
    shards = [Folder(str(data)).read(name) for name in Folder(str(data)).names() if re.match(r"C/.*\.parquet", name)]
    samples = [sample for shard in shards for sample in read_samples(shard)]
    assert len(samples) == 40
    for sample in samples:
        assert (sample["audio"]["path"], sample["image"]["path"]) == (f"{sample['id']}.flac", f"{sample['id']}.jpg")


def test_a_section_of_the_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from avtrain.report.sections import registry
    from tests.support.reports import report, score

    section = example("A section of the report", tmp_path).SECTION
    monkeypatch.setattr(registry, "SECTIONS", [*registry.SECTIONS, section])
    page = report(tmp_path / "runs", [score("map", "C", 0.9), score("map", "D", 0.9)])
    # two scenarios, in each of which 17 of 20 are right
    assert "<td>map</td><td>cat &amp; mouse</td><td class=number>85.0</td>" in page


def test_each_list_of_files_is_as_long_as_the_table_says() -> None:
    counts = dict(re.findall(r"^\| \[(.+?)\]\(#\S+\) \| (\d+) \|", PAGE, flags=re.MULTILINE))
    assert len(counts) == 5
    for name, count in counts.items():
        section = re.split(rf"^## An? {name}\n", PAGE, flags=re.MULTILINE)[1].split("\n## ")[0]
        assert len(re.findall(r"^\d+\. ", section, flags=re.MULTILINE)) == int(count), name
