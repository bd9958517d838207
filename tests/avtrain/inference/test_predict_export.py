"""A finished run in use: a prediction is what evaluation would give, and an exported program is the method."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from PIL import Image
from torch import Tensor

from avbuild.errors import UserError
from avtrain.data.batch import Batch
from avtrain.data.dataset import MultimodalData
from avtrain.data.shards import read_rows
from avtrain.device import Machine
from avtrain.evaluation.calibration import calibrated
from avtrain.evaluation.metrics import softmax
from avtrain.evaluation.predict import predict
from avtrain.inference.export import export_program
from avtrain.inference.export_file import METADATA
from avtrain.inference.exportable import FeatureClassifier
from avtrain.inference.loaded_run import load_run
from avtrain.inference.media import read_media
from avtrain.inference.predictor import classify, make_batch
from avtrain.methods.base import Method, Prediction
from avtrain.methods.finetune import Finetune, FinetuneConfig
from avtrain.methods.registry import METHODS
from tests.avtrain.methods.test_all_methods import CLASSES, batch_of, build
from tests.avtrain.training.test_fit import avtrain_, fit
from tests.support.sealed import rewrite

CPU = Machine(torch.device("cpu"))
FINETUNE, PROMPT = "urbansound8k-av-finetune-tiny", "urbansound8k-av-prompt-tiny"


@pytest.fixture(scope="module")
def runs(small_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """finetune and prompt after one epoch; do not change it."""
    out, manifest = tmp_path_factory.mktemp("runs"), small_data / "manifest.yaml"
    fit(manifest, out, "--epochs", 1)
    return fit(manifest, out, "--epochs", 1, "--method", "prompt", "--set", "method.heads=2", "--set", "lr=0.05")


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A sound of 0.4 s and a picture."""
    folder, rng = tmp_path_factory.mktemp("files"), np.random.default_rng(0)
    soundfile.write(folder / "a.wav", rng.uniform(-0.5, 0.5, 6400), 16_000)
    Image.fromarray(rng.integers(0, 256, (20, 30, 3), dtype=np.uint8)).save(folder / "b.png")
    return {"audio": folder / "a.wav", "image": folder / "b.png"}


def test_a_prediction_is_what_evaluation_gives(runs: Path, tmp_path: Path) -> None:
    trained = load_run(runs / FINETUNE, CPU)
    manifest = trained.config.manifest
    rows = read_rows(manifest, "test")
    data = MultimodalData(rows, manifest, trained.method.backbone.frontend, ("C",))
    outputs = predict(trained.method, data, 32, CPU, "fp32")
    assert trained.temperature is not None
    wanted = softmax(calibrated(outputs, trained.temperature, None).calibrated)
    for index in (0, 7):
        media = rows.samples[index].media
        paths = {modality: tmp_path / f"{index}-{modality}" for modality in media}
        for modality, path in paths.items():
            path.write_bytes(media[modality])
        found = classify(trained, read_media(paths), None, CPU).probabilities
        np.testing.assert_allclose([found[name] for name in rows.classes], wanted[index], rtol=1e-4)


def test_rate_and_channels_of_a_sound_do_not_matter(runs: Path, tmp_path: Path) -> None:
    trained = load_run(runs / FINETUNE, CPU)
    found = []
    for rate in (16_000, 44_100):
        tone = 0.3 * np.sin(2 * np.pi * 440 * np.arange(rate) / rate)
        both = np.stack([1.5 * tone, 0.5 * tone], axis=1) if rate == 44_100 else tone
        soundfile.write(tmp_path / "tone.wav", both, rate, subtype="FLOAT")
        found.append(make_batch(trained, read_media({"audio": tmp_path / "tone.wav"}), "C").inputs["audio"])
    assert found[0].shape == (1, 80, 50)
    # the floor that resampling leaves differs, what is loud does not
    loud = found[0] > found[0].max() - 0.5
    torch.testing.assert_close(found[0][loud], found[1][loud], rtol=0, atol=0.02)


def test_json_is_one_line_with_all_classes(runs: Path, files: dict[str, Path]) -> None:
    printed = avtrain_("predict", runs / FINETUNE, "--audio", files["audio"], "--image", files["image"], "--json")
    assert len(printed.splitlines()) == 1
    said = json.loads(printed)
    values = list(said["probabilities"].values())
    assert values == sorted(values, reverse=True)
    assert sum(values) == pytest.approx(1)
    trained = load_run(runs / FINETUNE, CPU)
    assert set(said["probabilities"]) == set(trained.classes) == set(read_rows(trained.config.manifest, "test").classes)
    assert said["present"] == {"audio": True, "image": True}
    assert (said["inference"], said["scenario"], said["choice"]) == (None, None, None)


def test_a_missing_modality_is_left_out(runs: Path, files: dict[str, Path]) -> None:
    trained = load_run(runs / FINETUNE, CPU)
    batch = make_batch(trained, read_media({"image": files["image"]}), "C")
    assert {m: there.tolist() for m, there in batch.present.items()} == {"audio": [False], "image": [True]}
    alone = trained.method(batch)
    torch.testing.assert_close(alone.logits, alone.per_modality["image"])
    printed = avtrain_("predict", runs / FINETUNE, "--image", files["image"], "--top", 3)
    assert "7 more" in printed
    assert printed.splitlines()[-1].endswith("seed0: audio missing; image present")


def test_a_method_that_is_told_says_what_it_was_told(runs: Path, files: dict[str, Path]) -> None:
    def said(*more: str) -> dict[str, object]:
        given: dict[str, object] = json.loads(
            avtrain_("predict", runs / PROMPT, "--audio", files["audio"], "--image", files["image"], "--json", *more)
        )
        return given

    routed, clean, noisy = said(), said("--scenario", "C"), said("--scenario", "D")
    assert (routed["scenario"], clean["scenario"], noisy["scenario"]) == (None, "C", "D")
    assert (routed["inference"], clean["inference"]) == ("router", "oracle")
    assert set(routed["choice"]) == {"C", "A", "V", "D"}  # type: ignore[arg-type]
    assert clean["probabilities"] != noisy["probabilities"]
    printed = avtrain_("predict", runs / PROMPT, "--audio", files["audio"])
    assert "prompts by router: C 0." in printed.replace("\n", " ")


class Routed(Method):
    """Answers scenario 0's class when told scenario 0, and by its router a mixture of two sets."""

    name = "routed"
    inference_modes = ("oracle", "router")
    inference = "oracle"

    def forward(self, batch: Batch) -> Prediction:
        classes, sets = 10, 4
        if self.inference == "oracle":
            return Prediction(torch.eye(classes)[batch.scenario] * 9)
        return Prediction(torch.eye(classes)[[9]] * 9, choice=torch.eye(sets)[[1]] * 0.75 + torch.eye(sets)[[3]] * 0.25)


def test_a_router_is_asked_unless_a_scenario_is_told(runs: Path, files: dict[str, Path]) -> None:
    trained = load_run(runs / PROMPT, CPU)
    routed = replace(trained, method=Routed(trained.method.backbone))
    media = read_media(files)
    found = classify(routed, media, None, CPU)
    assert (found.inference, found.scenario) == ("router", None)
    assert found.choice == {"C": 0, "A": 0.75, "V": 0, "D": 0.25}
    assert next(iter(found.probabilities)) == trained.classes[9]
    told = classify(routed, media, "V", CPU)
    assert (told.inference, told.scenario, told.choice) == ("oracle", "V", None)
    assert next(iter(told.probabilities)) == trained.classes[2]


@pytest.mark.parametrize(
    ("arguments", "expected", "code"),
    [
        ((), "give --audio FILE, --image FILE, --video FILE, --text FILE, or several", 2),
        (("--audio", "none.wav"), "none.wav: no such file", 1),
        (("--audio", "text.wav"), r"text.wav: cannot be read as audio: .*[Ff]ormat", 1),
        (("--image", "text.wav"), "text.wav: cannot be read as image: not a readable picture$", 1),
        (("--audio", "."), "no such file", 1),
        (("--image", "b.png", "--scenario", "D"), "finetune does not use the scenario; leave the option out", 2),
        (("--image", "b.png", "--device", "gpu"), "allowed are auto, cpu, cuda", 2),
    ],
)
def test_what_cannot_be_predicted_is_explained(
    runs: Path,
    files: dict[str, Path],
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    expected: str,
    code: int,
) -> None:
    monkeypatch.chdir(files["image"].parent)
    Path("text.wav").write_text("no sound, no picture")
    with pytest.raises(UserError, match=expected) as caught:
        avtrain_("predict", runs / FINETUNE, *arguments)
    assert caught.value.exit_code == code


def test_an_unknown_scenario_is_answered_with_those_there_are(runs: Path, files: dict[str, Path]) -> None:
    with pytest.raises(UserError, match=r'no scenario "X" .*it has C, A, V, D'):
        avtrain_("predict", runs / PROMPT, "--image", files["image"], "--scenario", "X")


def test_only_one_finished_run_is_used(runs: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="holds 2 runs; name one of them"):
        load_run(runs, CPU)
    run = Path(shutil.copytree(runs / FINETUNE / "seed0", tmp_path / "run"))
    rewrite(run / "result.json", classes=None)
    with pytest.raises(UserError, match="names no classes"):
        load_run(run, CPU)
    (run / "result.json").unlink()
    with pytest.raises(UserError, match="not finished"):
        load_run(run, CPU)


def as_inputs(batch: Batch, method: Method) -> dict[str, Tensor]:
    told = {"scenario": batch.scenario} if method.inference == "oracle" else {}
    return batch.inputs | {f"{m}_present": there for m, there in batch.present.items()} | told


@pytest.mark.parametrize("name", METHODS)
def test_an_exported_program_is_the_method(name: str, tmp_path: Path) -> None:
    method = build(name)
    torch.export.save(export_program(FeatureClassifier(method)), tmp_path / "model.pt2")
    program = torch.export.load(tmp_path / "model.pt2").module()
    for samples in (1, 5):
        for gone in (None, "audio", "image"):
            batch = batch_of(samples, seed=samples)
            if gone is not None:
                batch.present[gone][::2] = False
            with torch.no_grad():
                wanted = method(batch).logits
            assert wanted.shape == (samples, CLASSES)
            torch.testing.assert_close(program(**as_inputs(batch, method)), wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", [FINETUNE, PROMPT])
def test_the_file_says_all_that_its_user_needs(runs: Path, files: dict[str, Path], tmp_path: Path, name: str) -> None:
    out = tmp_path / "new" / "model.pt2"
    printed = avtrain_("export", runs / name, "--out", out, "--without-frontend")
    assert printed.replace("\n", "").startswith(f"written: {out}")
    assert [path.name for path in out.parent.iterdir()] == ["model.pt2"]
    extra = {METADATA: ""}
    program = torch.export.load(out, extra_files=extra).module()
    said = json.loads(extra[METADATA])

    trained = load_run(runs / name, CPU)
    assert tuple(said["classes"]) == trained.classes
    assert said["run"] == str(runs / name / "seed0")
    assert said["inputs"]["audio"] == {"shape": ["batch", 80, 50], "type": "float32"}
    assert said["inputs"]["image_present"] == {"shape": ["batch"], "type": "bool"}
    assert "scenario" not in said["inputs"]
    assert said["inference"] == ("router" if name == PROMPT else None)
    frontend = said["frontend"]
    assert (frontend["audio_seconds"], frontend["image_size"], frontend["sample_rate"]) == (0.5, 16, 16_000)

    media = read_media({"audio": files["audio"]})
    logits = program(**as_inputs(make_batch(trained, media, "C"), trained.method))[0].detach().double()
    found = classify(trained, media, None, CPU).probabilities
    np.testing.assert_allclose(softmax(logits[None].numpy())[0], [found[c] for c in said["classes"]], rtol=1e-4)


class Sorting(Finetune):
    """Goes different ways for different data, as no traced program can."""

    name = "sorting"

    def forward(self, batch: Batch) -> Prediction:
        if batch.present["image"].any():
            return super().forward(batch)
        return Prediction(torch.zeros(len(batch), CLASSES))


def test_what_cannot_be_traced_is_refused(tmp_path: Path) -> None:
    method = Sorting(build("finetune").backbone, CLASSES, 4, FinetuneConfig.model_validate({}))
    with pytest.raises(UserError, match=r"sorting on this backbone cannot be exported: .*Could not guard"):
        export_program(FeatureClassifier(method))


def test_an_export_can_only_infer_in_ways_the_method_has(runs: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="finetune has no inference mode router; its modes: none"):
        avtrain_("export", runs / FINETUNE, "--out", tmp_path / "x.pt2", "--inference", "router")
    assert not list(tmp_path.iterdir())
