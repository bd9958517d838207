"""avtrain.evaluate and `avtrain eval --model`: any model is scored as a method is, and says nothing of its training."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import avtrain
from avbuild.errors import UsageError, UserError
from avbuild.scenarios.manifest_file import load_manifest
from avbuild.scenarios.spec import Scenario
from avtrain.data.batch import Batch
from avtrain.device import Machine
from avtrain.inference.loaded_run import load_run
from tests.avtrain.data.test_dataset import manifest_of
from tests.avtrain.training.test_fit import avtrain_, fit

FINETUNE = "urbansound8k-av-finetune-tiny"


class Net(nn.Module):
    """A linear map of mean colour and loudness, where they are there."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(4, 10)
        self.seen: list[dict[str, Tensor]] = []

    def forward(self, batch: dict[str, Tensor]) -> Tensor:
        assert not self.training
        assert not torch.is_grad_enabled()
        self.seen.append(batch)
        colour = batch["image"].float().mean((1, 2)) / 255
        loud = batch["audio"].abs().sum(1, keepdim=True) / batch["audio_length"].clamp(min=1)[:, None]
        logits: Tensor = self.head(torch.cat([colour, loud], dim=1))
        return logits


@pytest.fixture
def net() -> Net:
    torch.manual_seed(0)
    return Net()


@pytest.fixture(scope="module")
def runs(small_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """finetune, evaluated; do not change it."""
    out = fit(small_data / "manifest.yaml", tmp_path_factory.mktemp("runs"), "--epochs", 1)
    avtrain_("eval", out)
    return out


def scores(folder: Path) -> dict[str, Any]:
    return {path.stem: json.loads(path.read_text()) for path in (folder / "eval").glob("*.json")}


def test_a_method_of_avtrain_scores_the_same_as_by_eval(runs: Path, small_data: Path, tmp_path: Path) -> None:
    """The model of a run, behind its front end, is an outside model like any other."""
    loaded = load_run(runs / FINETUNE, Machine(torch.device("cpu")))
    backbone = loaded.method.backbone

    def model(batch: dict[str, Tensor]) -> Any:
        inputs = {}
        for m in backbone.modalities:
            rows = (
                [row[:length] for row, length in zip(batch[m], batch["audio_length"], strict=True)]
                if m == "audio"
                else batch[m]
            )
            there = batch[f"{m}_present"]
            prepared = torch.stack([backbone.frontend.prepare(m, row) for row in rows])
            inputs[m] = backbone.frontend.finish(m, prepared) * there.view(
                -1, *[1] * (len(backbone.frontend.shapes[m]))
            )
        present = {m: batch[f"{m}_present"] for m in backbone.modalities}
        zeros = torch.zeros(len(batch["audio"]), dtype=torch.int64)
        return loaded.method(Batch(inputs, present, zeros, zeros, ("",) * len(zeros)))  # has the attribute logits

    found = avtrain.evaluate(model, small_data, name="same", out=tmp_path)
    expected = scores(runs / FINETUNE / "seed0")
    assert set(found.scenarios) == set(expected) == {"C", "A", "V", "D"}
    for name, by_eval in expected.items():
        for key in ("n", "confusion", "classes", "scenario_hash", "content", "split", "leaky", "missing_rate"):
            assert found[name][key] == by_eval[key], (name, key)
        assert found[name]["calibration_error"] == pytest.approx(by_eval["uncalibrated"]["calibration_error"], abs=1e-5)
        assert found[name]["macro_f1"] == pytest.approx(by_eval["macro_f1"])
    assert found["C"]["shapley"] == pytest.approx(expected["C"]["shapley"])


def test_what_a_model_is_given(net: Net, small_data: Path, tmp_path: Path) -> None:
    manifest = manifest_of(small_data, M={"audio": {"missing_rate": 0.5}})
    net.head.train()
    net.eval().head.train()
    avtrain.evaluate(net, manifest, name="net", scenarios="M", batch_size=7, out=tmp_path)
    assert (net.training, net.head.training) == (False, True)  # each part is put back
    assert {frozenset(batch) for batch in net.seen} == {
        frozenset({"audio", "audio_length", "audio_present", "image", "image_present"})
    }
    first = net.seen[0]
    assert {key: (value.dtype, tuple(value.shape[:1])) for key, value in first.items()} == {
        "audio": (torch.float32, (7,)), "audio_length": (torch.int64, (7,)), "audio_present": (torch.bool, (7,)),
        "image": (torch.uint8, (7,)), "image_present": (torch.bool, (7,)),
    }  # fmt: skip
    assert first["image"].shape == (7, 24, 32, 3)
    there = torch.cat([batch["audio_present"] for batch in net.seen])
    assert 0 < there.sum() < len(there)
    for batch in net.seen:
        assert batch["audio"][~batch["audio_present"]].abs().sum() == 0
        assert batch["audio_length"][~batch["audio_present"]].sum() == 0


def test_probabilities_are_recognised(net: Net, small_data: Path, tmp_path: Path) -> None:
    def probabilities(batch: dict[str, Tensor]) -> np.ndarray[Any, Any]:
        found: np.ndarray[Any, Any] = net.eval()(batch).softmax(1).numpy()
        return found

    given = {"manifest": small_data, "out": tmp_path, "scenarios": ["D"]}
    logits = avtrain.evaluate(net, name="logits", **given)["D"]
    same = avtrain.evaluate(probabilities, name="probabilities", **given)["D"]
    assert same["confusion"] == logits["confusion"]
    assert same["calibration_error"] == pytest.approx(logits["calibration_error"], abs=1e-6)
    assert "outputs: probabilities" in (tmp_path / "probabilities" / "seed0" / "config.yaml").read_text()

    def sure(batch: dict[str, Tensor]) -> Tensor:  # zeros have no logarithm
        return torch.nn.functional.one_hot(torch.zeros(len(batch["image"]), dtype=torch.int64), 10).float()

    found = avtrain.evaluate(sure, name="sure", **given)["D"]
    assert found["reliability"][-1]["confidence"] == 1.0


def test_it_stands_in_the_report_beside_the_runs(net: Net, runs: Path, small_data: Path, tmp_path: Path) -> None:
    out = Path(shutil.copytree(runs, tmp_path / "runs"))
    for seed in (0, 1):
        results = avtrain.evaluate(net, small_data, name="my net", seed=seed, out=out, severities=[1, 5])
    assert set(scores(out / "my net" / "seed1")) == {
        "C",
        *(f"{s}{v}" for s in "AVD" for v in ("", "-severity1", "-severity5")),
    }
    avtrain_("report", out)
    lines = (out / "report.md").read_text().splitlines()
    # the table of accuracies is the first
    row = next(line for line in lines if line.startswith("| my net (outside model, trained on unknown data) |"))
    assert row.endswith("| 2 |")
    assert f"{100 * results.accuracy['D']:.1f} ± 0.0" in row
    page = (out / "report.html").read_text()
    assert "my net" in page
    (chart,) = page.split("Accuracy and trainable parameters")[1:]
    assert "my net" not in chart.split("</svg>")[0]  # how many parameters were trained is not known
    # eval of everything leaves it alone and says so; what needs a trained run refuses it
    assert "an outside model, not scored again" in avtrain_("eval", out, "--scenarios", "C")
    for command in (("eval", out / "my net"), ("export", out / "my net" / "seed0")):
        with pytest.raises(UserError, match="outside model"):
            avtrain_(*command)
    with pytest.raises(UserError, match="holds the scores of an outside model"):
        fit(small_data / "manifest.yaml", out, "--name", "my net")
    with pytest.raises(UserError, match="holds the scores of an outside model"):
        avtrain.load(out / "my net" / "seed0")


def test_no_fact_of_a_training_is_made_up(net: Net, small_data: Path, tmp_path: Path) -> None:
    results = avtrain.evaluate(net, small_data, name="net", scenarios="C,D", out=tmp_path)
    written = scores(tmp_path / "net" / "seed0")
    assert {path.name for path in (tmp_path / "net" / "seed0").iterdir()} == {"config.yaml", "env.json", "eval"}
    for found in written.values():
        assert (found["trainable_parameters"], found["ops_trained_on"]) == (None, None)
        assert (found["backbone"], found["train_on"], found["selected_on"]) == (
            "outside model",
            "unknown data",
            "unknown",
        )
    config = (tmp_path / "net" / "seed0" / "config.yaml").read_text()
    assert f"parameters: {sum(p.numel() for p in net.parameters())}" in config
    assert "source: tests.avtrain.evaluation.test_outside_model.Net" in config
    assert results.accuracy == {name: written[name]["accuracy"] for name in ("C", "D")}
    shown = repr(results).splitlines()
    assert shown[0] == f"net on urbansound8k-av ({tmp_path / 'net' / 'seed0'})"
    assert shown[2].split() == [
        "C",
        *(f"{results['C'][key]:.3f}" for key in ("accuracy", "macro_f1", "calibration_error")),
        str(results["C"]["n"]),
    ]
    assert json.loads(json.dumps(results.to_dict()))["scenarios"]["D"]["n"] == results["D"]["n"]


def test_a_second_call_replaces_and_a_failing_one_loses_nothing(net: Net, small_data: Path, tmp_path: Path) -> None:
    def call(model: Any, **more: Any) -> Any:
        return avtrain.evaluate(model, small_data, name="net", out=tmp_path, **more)

    call(net, scenarios="C,D")
    before = scores(tmp_path / "net" / "seed0")
    with pytest.raises(ZeroDivisionError):
        call(lambda _: 1 / 0)
    assert scores(tmp_path / "net" / "seed0") == before
    call(net, scenarios="A")
    assert set(scores(tmp_path / "net" / "seed0")) == {"A"}


def test_another_folder_is_never_written_into(net: Net, runs: Path, small_data: Path, tmp_path: Path) -> None:
    out = Path(shutil.copytree(runs, tmp_path / "runs"))
    (out / "notes").mkdir()
    (out / "notes" / "seed0").write_text("mine")
    for name in (FINETUNE, "notes"):
        with pytest.raises(UserError, match="holds something else than scores of an outside model"):
            avtrain.evaluate(net, small_data, name=name, out=out)
    assert not net.seen  # before anything was computed
    assert scores(out / FINETUNE / "seed0") == scores(runs / FINETUNE / "seed0")


WRONG_OUTPUTS = [
    (lambda n: torch.zeros(n, 9), r"returned the shape \[32, 9\]; expected logits or probabilities, \[32, 10\]"),
    (torch.zeros, r"returned the shape \[32\]"),
    (lambda n: torch.zeros(10, n), r"returned the shape \[10, 32\]"),
    (lambda n: torch.zeros(n, 10, dtype=torch.int64), "returned int64 values"),
    (lambda n: torch.full((n, 10), torch.nan), "returned NaN or infinite scores for 32 of 32 samples"),
    (lambda n: torch.full((n, 10), -torch.inf), "returned NaN or infinite scores"),
    (lambda n: torch.full((n, 10), torch.inf), "returned NaN or infinite scores"),
    (lambda n: [[0.0] * 10] * n, "returned a list; expected"),
    (lambda n: (torch.zeros(n, 10), None), "returned a tuple; expected"),
    (lambda _: None, "returned None; expected"),
]  # fmt: skip


@pytest.mark.parametrize(("output", "expected"), WRONG_OUTPUTS)
def test_what_is_no_score_is_explained(output: Any, expected: str, small_data: Path, tmp_path: Path) -> None:
    manifest = load_manifest(small_data / "manifest.yaml")
    with pytest.raises(UsageError, match=expected.replace("32", r"\d+")):
        avtrain.evaluate(lambda batch: output(len(batch["image"])), manifest, name="x", scenarios="C", out=tmp_path)
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"name": ""}, "name: ''; give a name"),
        ({"name": "../x"}, "name: '../x'; give a name"),
        ({"name": None}, "name: None"),
        ({"model": Net}, "is no model; .*make an object of it first"),
        ({"model": 3}, "model: 3 is no model"),
        ({"scenarios": "X"}, "no scenario X in .*it has C, A, V, D"),
        ({"scenarios": []}, r"scenarios: \[\]; give names or patterns"),
        ({"scenarios": [3]}, r"scenarios: \[3\]"),
        ({"severities": [0]}, "severities: 0; give a whole number from 1 to 5"),
        ({"severities": [True]}, "severities: True"),
        ({"batch_size": 0}, "batch_size: 0; give a whole number from 1"),
        ({"batch_size": 2.5}, "batch_size: 2.5"),
        ({"workers": -1}, "workers: -1"),
        ({"seed": "a"}, "seed: 'a'"),
        ({"manifest": "nowhere.yaml"}, "no such manifest"),
        ({"transform": {"smell": abs}}, "transform: no modality smell"),
    ],
)
def test_wrong_arguments_are_explained(
    net: Net, arguments: dict[str, Any], expected: str, small_data: Path, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=expected):
        avtrain.evaluate(**({"model": net, "manifest": small_data, "name": "x", "out": tmp_path} | arguments))
    assert not list(tmp_path.iterdir())


def test_a_scenario_on_features_is_named_before_anything_is_computed(
    net: Net, small_data: Path, tmp_path: Path
) -> None:
    poster = Scenario.model_validate({"preset": "poster-A"})
    manifest = load_manifest(small_data / "manifest.yaml")
    manifest = manifest.model_copy(update={"scenarios": manifest.scenarios | {"P": poster}})
    with pytest.raises(UsageError, match=r"scenario P of manifest .* only the methods of avtrain"):
        avtrain.evaluate(net, manifest, name="x", out=tmp_path)
    assert not net.seen
    assert set(avtrain.evaluate(net, manifest, name="x", scenarios="C,A", out=tmp_path).scenarios) == {"C", "A"}


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Write a module of the user's into the current folder; return its name."""
    name = f"models_{tmp_path.name.replace('-', '_')}"
    (tmp_path / f"{name}.py").write_text(
        "import torch\n"
        "class Net(torch.nn.Module):\n"
        "    def __init__(self): super().__init__(); self.w = torch.nn.Parameter(torch.eye(10)[0])\n"
        "    def forward(self, batch): return self.w.expand(len(batch['image']), 10)\n"
        "class Sized(Net):\n"
        "    def __init__(self, size): super().__init__()\n"
        "net, number = Net(), 3\n"
        "class box: inner = net\n"
        "def first(batch): return torch.eye(10)[:1].expand(len(batch['image']), 10)\n"
    )
    (tmp_path / f"{name}_broken.py").write_text("import not_installed_anywhere\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    return name


def test_eval_scores_a_model_by_name(module: str, small_data: Path, tmp_path: Path) -> None:
    manifest = small_data / "manifest.yaml"
    for named in ("net", "Net", "box.inner", "first"):
        printed = avtrain_("eval", "--model", f"{module}:{named}", manifest, "--scenarios", "C", "--severities", "1")
        assert printed.splitlines()[0].startswith(f"runs/{named}/seed0: C 0.")
        assert printed.splitlines()[1] == "next: avtrain report runs"
    accuracies = {
        path.parts[-4]: json.loads(path.read_text())["accuracy"] for path in tmp_path.glob("runs/*/seed0/eval/C.json")
    }
    assert set(accuracies) == {"net", "Net", "box.inner", "first"}
    assert len(set(accuracies.values())) == 1
    out = ("--name", "mine", "--out", tmp_path / "other", "--batch-size", 5)
    avtrain_("eval", "--model", f"{module}:net", small_data, "--scenarios", "D", *out)
    assert set(scores(tmp_path / "other" / "mine" / "seed0")) == {"D"}


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("--model", "net"), "--model net: write MODULE:NAME"),
        (("--model", "nowhere:net"), "no module nowhere in"),
        (("--model", "MODULE:nte"), 'has no nte; did you mean "net"'),
        (("--model", "MODULE:number"), "is 3; name a module of PyTorch"),
        (("--model", "MODULE:Sized"), "cannot be created without arguments"),
        (("--model", "MODULE_broken:net"), "needs not_installed_anywhere, which is not installed"),
        (("--model", "MODULE:net", "--manifest", "x.yaml"), "leave --manifest out"),
        (("--model", "MODULE:net", "again.yaml"), "give one manifest, not 2"),
        (("--model", "MODULE:net", "--precision", "bf16"), "your own model computes as it is written"),
        (("--name", "x"), "--name x: is for --model alone"),
        (("--batch-size", "3"), "--batch-size 3: is for --model alone"),
    ],
)
def test_a_model_that_is_not_found_is_explained(
    module: str, arguments: tuple[str, ...], expected: str, small_data: Path
) -> None:
    words = [word.replace("MODULE", module) for word in arguments]
    with pytest.raises(UsageError, match=expected):
        avtrain_("eval", small_data / "manifest.yaml", *words)
