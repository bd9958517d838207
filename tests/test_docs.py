"""The docs: every command they show works on small stand-ins for the source data, and what they name exists."""

import hashlib
import pickle
import re
import shlex
import shutil
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from tests.conftest import REPOSITORY, write_image_folder, write_urbansound8k
from tests.support.crema_d import write_crema_d

DOCS = [REPOSITORY / "README.md", REPOSITORY / "README.ko.md", *sorted((REPOSITORY / "docs").glob("*.md"))]


def shown(page: Path) -> list[list[str]]:
    """Return the commands in the `sh` blocks of a page, without comments."""
    blocks = re.findall(r"```sh\n(.*?)```", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    text = "".join(blocks).replace("\\\n", " ")
    lines = [shlex.split(line, comments=True) for line in text.splitlines()]
    return [line for line in lines if line]


def write_cifar10(folder: Path) -> dict[str, str]:
    """Write a few images per class in the official format; return the md5 of each batch."""
    folder.mkdir(parents=True)
    rng, md5 = np.random.default_rng(0), {}
    for name, count in (("data_batch_1", 200), ("test_batch", 60)):
        pixels = rng.integers(0, 256, (count, 3072)).astype(np.uint8)
        (folder / name).write_bytes(pickle.dumps({"data": pixels, "labels": [i % 10 for i in range(count)]}))
        md5[name] = hashlib.md5((folder / name).read_bytes()).hexdigest()
    return md5


def write_table(folder: Path) -> None:
    """Write metadata.csv with the images of class folders, and a text of each."""
    images = sorted(folder.glob("*/*.jpg"))
    rows = [f"{path.relative_to(folder)},a review that is {path.parent.name},{path.parent.name}" for path in images]
    (folder / "metadata.csv").write_text("\n".join(["image,text,label", *rows]))


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder as a reader has it: manifests, source data sets, and weights under their published names."""
    from avbuild.sources import images
    from avtrain.backbones import dual
    from tests.avtrain.backbones.test_encoders import checkpoints

    monkeypatch.chdir(tmp_path)
    shutil.copytree(REPOSITORY / "manifests", tmp_path / "manifests")
    write_urbansound8k(tmp_path / "data" / "sources" / "UrbanSound8K")
    write_crema_d(tmp_path / "data" / "sources" / "CREMA-D")
    write_urbansound8k(tmp_path / "whole")
    shutil.copytree(tmp_path / "whole" / "audio" / "fold1", tmp_path / "my-audio" / "airplane")
    write_image_folder(tmp_path / "my-images", 12, ("airplane",))
    write_table(write_image_folder(tmp_path / "my-table", 12, ("good", "bad")))
    md5 = write_cifar10(tmp_path / "data" / "sources" / "cifar-10-batches-py")
    read = images.read_cifar10
    monkeypatch.setattr(images, "read_cifar10", lambda root: read(root, md5))
    vision, audio = checkpoints(tmp_path, full_size=True)
    published = {"facebook/dinov2-small": str(vision), "openai/whisper-tiny.en": str(audio)}
    load = dual.load_weights
    monkeypatch.setattr(dual, "load_weights", lambda source: load(published.get(source, source)))
    return tmp_path


@pytest.mark.parametrize(
    "page", [page for page in DOCS if shown(page) and page.name != "README.ko.md"], ids=lambda page: page.name
)
def test_the_commands_of_a_page_work(page: Path, workplace: Path) -> None:
    from avbuild.cli import app as avbuild
    from avtrain.cli import app as avtrain

    verbs = {word for command in shown(page) for word in command[1:2]}
    if any("manifests/demo.yaml" in command for command in shown(page)):  # the reader has run make demo
        demo = ["make", "demo-av", "--out", "demo/", "--limit", "60", "--workers", "1"]
        CliRunner().invoke(avbuild, demo, catch_exceptions=False)
    elif "corrupt" in verbs and "make" not in verbs:  # or the README
        CliRunner().invoke(avbuild, ["make", "urbansound8k-av", "--workers", "1"], catch_exceptions=False)
    for name, code in re.findall(
        r"```python\n# (\w+\.py)\n(.*?)```", page.read_text(encoding="utf-8"), flags=re.DOTALL
    ):
        (workplace / name).write_text(code)
    for program, *arguments in shown(page):
        if program == "make":
            assert f"\n{arguments[0]}: " in (REPOSITORY / "Makefile").read_text()
            continue
        if program == "source":  # `make .venv` creates it
            assert arguments == [".venv/bin/activate"]
            continue
        assert program in ("avbuild", "avtrain"), f"{page.name}: this test cannot run {program}"
        # short training and no worker processes, to save time; everything else is as written
        quick = ["--set", "epochs=1"] if arguments[0] == "fit" else []
        quick += ["--workers", "1"] if program == "avbuild" and arguments[0] in ("make", "corrupt") else []
        globbed = [
            path for word in arguments for path in (sorted(map(str, Path().glob(word))) if "*" in word else [word])
        ]
        result = CliRunner().invoke(avbuild if program == "avbuild" else avtrain, [*globbed, *quick])
        assert result.exit_code == 0, f"{program} {' '.join(arguments)}: {result.exception}"


def anchors(page: Path) -> set[str]:
    """Return the anchors that GitHub gives the headings of a page."""
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    headings = re.findall(r"^#+ (.+)$", text, flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", DOCS, ids=lambda page: page.name)
def test_links_and_anchors_exist(page: Path) -> None:
    for target in re.findall(r"\]\(([^)]+)\)", page.read_text(encoding="utf-8")):
        if "://" in target:
            continue
        path, _, anchor = target.partition("#")
        linked = page.parent / path if path else page
        assert linked.exists(), target
        assert not anchor or anchor in anchors(linked), target


@pytest.mark.parametrize("page", DOCS, ids=lambda page: page.name)
def test_paths_in_the_text_exist(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    named = re.findall(r"`((?:avbuild|avtrain|tests|docs|manifests|benchmarks)/[\w./*-]*)`", text)
    for path in named:
        assert list(REPOSITORY.glob(path.rstrip("/"))), path


def test_both_readmes_show_the_same_commands() -> None:
    english, korean = (shown(page) for page in DOCS[:2])
    assert english == korean
    assert [command for command in english if command in CARD] == CARD


def test_both_readmes_have_the_same_blocks_sections_and_links() -> None:
    english, korean = (page.read_text(encoding="utf-8") for page in DOCS[:2])

    def blocks(text: str) -> list[str]:  # comments are translated, with the space before them
        return [re.sub(r" +#.*", "", block) for block in re.findall(r"```.*?```", text, flags=re.DOTALL)]

    def outline(text: str) -> list[str]:
        """Return blocks, headings and images as they follow one another."""
        return [match[:3] for match in re.findall(r"^(?:```\w+|##+ |!\[)", text, flags=re.MULTILINE)]

    def targets(text: str) -> set[str]:
        return set(re.findall(r"\]\(([^)]+)\)", text)) - {"README.md", "README.ko.md"}

    assert blocks(english) == blocks(korean)
    assert outline(english) == outline(korean)
    assert targets(english) == targets(korean)


def test_the_korean_readme_calls_a_source_data_set_by_its_usual_name() -> None:
    text = DOCS[1].read_text(encoding="utf-8")
    assert "원본 데이터셋" in text
    assert "말뭉치" not in text  # that is a corpus of texts


def test_every_page_is_linked_from_the_top_of_the_readmes() -> None:
    for page in DOCS[:2]:
        (line,) = (line for line in page.read_text(encoding="utf-8").splitlines() if "docs/data-format.md) ·" in line)
        assert set(re.findall(r"\(docs/([\w-]+\.md)\)", line)) == {page.name for page in DOCS[2:]}


# the commands that the project promises to keep
CARD = [
    ["avbuild", "make", "urbansound8k-av", "--out", "data/"],
    ["avbuild", "corrupt", "--scenario", "D"],
    ["avtrain", "fit", "manifests/cifar10av.yaml"],
]


def first_cells(page: str) -> list[str]:
    """Return the first cell of every table row of a page in docs/."""
    lines = (REPOSITORY / "docs" / page).read_text(encoding="utf-8").splitlines()
    return [line.split("|")[1] for line in lines if line.startswith("| ")]


def test_the_table_of_columns_is_complete() -> None:
    from avbuild.dataset.shards import schema
    from avbuild.modalities.registry import MODALITIES

    documented = re.findall(r"`(\w+)`", " ".join(first_cells("data-format.md")))
    assert sorted(documented) == sorted(schema(("a",), tuple(MODALITIES)).names)


def test_every_method_and_backbone_is_documented() -> None:
    from avtrain.backbones.registry import BACKBONES
    from avtrain.methods.registry import METHODS

    cells = [cell for cell in first_cells("methods.md") if not re.search(r"=|`lr`", cell)]  # without those of options
    assert sorted(re.findall(r"`([\w-]+)`", " ".join(cells))) == sorted(METHODS)
    text = (REPOSITORY / "docs" / "methods.md").read_text(encoding="utf-8")
    backbones = re.split("^## ", text.split("## Backbones")[1], flags=re.MULTILINE)[0]
    assert sorted(re.findall(r"^- `([\w-]+)`", backbones, flags=re.MULTILINE)) == sorted(BACKBONES)


def test_options_named_in_the_docs_exist() -> None:
    from avtrain.backbones.registry import BACKBONES
    from avtrain.methods.registry import METHODS

    options = {f"method.{key}" for method in METHODS.values() for key in method.Config.model_fields}
    options |= {f"backbone.{key}" for _, config in BACKBONES.values() for key in config.model_fields}
    for page in DOCS:
        named = set(re.findall(r"\b(?:method|backbone)\.[a-z_]+", page.read_text(encoding="utf-8")))
        assert named <= options, page.name


def test_manifests_in_the_docs_are_valid() -> None:
    from avbuild.scenarios.manifest_file import parse_manifest

    blocks = re.findall(r"```yaml\n(manifest: .*?)```", (REPOSITORY / "docs/scenarios.md").read_text(), flags=re.DOTALL)
    assert blocks
    for block in blocks:
        assert parse_manifest(block, "docs/scenarios.md").scenarios


def test_shipped_manifests_have_the_default_scenarios_of_their_data_sets() -> None:
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


def test_the_lock_file_has_matching_versions_of_torch_and_no_addresses() -> None:
    lock = (REPOSITORY / "requirements.lock").read_text()
    assert "://" not in lock
    for pin in ("torch==2.11.0", "torchvision==0.26.0", "torchaudio==2.11.0"):
        assert pin in lock.splitlines()
