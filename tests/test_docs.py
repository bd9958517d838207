"""Every command that the README and the docs show is run, in their order, on small stand-ins for the corpora."""

import hashlib
import pickle
import re
import shlex
import shutil
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from tests.conftest import REPOSITORY, write_pictures, write_urbansound8k
from tests.support.crema_d import write_crema_d

DOCS = [REPOSITORY / "README.md", REPOSITORY / "README.ko.md", *sorted((REPOSITORY / "docs").glob("*.md"))]


def shown(page: Path) -> list[list[str]]:
    """The commands in a page's `sh` blocks, comments removed."""
    blocks = re.findall(r"```sh\n(.*?)```", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    text = "".join(blocks).replace("\\\n", " ")
    lines = [shlex.split(line, comments=True) for line in text.splitlines()]
    return [line for line in lines if line]


def write_cifar10(folder: Path) -> dict[str, str]:
    """A few pictures a class in the official format; returns the md5 of each batch."""
    folder.mkdir(parents=True)
    rng, md5 = np.random.default_rng(0), {}
    for name, count in (("data_batch_1", 200), ("test_batch", 60)):
        pixels = rng.integers(0, 256, (count, 3072)).astype(np.uint8)
        (folder / name).write_bytes(pickle.dumps({"data": pixels, "labels": [i % 10 for i in range(count)]}))
        md5[name] = hashlib.md5((folder / name).read_bytes()).hexdigest()
    return md5


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder as the reader has it: manifests, and corpora and weights under their published names."""
    from avbuild.sources import images
    from avtrain.backbones import dual
    from tests.avtrain.backbones.test_encoders import checkpoints

    monkeypatch.chdir(tmp_path)
    shutil.copytree(REPOSITORY / "manifests", tmp_path / "manifests")
    write_urbansound8k(tmp_path / "data" / "sources" / "UrbanSound8K")
    write_crema_d(tmp_path / "data" / "sources" / "CREMA-D")
    write_urbansound8k(tmp_path / "whole")
    shutil.copytree(tmp_path / "whole" / "audio" / "fold1", tmp_path / "my-sounds" / "airplane")
    write_pictures(tmp_path / "my-pictures", 12, ("airplane",))
    md5 = write_cifar10(tmp_path / "data" / "sources" / "cifar-10-batches-py")
    read = images.read_cifar10
    monkeypatch.setattr(images, "read_cifar10", lambda root: read(root, md5))
    vision, audio = checkpoints(tmp_path, full_size=True)
    published = {"facebook/dinov2-small": str(vision), "openai/whisper-tiny.en": str(audio)}
    load = dual.load_weights
    monkeypatch.setattr(dual, "load_weights", lambda source: load(published.get(source, source)))
    return tmp_path


@pytest.mark.parametrize("page", [page for page in DOCS if shown(page)], ids=lambda page: page.name)
def test_the_commands_a_page_shows_work(page: Path, workplace: Path) -> None:
    from avbuild.cli import app as avbuild
    from avtrain.cli import app as avtrain

    verbs = {word for command in shown(page) for word in command[1:2]}
    if any("manifests/demo.yaml" in command for command in shown(page)):  # the reader has run make demo
        demo = ["make", "demo-av", "--out", "demo/", "--limit", "100", "--workers", "1"]
        CliRunner().invoke(avbuild, demo, catch_exceptions=False)
    elif "corrupt" in verbs and "make" not in verbs:  # or the README
        CliRunner().invoke(avbuild, ["make", "urbansound8k-av", "--workers", "1"], catch_exceptions=False)
    for program, *arguments in shown(page):
        if program == "make":
            assert f"\n{arguments[0]}: " in (REPOSITORY / "Makefile").read_text()
            continue
        if program == "source":  # what `make .venv` puts there
            assert arguments == [".venv/bin/activate"]
            continue
        assert program in ("avbuild", "avtrain"), f"{page.name} shows a command that this test does not know: {program}"
        # a test need not train as long as a reader does, nor start processes; the rest is as written
        quick = ["--set", "epochs=1"] if arguments[0] == "fit" else []
        quick += ["--workers", "1"] if program == "avbuild" and arguments[0] in ("make", "corrupt") else []
        globbed = [
            path for word in arguments for path in (sorted(map(str, Path().glob(word))) if "*" in word else [word])
        ]
        result = CliRunner().invoke(avbuild if program == "avbuild" else avtrain, [*globbed, *quick])
        assert result.exit_code == 0, f"{program} {' '.join(arguments)}: {result.exception}"


@pytest.mark.parametrize("page", DOCS, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), target


def test_both_readmes_show_the_cards_three_commands() -> None:
    cards = [
        ["avbuild", "make", "urbansound8k-av", "--out", "data/"],
        ["avbuild", "corrupt", "--scenario", "D"],
        ["avtrain", "fit", "manifests/cifar10av.yaml"],
    ]
    for page in DOCS[:2]:
        commands = shown(page)
        assert [command for command in commands if command in cards] == cards


def test_manifests_in_the_docs_are_valid() -> None:
    from avbuild.scenarios.manifest_file import parse_manifest

    blocks = re.findall(r"```yaml\n(manifest: .*?)```", (REPOSITORY / "docs/scenarios.md").read_text(), flags=re.DOTALL)
    assert blocks
    for block in blocks:
        assert parse_manifest(block, "docs/scenarios.md").scenarios


def test_shipped_manifests_have_the_scenarios_their_data_sets_are_made_with() -> None:
    from avbuild.scenarios.default_manifest import default_manifest
    from avbuild.scenarios.manifest_file import load_manifest
    from avbuild.sources.registry import BUILDERS

    for file, builder in (("urbansound8kav", "urbansound8k-av"), ("cifar10av", "cifar10-av"), ("demo", "demo-av")):
        manifest = load_manifest(REPOSITORY / "manifests" / f"{file}.yaml")
        made = default_manifest(builder, dataset=".", seed=0, severity=BUILDERS[builder].severity)
        assert Path(manifest.dataset).name == builder
        assert [manifest.scenario_hash(s) for s in manifest.scenarios] == [
            made.scenario_hash(s) for s in made.scenarios
        ]


def test_the_lock_holds_no_download_address_and_the_matched_triple() -> None:
    lock = (REPOSITORY / "requirements.lock").read_text()
    assert "://" not in lock
    for pin in ("torch==2.11.0", "torchvision==0.26.0", "torchaudio==2.11.0"):
        assert pin in lock.splitlines()
