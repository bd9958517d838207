"""The card and its metadata say what is there; a push sends exactly that."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.support.commands import fail, rows, succeed


@pytest.fixture
def data(small_data: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(small_data, tmp_path / "data"))


def test_croissant_names_every_shard_with_its_true_hash(data: Path) -> None:
    import hashlib

    document = json.loads((data / "croissant.json").read_text())
    files = {part["@id"]: part for part in document["distribution"] if part["@type"] == "cr:FileObject"}
    assert set(files) == {path.relative_to(data).as_posix() for path in data.rglob("*.parquet")}
    for name, part in files.items():
        assert part["sha256"] == hashlib.sha256((data / name).read_bytes()).hexdigest()
    test = next(name for name in files if name.startswith("D/test"))
    assert files[test]["prov:wasDerivedFrom"] == {"@id": test.replace("D/", "C/")}
    assert next(source["sc:license"] for source in document["prov:wasDerivedFrom"]).startswith("CC BY-NC")


def test_the_public_validator_accepts_it_and_reads_the_rows(data: Path) -> None:
    croissant = pytest.importorskip("mlcroissant")
    dataset = croissant.Dataset(str(data / "croissant.json"))  # raises where it is not valid
    assert not dataset.metadata.ctx.issues.errors
    read = list(dataset.records("D"))
    assert [row["D/id"].decode() for row in read] == [row["id"] for row in rows(data, "D")]
    assert [row["D/audio"] for row in read] == [row["audio"]["bytes"] for row in rows(data, "D")]


def test_the_card_tells_licences_splits_leaks_scenarios_and_whom_to_cite(data: Path) -> None:
    card = (data / "README.md").read_text()
    for said in ("CC BY-NC", "Leak report: none of the 60 recordings", "gaussian_noise", "Salamon", "## Citation"):
        assert said in card


def test_a_lost_or_changed_card_is_noticed_and_written_anew(data: Path) -> None:
    before = {name: (data / name).read_bytes() for name in ("README.md", "croissant.json")}
    (data / "README.md").unlink()
    (data / "croissant.json").write_text("{}")
    message = fail("verify", data)
    assert "README.md: missing; avbuild card" in message
    assert "croissant.json: does not say" in message
    succeed("card", data)
    assert {name: (data / name).read_bytes() for name in before} == before
    assert "intact" in succeed("verify", data)


class StubHub:
    """Stands for the Hub's API; remembers what it was sent."""

    def __init__(self) -> None:
        self.calls: dict[str, dict[str, Any]] = {}

    def create_repo(self, repo_id: str, **options: Any) -> str:
        self.calls["create_repo"] = {"repo_id": repo_id, **options}
        return f"hub://{repo_id}"

    def upload_folder(self, **options: Any) -> None:
        self.calls["upload_folder"] = options


def test_push_sends_what_was_verified_and_privately(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub

    hub = StubHub()
    monkeypatch.setattr(huggingface_hub, "HfApi", lambda: hub)
    (data / "notes.txt").write_text("private")
    out = succeed("push", data, "someone/something")
    assert "sent: hub://someone/something" in out
    assert "CC BY-NC" in out
    assert hub.calls["create_repo"]["private"] is True
    sent = set(hub.calls["upload_folder"]["allow_patterns"])
    assert sent == {p.relative_to(data).as_posix() for p in data.rglob("*") if p.is_file()} - {"notes.txt"}
    succeed("push", data, "someone/something", "--public")
    assert hub.calls["create_repo"]["private"] is False


def test_what_is_not_sound_is_not_sent(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub

    hub = StubHub()
    monkeypatch.setattr(huggingface_hub, "HfApi", lambda: hub)
    next(data.glob("D/*.parquet")).write_bytes(b"damaged")
    assert "is not sound, and is not sent" in fail("push", data, "someone/something")
    assert not hub.calls


def test_a_hub_that_cannot_be_reached_is_one_clear_error(data: Path) -> None:
    assert "the Hub could not be reached or refused" in fail("push", data, "someone/something")
