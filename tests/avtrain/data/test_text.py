"""Data sets with text: read, prepared, cached, trained on, evaluated, looked at, used."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

import avtrain
from avbuild.errors import UsageError, UserError
from avbuild.scenarios.manifest_file import load_manifest
from avtrain.backbones.base import Reading
from avtrain.backbones.registry import build_backbone
from avtrain.data.dataset import MultimodalData
from avtrain.data.shards import read_rows
from avtrain.device import Machine
from avtrain.features.cache import FeatureCache
from avtrain.inference.export_file import METADATA
from avtrain.runs.folder import Run
from avtrain.training.text_lengths import report_cut_texts
from tests.avtrain.training.test_fit import avtrain_
from tests.support.text_data import write_three

CPU = Machine(torch.device("cpu"))
ALL = ("audio", "image", "text")
TINY = {"width": 16, "layers": 1, "heads": 2, "image_size": 8, "audio_seconds": 0.25, "text_tokens": 24}


@pytest.fixture(scope="module")
def data_set(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "three"
    write_three(folder)
    return folder


@pytest.fixture(scope="module")
def run(data_set: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A finished and evaluated run of `finetune`; do not change it."""
    return fitted(data_set, tmp_path_factory.mktemp("runs"), "finetune", "--set", "average_from=1")


def fitted(data_set: Path, out: Path, method: str, *more: object) -> Run:
    sets = [f"--set=backbone.{key}={value}" for key, value in TINY.items()]
    where = ("--backbone", "tiny", "--out", out, "--name", "run", "--device", "cpu", "--precision", "fp32")
    avtrain_("fit", data_set / "manifest.yaml", "--method", method, *where, "--epochs", 1, *sets, *more)
    found = Run(out / "run" / "seed0")
    avtrain_("eval", found.folder, "--device", "cpu", "--scenarios", "C,T")
    return found


def data_of(data_set: Path, scenario: str = "C") -> MultimodalData:
    manifest = load_manifest(str(data_set / "manifest.yaml"))
    frontend = build_backbone("tiny", TINY, None, ALL).frontend
    return MultimodalData(read_rows(manifest, "train"), manifest, frontend, (scenario,))


def test_a_batch_holds_token_ids_that_do_not_depend_on_it(data_set: Path) -> None:
    data = data_of(data_set)
    batch = next(iter(data.batches(12)))
    alone = [each.inputs["text"][0] for each in data.batches(1)][:12]
    assert torch.equal(batch.inputs["text"], torch.stack(alone))
    assert batch.inputs["text"].shape == (12, 24)
    text = bytes(data.rows.samples[0].media["text"]).decode()
    assert batch.inputs["text"][0].tolist() == data.frontend.prepare("text", text).tolist()  # type: ignore[arg-type]


def test_a_missing_text_is_a_row_of_zeros_of_the_same_type(data_set: Path) -> None:
    data = data_of(data_set)
    without = replace(data, rows=data.rows.only(("audio", "image")))
    lacking = replace(without, rows=replace(without.rows, modalities=ALL))
    batch = next(iter(lacking.batches(4)))
    assert batch.inputs["text"].dtype == torch.int64
    assert batch.inputs["text"].eq(0).all()
    assert not batch.present["text"].any()


def test_a_scenario_of_text_changes_its_tokens_alone(data_set: Path) -> None:
    clean, corrupted = (next(iter(data_of(data_set, name).batches(8))) for name in ("C", "T"))
    assert not torch.equal(clean.inputs["text"], corrupted.inputs["text"])
    assert torch.equal(clean.inputs["image"], corrupted.inputs["image"])
    assert torch.equal(clean.inputs["audio"], corrupted.inputs["audio"])


@torch.no_grad()
def test_cached_tokens_are_those_of_the_encoder_and_of_its_vocabulary(data_set: Path, tmp_path: Path) -> None:
    torch.manual_seed(0)
    backbone, data = build_backbone("tiny", TINY, None, ALL).eval(), data_of(data_set)
    for reading in (Reading(most=4), Reading(below=1.0)):
        source = FeatureCache(tmp_path, backbone, reading, CPU, "fp32").source(data)
        for cached, live in zip(source.batches(5), data.batches(5), strict=True):
            expected = backbone.frozen_tokens(live, reading)["text"]
            torch.testing.assert_close(cached.tokens["text"], expected, rtol=2e-3, atol=2e-3)
            assert torch.equal(cached.tokens["text"].eq(0).all(dim=-1), expected.eq(0).all(dim=-1))  # padding
    before = set(tmp_path.iterdir())
    words = (*["[PAD]", "[UNK]", "[CLS]", "[SEP]"], *"abcdefghijklmnopqrstuvwxyz")
    (tmp_path / "vocab.txt").write_text("\n".join(words))
    torch.manual_seed(0)
    other = build_backbone("tiny", {**TINY, "text_vocab": str(tmp_path / "vocab.txt")}, None, ALL).eval()
    FeatureCache(tmp_path, other, Reading(most=4), CPU, "fp32").source(replace(data, frontend=other.frontend))
    assert len(set(tmp_path.iterdir()) - before) == 2  # the vocabulary and a new entry


def test_a_user_gets_texts_and_lists_of_them(data_set: Path) -> None:
    data = avtrain.Dataset(data_set, split="train")
    assert isinstance(data[0]["text"], str)
    items = [data[0], {**data[1], "text": None, "text_missing": True}]
    batch = data.collate(items)
    assert batch["text"] == [data[0]["text"], ""]
    assert batch["text_present"].tolist() == [True, False]
    assert "text_length" not in batch
    assert data.collate(items[1:])["text"] == [""]
    counted = avtrain.Dataset(
        data_set, split="train", transform={"text": lambda text: torch.tensor(list(text.encode()))}
    )
    batch = counted.collate([counted[0], counted[1]])
    assert batch["text_length"].tolist() == [len(data[row]["text"].encode()) for row in (0, 1)]


def test_a_model_of_ones_own_is_given_texts(data_set: Path, tmp_path: Path) -> None:
    seen: list[list[str]] = []

    def model(batch: dict[str, Any]) -> torch.Tensor:
        seen.append(batch["text"])
        loud = torch.tensor([float("loud" in text.lower()) for text in batch["text"]])
        return torch.stack([1 - loud, loud], dim=1) * batch["text_present"][:, None]

    results = avtrain.evaluate(model, data_set, name="words", scenarios=["C"], out=tmp_path, batch_size=4)
    assert all(isinstance(text, str) for texts in seen for text in texts)
    alone, hidden = results["C"]["coalitions"]["text"], results["C"]["coalitions"]["audio+image"]
    assert alone == results.accuracy["C"]
    assert hidden != alone


def test_a_run_is_trained_and_scored_with_three_modalities(run: Run) -> None:
    assert run.modalities() == ALL
    scores = {each["scenario"]: each for each in run.evaluations()}
    assert set(scores) == {"C", "T"}
    assert set(scores["C"]["per_modality"]) == set(ALL)
    assert len(scores["C"]["coalitions"]) == 7


def test_texts_that_are_cut_are_counted(run: Run, data_set: Path, capsys: pytest.CaptureFixture[str]) -> None:
    counts = run.read_json("result.json")["cut_texts"]
    data = data_of(data_set)
    assert counts["texts"] == len(data)
    assert 0 < counts["cut"] < counts["texts"]  # those of characters: all but the empty ones
    assert report_cut_texts(data.frontend, data.rows) == {"cut_texts": counts}
    assert "training texts have more than 24 tokens and are cut" in capsys.readouterr().err
    assert report_cut_texts(build_backbone("tiny", TINY).frontend, data.rows) == {}


def test_the_report_and_the_errors_show_it(run: Run, tmp_path: Path) -> None:
    avtrain_("report", run.folder.parent.parent)
    assert "text" in (run.folder.parent.parent / "report.md").read_text()
    avtrain_("errors", run.folder, "--scenario", "T", "--top", 60, "--device", "cpu", "--out", tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text()
    assert "<script>alert" not in page
    assert "&lt;script&gt;" in page


@pytest.mark.parametrize("method", ["linear-probe", "prompt"])
def test_frozen_methods_read_cached_text(data_set: Path, tmp_path: Path, method: str) -> None:
    more = ("--set", "method.heads=2") if method == "prompt" else ()
    found = fitted(data_set, tmp_path, method, *more)
    assert len(list((tmp_path / "features").glob("*/text.npy"))) > 0
    assert found.finished


def test_predict_and_load_take_a_text(run: Run, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("Everybody shouts e\u0301!", encoding="utf-8")
    by_file = json.loads(avtrain_("predict", run.folder, "--text", tmp_path / "a.txt", "--json"))
    by_string = json.loads(avtrain_("predict", run.folder, "--text-string", "Everybody shouts \u00e9!", "--json"))
    assert by_file["present"] == {"audio": False, "image": False, "text": True}
    assert by_file["probabilities"] == by_string["probabilities"]
    with pytest.raises(UsageError, match="--text and --text-string: both name the text"):
        avtrain_("predict", run.folder, "--text", tmp_path / "a.txt", "--text-string", "b")
    (tmp_path / "b.txt").write_bytes(b"\xff\xfe")
    with pytest.raises(UserError, match=r"b\.txt: cannot be read as text: not UTF-8"):
        avtrain_("predict", run.folder, "--text", tmp_path / "b.txt")

    classifier = avtrain.load(run.folder)
    loaded = classifier(text="Everybody shouts \u00e9!")
    assert loaded.probabilities == pytest.approx(by_file["probabilities"])
    assert loaded.missing == ("audio", "image")
    assert classifier(text=tmp_path / "a.txt").probabilities == loaded.probabilities
    assert classifier(text=(tmp_path / "a.txt").read_bytes()).probabilities == loaded.probabilities
    assert classifier(text="a.txt").probabilities != loaded.probabilities  # a str is the text, not a path
    with pytest.raises(UsageError, match=r"text: .* is no text; give a str"):
        classifier(text=3)
    with pytest.raises(UsageError, match="NUL"):
        classifier(text="a\0b")


@pytest.mark.parametrize("kind", ["pt2", "onnx"])
def test_the_exported_model_takes_token_ids_by_the_tokenizer_beside_it(run: Run, tmp_path: Path, kind: str) -> None:
    if kind == "onnx":
        pytest.importorskip("onnxruntime")
    from tokenizers import Tokenizer

    said = avtrain_("export", run.folder, "--out", tmp_path / f"m.{kind}")
    assert "m.tokenizer.json; texts go in as token ids" in said
    text = "The quiet river runs slowly past the old mill, and on."
    ids = Tokenizer.from_file(str(tmp_path / "m.tokenizer.json")).encode(text).ids
    inputs = {
        "audio": torch.zeros(1, 50),
        "audio_length": torch.tensor([50]),
        "image": torch.zeros(1, 9, 9, 3, dtype=torch.uint8),
        "text": torch.tensor([ids]),
        "audio_present": torch.tensor([False]),
        "image_present": torch.tensor([False]),
        "text_present": torch.tensor([True]),
    }
    if kind == "pt2":
        extra = {METADATA: ""}
        found = torch.export.load(tmp_path / "m.pt2", extra_files=extra).module()(**inputs)
        described = json.loads(extra[METADATA])
        assert described["inputs"]["text"] == {"shape": ["batch", 24], "type": "int64"}
        assert described["tokenizer"] == "m.tokenizer.json"
        assert len(extra[METADATA]) < 10_000  # the vocabulary is not inside
    else:
        from avtrain.inference.onnx_file import run_onnx

        found = run_onnx((tmp_path / "m.onnx").read_bytes(), inputs)
    expected = avtrain.load(run.folder)(text=text).probabilities
    classes = avtrain.load(run.folder).classes
    torch.testing.assert_close(found[0], torch.tensor([expected[name] for name in classes]), rtol=1e-3, atol=1e-4)


def test_an_export_replaces_no_tokenizer_of_others(run: Run, tmp_path: Path) -> None:
    (tmp_path / "m.tokenizer.json").write_text("{}")
    with pytest.raises(UserError, match=r"m\.tokenizer\.json: avtrain export did not write this file"):
        avtrain_("export", run.folder, "--out", tmp_path / "m.pt2")


def test_a_run_needs_no_file_of_its_vocabulary(data_set: Path, tmp_path: Path) -> None:
    words = (*["[PAD]", "[UNK]", "[CLS]", "[SEP]"], *"abcdefghijklmnopqrstuvwxyz", "quiet", "river")
    (tmp_path / "vocab.txt").write_text("\n".join(words))
    found = fitted(data_set, tmp_path, "finetune", "--set", f"backbone.text_vocab={tmp_path / 'vocab.txt'}")
    before = avtrain.load(found.folder)(text="a quiet river").probabilities
    (tmp_path / "vocab.txt").unlink()
    assert avtrain.load(found.folder)(text="a quiet river").probabilities == before
