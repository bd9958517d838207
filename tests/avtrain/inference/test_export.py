"""An exported file takes raw signals and gives what `avtrain predict` gives, where nothing but PyTorch is installed."""

import json
import re
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import avtrain
from avbuild.errors import UsageError, UserError
from avtrain.backbones.registry import build_backbone
from avtrain.data.batch import Batch
from avtrain.frontends.whisper_mel import Frontend
from avtrain.inference.classifier_output import ClassifierOutput
from avtrain.inference.export import export_program
from avtrain.inference.export_file import METADATA, check_target, pick_format
from avtrain.inference.exportable import SignalClassifier
from avtrain.methods.registry import build_method
from tests.avtrain.methods.test_all_methods import CLASSES, build
from tests.avtrain.training.test_fit import avtrain_, fit

FINETUNE, PROMPT = "urbansound8k-av-finetune-tiny", "urbansound8k-av-prompt-tiny"

# runs a program on the inputs of a file, in a process that finds Python's own modules and those of one folder
ALONE = """
import json, sys

sys.path.append(sys.argv[4])
import torch

extra = {"avtrain.json": ""}
program = torch.export.load(sys.argv[1], extra_files=extra).module()
outputs = [program(**inputs) for inputs in torch.load(sys.argv[2])]
torch.save({"outputs": outputs, "classes": json.loads(extra["avtrain.json"])["classes"]}, sys.argv[3])
"""


@pytest.fixture(scope="module")
def pytorch_alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with PyTorch and what it requires, as `pip install torch` makes it."""
    folder, pending, seen = tmp_path_factory.mktemp("site"), ["torch"], set()
    while pending:
        name = pending.pop()
        seen.add(name)
        try:
            package = distribution(name)
        except PackageNotFoundError:  # required on other systems
            continue
        required = [re.split(r"[^\w.-]", line)[0] for line in package.requires or [] if "extra ==" not in line]
        pending += [other for other in required if other not in seen]
        for top in {file.parts[0] for file in package.files or [] if file.parts[0] not in ("..", "__pycache__")}:
            if not (folder / top).exists():
                (folder / top).symlink_to(Path(str(package.locate_file(top))))
    assert not (folder / "numpy").exists()
    return folder


def alone(model: Path, batches: list[dict[str, Tensor]], folder: Path, site: Path) -> tuple[list[Tensor], list[str]]:
    """Probabilities of each batch, and the classes, from a process with PyTorch alone."""
    torch.save(batches, folder / "inputs.pt")
    files = [model, folder / "inputs.pt", folder / "outputs.pt", site]
    command = [sys.executable, "-I", "-S", "-c", ALONE, *map(str, files)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = torch.load(folder / "outputs.pt")
    return found["outputs"], found["classes"]


@pytest.fixture(scope="module")
def runs(small_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """finetune and prompt after one epoch; do not change it."""
    out, manifest = tmp_path_factory.mktemp("runs"), small_data / "manifest.yaml"
    fit(manifest, out, "--epochs", 1)
    return fit(manifest, out, "--epochs", 1, "--method", "prompt", "--set", "method.heads=2", "--set", "lr=0.05")


def signals(seed: int, samples: int, height: int, width: int) -> dict[str, Any]:
    """A clip as a 16-bit file holds it, and an image."""
    rng = np.random.default_rng(seed)
    tone = 0.4 * np.sin(np.arange(samples) * 0.1 * (seed + 1)) + rng.normal(0, 0.02, samples)
    clip = (np.rint(tone * 32_768) / 32_768).astype(np.float32)
    coarse = rng.integers(0, 256, (4, 4, 3))
    image = np.kron(coarse, np.ones((-(-height // 4), -(-width // 4), 1)))[:height, :width].astype(np.uint8)
    return {"audio": clip, "image": image}


SAMPLES: list[dict[str, Any]] = [
    signals(0, 6_400, 20, 30),
    signals(1, 40_000, 64, 48),
    signals(2, 500, 16, 16),
    {**signals(3, 8_000, 20, 20), "audio": None},
    {**signals(4, 12_345, 20, 20), "image": None},
]


def as_inputs(*samples: dict[str, Any]) -> dict[str, Tensor]:
    """The inputs of a program, with nonsense where a modality is missing and behind the end of a clip."""
    lengths = [1_000 if s["audio"] is None else len(s["audio"]) for s in samples]
    audio = torch.full((len(samples), max(lengths)), 0.9)
    shape = next((s["image"].shape for s in samples if s["image"] is not None), (3, 4, 3))
    images = torch.full((len(samples), *shape), 200, dtype=torch.uint8)
    for row, sample in enumerate(samples):
        if sample["audio"] is not None:
            audio[row, : lengths[row]] = torch.from_numpy(sample["audio"])
        if sample["image"] is not None:
            images[row] = torch.from_numpy(sample["image"])
    present = {f"{m}_present": torch.tensor([s[m] is not None for s in samples]) for m in ("audio", "image")}
    return {"audio": audio, "audio_length": torch.tensor(lengths), "image": images, **present}


def assert_same(found: Tensor, classes: list[str], wanted: list[ClassifierOutput]) -> None:
    expected = [[output.probabilities[name] for name in classes] for output in wanted]
    torch.testing.assert_close(found.double(), torch.tensor(expected, dtype=torch.float64), rtol=0, atol=2e-3)


@pytest.mark.parametrize("name", [FINETUNE, PROMPT])
def test_a_file_gives_what_predict_gives_where_only_pytorch_is_installed(
    runs: Path, tmp_path: Path, pytorch_alone: Path, name: str
) -> None:
    out = tmp_path / "model.pt2"
    printed = avtrain_("export", runs / name, "--out", out)
    assert printed.replace("\n", "").startswith(f"written: {out}")
    classifier = avtrain.load(runs / name)
    together = [signals(seed, 900 * seed + 300, 24, 18) for seed in range(5)]  # images of one size
    batches = [*(as_inputs(sample) for sample in SAMPLES), as_inputs(*together)]
    outputs, classes = alone(out, batches, tmp_path, pytorch_alone)
    assert classes == list(classifier.classes)
    assert_same(torch.cat(outputs[:-1]), classes, classifier.batch(SAMPLES))
    assert_same(outputs[-1], classes, classifier.batch(together))
    assert outputs[-1].dtype == torch.float32
    torch.testing.assert_close(outputs[-1].sum(dim=1), torch.ones(5))


def test_the_description_names_classes_inputs_and_output(runs: Path, tmp_path: Path) -> None:
    avtrain_("export", runs / PROMPT, "--out", tmp_path / "model.pt2", "--inference", "oracle")
    extra = {METADATA: ""}
    torch.export.load(tmp_path / "model.pt2", extra_files=extra)
    described = json.loads(extra[METADATA])
    assert described["inputs"] == {
        "audio": {"shape": ["batch", "audio_samples"], "type": "float32"},
        "audio_length": {"shape": ["batch"], "type": "int64"},
        "image": {"shape": ["batch", "image_height", "image_width", 3], "type": "uint8"},
        "audio_present": {"shape": ["batch"], "type": "bool"},
        "image_present": {"shape": ["batch"], "type": "bool"},
        "scenario": {"shape": ["batch"], "type": "int64"},
    }
    assert described["outputs"] == {"probabilities": {"shape": ["batch", 10], "type": "float32"}}
    assert described["scenarios"] == ["C", "A", "V", "D"]
    assert described["frontend"]["included"] is True


@pytest.mark.parametrize(
    ("backbone", "options"),
    [
        ("cav-mae", {"size": "tiny", "layers": 1, "audio_frames": 32, "image_size": 32}),
        ("resnet", {"image_size": 32, "audio_seconds": 0.5, "resize": "squash"}),
    ],
)
def test_every_front_end_is_exported(backbone: str, options: dict[str, Any]) -> None:
    torch.manual_seed(0)
    method = build_method("finetune", {}, build_backbone(backbone, options), CLASSES, 4).eval()
    program = export_program(SignalClassifier(method)).module()
    frontend = method.backbone.frontend
    for sample in (SAMPLES[0], SAMPLES[1]):
        features = {
            m: frontend.finish(m, frontend.prepare(m, torch.from_numpy(signal))[None]) for m, signal in sample.items()
        }
        there = {m: torch.ones(1, dtype=torch.bool) for m in sample}
        with torch.no_grad():
            wanted = method(Batch(features, there, torch.zeros(1).long(), torch.zeros(1).long(), ("",))).logits
        found = program(**as_inputs(sample))
        torch.testing.assert_close(found, wanted.softmax(dim=1), rtol=0, atol=5e-3)


def test_video_is_exported() -> None:
    backbone = build_backbone("tiny", {"width": 24, "layers": 1, "heads": 2, "image_size": 16}, None, ("video",))
    method = build_method("finetune", {}, backbone, CLASSES, 4).eval()
    program = export_program(SignalClassifier(method)).module()
    video = torch.randint(0, 256, (7, 20, 30, 3), dtype=torch.uint8)
    features = {"video": backbone.frontend.prepare("video", video)[None]}
    there = {"video": torch.ones(1, dtype=torch.bool)}
    with torch.no_grad():
        wanted = method(Batch(features, there, torch.zeros(1).long(), torch.zeros(1).long(), ("",))).logits
    found = program(video=video[None], video_present=there["video"])
    torch.testing.assert_close(found, wanted.softmax(dim=1), rtol=0, atol=5e-3)


def test_a_front_end_that_cannot_be_exported_is_named() -> None:
    class Foreign:
        shapes = Frontend(0.5, 16).shapes

    method = build("finetune")
    method.backbone.frontend = Foreign()  # type: ignore[assignment]
    with pytest.raises(UserError, match=r"front end Foreign cannot be exported: .* --without-frontend"):
        SignalClassifier(method)


def test_a_front_end_that_prepares_a_batch_otherwise_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    prepare_batch = Frontend.prepare_batch
    monkeypatch.setattr(Frontend, "prepare_batch", lambda *given: 0.5 * prepare_batch(*given))
    method = build("finetune")
    with torch.no_grad():
        for parameter in method.parameters():
            parameter.mul_(3)  # so that the probabilities depend on the inputs
    with pytest.raises(UserError, match="the exported finetune differs from the model by up to"):
        export_program(SignalClassifier(method))


def test_a_program_that_computes_something_else_is_not_written(
    runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compute = SignalClassifier.compute

    def wrong(self: SignalClassifier, inputs: dict[str, Tensor]) -> Tensor:
        return compute(self, inputs) * (0.9 if torch.compiler.is_exporting() else 1.0)

    monkeypatch.setattr(SignalClassifier, "compute", wrong)
    with pytest.raises(UserError, match="the exported finetune differs from the model by up to"):
        avtrain_("export", runs / FINETUNE, "--out", tmp_path / "model.pt2")
    assert not list(tmp_path.iterdir())


def test_the_format_is_that_of_the_file_unless_they_differ() -> None:
    assert pick_format(None, None) == "pt2"
    assert pick_format(None, Path("a.onnx")) == pick_format("onnx", None) == pick_format("onnx", Path("a")) == "onnx"
    with pytest.raises(UsageError, match="--format tflite: allowed are pt2, onnx"):
        pick_format("tflite", None)
    with pytest.raises(UsageError, match=r"--out a\.pt2: a file of --format onnx should end in \.onnx"):
        pick_format("onnx", Path("a.pt2"))


@pytest.mark.parametrize("name", ["mine.pt2", "mine.onnx", "empty.onnx"])
def test_only_an_export_is_overwritten(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("" if name == "empty.onnx" else "mine")
    with pytest.raises(UserError, match="avtrain export did not write this file"):
        check_target(tmp_path / name)


def test_onnx_gives_what_predict_gives(runs: Path, tmp_path: Path) -> None:
    for package in ("onnx", "onnxscript", "onnxruntime"):
        pytest.importorskip(package, reason=f"{package} is not installed; it comes with the extra onnx")
    import onnx
    import onnxruntime

    out = tmp_path / "model.onnx"
    assert "onnxruntime.InferenceSession reads it" in avtrain_("export", runs / FINETUNE, "--out", out)
    avtrain_("export", runs / FINETUNE, "--out", out)  # overwrites its own file
    onnx.checker.check_model(out)
    session = onnxruntime.InferenceSession(out, providers=["CPUExecutionProvider"])
    classes = json.loads(session.get_modelmeta().custom_metadata_map[METADATA])["classes"]
    classifier = avtrain.load(runs / FINETUNE)
    for sample in SAMPLES:
        (found,) = session.run(None, {name: x.numpy() for name, x in as_inputs(sample).items()})
        assert_same(torch.from_numpy(found), classes, classifier.batch([sample]))


def test_onnx_without_its_packages_says_what_to_install(
    runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(UserError, match=r"pip install 'avbuild\[onnx\]'"):
        avtrain_("export", runs / FINETUNE, "--out", tmp_path / "model.onnx")
    assert not list(tmp_path.iterdir())
