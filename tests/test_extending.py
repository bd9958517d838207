"""docs/extending.md: its examples work when they are registered, and nothing else has to know of them."""

import re
import shlex
import shutil
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from avbuild.cli import app as avbuild
from avbuild.dataset.storage import Folder
from avbuild.plugins.registry import defined, plugins_loaded
from avtrain.cli import app as avtrain
from tests.avtrain.training.test_fit import SMALL
from tests.conftest import REPOSITORY, write_image_folder, write_urbansound8k

PAGE = (REPOSITORY / "docs" / "extending.md").read_text(encoding="utf-8")
PROGRAMS = {"avbuild": avbuild, "avtrain": avtrain}


@pytest.fixture
def workplace(small_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a reader, with a data set."""
    shutil.copytree(small_data, tmp_path / "data" / small_data.name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "250")
    return tmp_path


def section(heading: str) -> str:
    return PAGE.split(f"## {heading}\n")[1].split("\n## ")[0]


def block(heading: str, language: str) -> str:
    (text,) = re.findall(rf"```{language}\n(.*?)```", section(heading), flags=re.DOTALL)
    return str(text)


def example(heading: str, folder: Path) -> Path:
    """Write the example under a heading of the page to the file that the page names."""
    (name,) = re.findall(r"With this as `(\w+\.py)`", section(heading))
    (folder / name).write_text(block(heading, "python"))
    return folder / name


def run_shown(heading: str, **more: list[str]) -> str:
    """Run the commands under a heading of the page; returns all that they print.

    Args:
        heading: of the section.
        more: arguments added to a command, by its verb, to save time.
    """
    printed = ""
    for line in block(heading, "bash").splitlines():
        program, verb, *arguments = shlex.split(line)
        words = [verb, *arguments, *more.get(verb, [])]
        result = CliRunner().invoke(PROGRAMS[program], words, catch_exceptions=False)
        assert result.exit_code == 0, f"{line}: {result.output}"
        printed += result.stdout
    return printed


ONE_WORKER = ["--workers", "1"]
QUICK = ["--epochs", "1", "--device", "cpu"]


def test_a_corruption(workplace: Path) -> None:
    path = example("A corruption", workplace)
    (workplace / "dropouts.yaml").write_text(block("A corruption", "yaml"))
    with plugins_loaded([path]):
        dropouts = defined("avbuild.corruptions")["audio dropouts"].item.function
    silent = dropouts(np.ones(10_000, np.float32), 0.3, np.random.default_rng(0)) == 0
    assert silent.mean() == pytest.approx(0.3, abs=0.02)
    printed = run_shown("A corruption", corrupt=ONE_WORKER, preview=["--samples", "1"])
    assert "Set random samples to zero. (plug-in: my_ops.py)" in printed
    assert "every hash" in printed


def test_a_method(workplace: Path) -> None:
    example("A method", workplace)
    printed = run_shown("A method", fit=[*QUICK, *SMALL], eval=["--device", "cpu"])
    assert "Hinton" in printed
    assert "product-of-experts (tiny" in printed


def test_a_backbone(workplace: Path) -> None:
    example("A backbone", workplace)
    printed = run_shown("A backbone", fit=QUICK, eval=["--device", "cpu"])
    assert "late-fusion (patches" in printed


def test_a_data_set(workplace: Path) -> None:
    from avbuild.dataset.shards import read_samples

    example("A data set", workplace)
    clips = sorted(write_urbansound8k(workplace / "UrbanSound8K").rglob("*.wav"))[:40]
    images = sorted(write_image_folder(workplace / "pictures", 40, ("dog",)).rglob("*.jpg"))
    for index, (clip, image) in enumerate(zip(clips, images, strict=True)):
        for kind, file in (("audio", clip), ("images", image)):
            folder = workplace / "mine" / kind / ("cat", "dog")[index % 2]
            folder.mkdir(parents=True, exist_ok=True)
            file.rename(folder / f"{index}{file.suffix}")
    printed = run_shown("A data set", make=ONE_WORKER)
    assert "(plug-in: my_corpora.py)" in printed
    assert "every hash" in printed
    data = Folder(str(workplace / "data" / "paired-folders"))
    shards = [data.read(name) for name in data.names() if re.match(r"C/.*\.parquet", name)]
    samples = [sample for shard in shards for sample in read_samples(shard)]
    assert len(samples) == 40
    for sample in samples:
        assert (sample["audio"]["path"], sample["image"]["path"]) == (f"{sample['id']}.flac", f"{sample['id']}.jpg")


def test_a_section_of_the_report(workplace: Path) -> None:
    from tests.support.reports import report, score

    example("A section of the report", workplace)
    report(workplace / "runs", [score("map", "C", 0.9), score("map", "D", 0.9)])
    run_shown("A section of the report")
    # two scenarios, in each of which 17 of 20 are right
    page = (workplace / "runs" / "report.html").read_text()
    assert "<td>map</td><td>cat &amp; mouse</td><td class=number>85.0</td>" in page


def test_each_list_of_files_is_as_long_as_the_table_says() -> None:
    counts = dict(re.findall(r"^\| \[(.+?)\]\(#\S+\) \| (\d+) \|", PAGE, flags=re.MULTILINE))
    assert len(counts) == 6
    for name, count in counts.items():
        section = re.split(rf"^## An? {name}\n", PAGE, flags=re.MULTILINE)[1].split("\n## ")[0]
        assert len(re.findall(r"^\d+\. ", section, flags=re.MULTILINE)) == int(count), name
