"""Card, Croissant metadata and push: they agree with the data set."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from avbuild.dataset.build_record import read_build
from avbuild.dataset.storage import Folder
from tests.support.commands import fail, rows, succeed


@pytest.fixture
def data(small_data: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(small_data, tmp_path / "data"))


def test_croissant_lists_every_shard_with_its_hash(data: Path) -> None:
    import hashlib

    document = json.loads((data / "croissant.json").read_text())
    files = {part["@id"]: part for part in document["distribution"] if part["@type"] == "cr:FileObject"}
    assert set(files) == {path.relative_to(data).as_posix() for path in data.rglob("*.parquet")}
    for name, part in files.items():
        assert part["sha256"] == hashlib.sha256((data / name).read_bytes()).hexdigest()
    test = next(name for name in files if name.startswith("D/test"))
    assert files[test]["prov:wasDerivedFrom"] == {"@id": test.replace("D/", "C/")}
    assert next(source["sc:license"] for source in document["prov:wasDerivedFrom"]).startswith("CC BY-NC")


def test_mlcroissant_validates_the_metadata_and_reads_the_rows(data: Path) -> None:
    croissant = pytest.importorskip("mlcroissant")
    dataset = croissant.Dataset(str(data / "croissant.json"))  # raises if it is invalid
    assert not dataset.metadata.ctx.issues.errors
    read = list(dataset.records("D"))
    assert [row["D/id"].decode() for row in read] == [row["id"] for row in rows(data, "D")]
    assert [row["D/audio"] for row in read] == [row["audio"]["bytes"] for row in rows(data, "D")]


def test_the_card_has_licences_leak_report_scenarios_and_citations(data: Path) -> None:
    card = (data / "README.md").read_text()
    for expected in ("CC BY-NC", "Leak report: none of the 60 recordings", "gaussian_noise", "Salamon", "## Citation"):
        assert expected in card


def test_verify_reports_a_missing_or_changed_card_and_card_rewrites_it(data: Path) -> None:
    before = {name: (data / name).read_bytes() for name in ("README.md", "croissant.json")}
    (data / "README.md").unlink()
    (data / "croissant.json").write_text("{}")
    message = fail("verify", data)
    assert "README.md: missing; avbuild card" in message
    assert "croissant.json: does not agree with build.json" in message
    succeed("card", data)
    assert {name: (data / name).read_bytes() for name in before} == before
    assert "intact" in succeed("verify", data)


def test_verify_only_notes_a_card_in_the_wording_of_another_version(data: Path) -> None:
    build = read_build(Folder(data))
    build.model_copy(update={"versions": build.versions | {"avbuild": "0.0.1"}}).write(Folder(data))
    succeed("card", data)
    card = (data / "README.md").read_text()
    (data / "README.md").write_text(card.replace("## Use", "## Usage"))
    assert "README.md: worded by another version" in succeed("verify", data)
    (data / "README.md").write_text(card.replace("config_name: D", "config_name: E"))
    assert "README.md: does not agree with build.json" in fail("verify", data)


class StubHub:
    """In place of the Hub's API; records its calls."""

    def __init__(self) -> None:
        self.calls: dict[str, dict[str, Any]] = {}

    def create_repo(self, repo_id: str, **options: Any) -> str:
        self.calls["create_repo"] = {"repo_id": repo_id, **options}
        return f"hub://{repo_id}"

    def upload_folder(self, **options: Any) -> None:
        self.calls["upload_folder"] = options


def test_push_uploads_the_verified_files_to_a_private_repository(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub

    hub = StubHub()
    monkeypatch.setattr(huggingface_hub, "HfApi", lambda: hub)
    (data / "notes.txt").write_text("private")
    out = succeed("push", data, "someone/something")
    assert "sent: hub://someone/something" in out
    assert "CC BY-NC" in out
    assert hub.calls["create_repo"]["private"] is True
    uploaded = set(hub.calls["upload_folder"]["allow_patterns"])
    assert uploaded == {p.relative_to(data).as_posix() for p in data.rglob("*") if p.is_file()} - {"notes.txt"}
    succeed("push", data, "someone/something", "--public")
    assert hub.calls["create_repo"]["private"] is False


def test_push_refuses_a_data_set_with_problems(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub

    hub = StubHub()
    monkeypatch.setattr(huggingface_hub, "HfApi", lambda: hub)
    next(data.glob("D/*.parquet")).write_bytes(b"damaged")
    assert "does not pass avbuild verify, so it was not uploaded" in fail("push", data, "someone/something")
    assert not hub.calls


def test_an_unreachable_hub_is_a_user_error(data: Path) -> None:
    assert "the Hub could not be reached or refused" in fail("push", data, "someone/something")


def test_a_bad_repository_name_is_refused_before_anything_is_verified(data: Path) -> None:
    for name in ("one", "a b/c", "a/b/c", "/x"):
        assert "write OWNER/NAME" in fail("push", data, name)


@pytest.mark.parametrize("error", [RuntimeError("a\nb"), OSError(-2, "Name or service not known"), ValueError("")])
def test_whatever_the_network_raises_is_one_line(data: Path, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    import huggingface_hub

    class Broken(StubHub):
        def create_repo(self, *arguments: Any, **options: Any) -> str:
            raise error

    monkeypatch.setattr(huggingface_hub, "HfApi", Broken)
    message = fail("push", data, "someone/something")
    assert "could not be reached or refused" in message
    assert len(message.splitlines()) == 1


def test_the_day_of_publication_is_in_the_croissant_metadata_and_stays(data: Path) -> None:
    before = (data / "build.json").read_bytes()
    assert "datePublished" not in (data / "croissant.json").read_text()
    succeed("card", data, "--date-published", "2026-11-30")
    assert json.loads((data / "croissant.json").read_text())["datePublished"] == "2026-11-30"
    succeed("verify", data)
    succeed("card", data)
    assert json.loads((data / "croissant.json").read_text())["datePublished"] == "2026-11-30"
    succeed("card", data, "--date-published", "none")
    assert (data / "build.json").read_bytes() == before
    for wrong in ("2026-13-01", "30.11.2026", "2026-1-1", ""):
        assert "write YYYY-MM-DD" in fail("card", data, "--date-published", wrong)


def test_the_card_says_how_to_read_audio_without_torchcodec(data: Path) -> None:
    import re

    card = (data / "README.md").read_text()
    assert 'avbuild.load("path/to/urbansound8k-av", scenario="C", split="test")' in card
    code = re.findall(r"```python\n(.*?)```", card, flags=re.DOTALL)[1]
    found: dict[str, Any] = {}
    exec(code.replace("path/to/urbansound8k-av", str(data)), found)
    assert (found["rate"], found["samples"].dtype) == (16_000, "float32")
