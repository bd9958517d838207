"""A run on the Hub: what is sent, what the card says, and that it can be used from there."""

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest
import torch
from huggingface_hub import CommitOperationAdd, CommitOperationDelete, ModelCard

import avtrain
from avbuild.errors import UsageError, UserError
from tests.avtrain.inference.test_export import FINETUNE, SAMPLES
from tests.avtrain.training.test_fit import avtrain_, fit

REPOSITORY = "someone/robust-classifier"


class StubHub:
    """In place of the Hub's API: one repository as a folder, and a record of the calls."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.private, self.messages = folder, True, list[str]()

    def create_repo(self, repo_id: str, *, repo_type: str, private: bool, exist_ok: bool) -> str:
        assert (repo_type, exist_ok) == ("model", True)
        self.folder.mkdir(exist_ok=True)
        self.private = private
        return f"hub://{repo_id}"

    def list_repo_files(self, repo_id: str, *, repo_type: str) -> list[str]:
        return [path.relative_to(self.folder).as_posix() for path in self.folder.rglob("*") if path.is_file()]

    def create_commit(self, repo_id: str, *, operations: list[Any], repo_type: str, commit_message: str) -> None:
        self.messages.append(commit_message)
        for operation in operations:
            target = self.folder / operation.path_in_repo
            if isinstance(operation, CommitOperationDelete):
                target.unlink()
                continue
            assert isinstance(operation, CommitOperationAdd)
            target.parent.mkdir(parents=True, exist_ok=True)
            with operation.as_file() as file:
                target.write_bytes(file.read())


@pytest.fixture(scope="module")
def runs(small_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """finetune after one epoch, scored under two of its four scenarios; do not change it."""
    out = fit(small_data / "manifest.yaml", tmp_path_factory.mktemp("runs"), "--epochs", 1)
    avtrain_("eval", out, "--scenarios", "C,D")
    return out


@pytest.fixture(scope="module")
def pushed(runs: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[StubHub, str]]:
    """The repository after a push of that run, and what was printed; do not change it."""
    hub = StubHub(tmp_path_factory.mktemp("hub") / "repository")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(huggingface_hub, "HfApi", lambda: hub)
        yield hub, avtrain_("push", runs / FINETUNE, REPOSITORY)


def blocks(hub: StubHub) -> list[str]:
    return re.findall(r"```python\n(.*?)```", (hub.folder / "README.md").read_text(), flags=re.DOTALL)


def test_a_private_repository_gets_the_model_its_scores_and_a_card(pushed: tuple[StubHub, str]) -> None:
    hub, printed = pushed
    assert hub.private
    own = {"config.yaml", "env.json", "metrics.jsonl", "model.safetensors", "result.json"}
    assert set(hub.list_repo_files(REPOSITORY, repo_type="model")) == own | {
        "README.md", "model.pt2", "eval/C.json", "eval/D.json",
    }  # fmt: skip
    assert "CC BY-NC" in printed
    assert printed.splitlines()[-2] == f"sent: hub://{REPOSITORY}"
    assert printed.splitlines()[-1].startswith("next: avtrain.load(")


def test_the_card_says_all_that_its_reader_needs(runs: Path, pushed: tuple[StubHub, str]) -> None:
    text = (pushed[0].folder / "README.md").read_text()
    scores = json.loads((runs / FINETUNE / "seed0" / "eval" / "D.json").read_text())
    row = next(line for line in text.splitlines() if line.startswith("| D |") and "gaussian" not in line)
    assert f" {100 * scores['accuracy']:.1f} | {100 * scores['macro_f1']:.1f} |" in row
    assert "Not evaluated: A, V." in text
    for expected in (
        "gaussian_noise", "CC BY-NC", "Salamon", "Gong et al., ICLR 2023", "## Intended use and limits",
        "| epochs | 1 |", "into 10 classes",
    ):  # fmt: skip
        assert expected in text, expected


def test_the_hub_can_read_the_scores_of_the_card(pushed: tuple[StubHub, str]) -> None:
    card = ModelCard((pushed[0].folder / "README.md").read_text())
    assert card.data.library_name == "avtrain"
    results = {(each.dataset_config, each.metric_type): each.metric_value for each in card.data.eval_results or []}
    assert set(results) == {("C", "accuracy"), ("C", "f1"), ("D", "accuracy"), ("D", "f1")}
    scores = json.loads((pushed[0].folder / "eval" / "C.json").read_text())
    assert results["C", "accuracy"] == pytest.approx(scores["accuracy"], abs=1e-4)


def test_the_model_is_used_from_there_as_the_card_shows(
    runs: Path, pushed: tuple[StubHub, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub, _ = pushed
    first, second = blocks(hub)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", lambda _: str(hub.folder))
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", lambda _, name: str(hub.folder / name))
    names: dict[str, Any] = {}
    exec(first.replace('"bark.wav"', "None").replace('"dog.jpg"', "image"), names | {"image": SAMPLES[0]["image"]})
    exec(second, names)
    assert names["probabilities"].shape == (1, 10)
    local = avtrain.load(runs / FINETUNE)
    assert names["classes"] == list(local.classes)
    assert avtrain.load(hub.folder).batch(SAMPLES) == local.batch(SAMPLES)
    zeros = local(audio=torch.zeros(48_000), image=torch.zeros(480, 640, 3, dtype=torch.uint8)).probabilities
    found = dict(zip(names["classes"], names["probabilities"][0].tolist(), strict=True))
    assert found == pytest.approx(zeros, abs=2e-3)


def test_a_second_push_removes_scores_that_are_gone(
    runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run, hub = Path(shutil.copytree(runs / FINETUNE / "seed0", tmp_path / "run")), StubHub(tmp_path / "hub")
    monkeypatch.setattr(huggingface_hub, "HfApi", lambda: hub)

    def untraceable(*arguments: object, **options: object) -> None:
        raise UserError("finetune on this backbone cannot be exported")

    hub.folder.mkdir()
    (hub.folder / "eval").mkdir()
    for name in ("eval/A.json", "model.pt2", "mine.txt"):
        (hub.folder / name).write_text("earlier")
    monkeypatch.setattr("avtrain.inference.export.exported", untraceable)
    shutil.rmtree(run / "eval")
    avtrain_("push", run, REPOSITORY, "--public")
    assert not hub.private
    files = hub.list_repo_files(REPOSITORY, repo_type="model")
    assert "mine.txt" in files
    assert not {"eval/A.json", "model.pt2"} & set(files)
    text = (hub.folder / "README.md").read_text()
    assert "Not evaluated: C, A, V, D." in text
    assert "model-index" not in text
    assert len(blocks(hub)) == 1


def test_without_its_data_set_the_card_names_no_licence(
    runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from avtrain.device import Machine
    from avtrain.inference.loaded_run import load_run
    from avtrain.inference.model_card import CardFacts, render_card
    from avtrain.inference.push import find_build

    loaded = load_run(runs / FINETUNE, Machine(torch.device("cpu")))
    monkeypatch.setattr("avtrain.inference.push.Folder.exists", lambda *_: False)
    assert find_build(loaded, None) is None
    text = render_card(CardFacts(loaded, REPOSITORY, (), None, None))
    assert "licences are **not known here**" in text
    with pytest.raises(UserError, match=r"build\.json"):
        find_build(loaded, str(tmp_path))


def test_what_cannot_be_sent_is_one_error(runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="is no name on the Hub; write OWNER/NAME"):
        avtrain_("push", runs / FINETUNE, "no name")
    run = Path(shutil.copytree(runs / FINETUNE / "seed0", tmp_path / "run"))
    scores = (run / "eval" / "D.json").read_text()
    hub = StubHub(tmp_path / "hub")
    monkeypatch.setattr(huggingface_hub, "HfApi", lambda: hub)
    monkeypatch.setattr("avtrain.inference.export.exported", lambda *_, **__: pytest.fail("exported for nothing"))
    (run / "eval" / "D.json").write_text(scores.replace('"accuracy": ', '"accuracy": 1', 1))
    with pytest.raises(UserError, match=r"D\.json: damaged"):
        avtrain_("push", run, REPOSITORY)
    (run / "eval" / "D.json").write_text('{"accuracy": 0.5}')
    with pytest.raises(UserError, match="written by an earlier version of avtrain, without manifest, "):
        avtrain_("push", run, REPOSITORY)
    (run / "result.json").unlink()
    with pytest.raises(UserError, match="training is not finished"):
        avtrain_("push", run, REPOSITORY)
    assert not hub.folder.exists()


def test_without_a_network_there_is_one_error(tmp_path: Path) -> None:
    import httpx

    from avtrain.inference.push import upload

    class Offline:
        def create_repo(self, *arguments: object, **options: object) -> str:
            raise httpx.ConnectError("[Errno -2] Name or service not known")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(huggingface_hub, "HfApi", Offline)
        with pytest.raises(UserError, match=r"the Hub could not be reached or refused .*Check the network") as caught:
            upload(REPOSITORY, {"README.md": b"a"}, False, "a")
    assert len(str(caught.value).splitlines()) == 1
    assert caught.value.exit_code == 1
