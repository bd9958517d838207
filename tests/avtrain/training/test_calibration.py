"""Calibration as a user meets it: fitted on validation alone, the same in eval, predict and export, and abstention."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import Result
from PIL import Image
from scipy.special import softmax
from typer.testing import CliRunner

import avtrain
from avbuild.errors import UsageError, UserError
from avtrain.cli import app
from avtrain.data.dataset import MultimodalData
from avtrain.data.shards import read_rows
from avtrain.device import Machine
from avtrain.evaluation.calibration import KEY, Calibration, calibration_of
from avtrain.evaluation.predictions import read_predictions
from avtrain.inference.classifier import Classifier
from avtrain.inference.export import export_program, exported
from avtrain.inference.exportable import FeatureClassifier
from avtrain.inference.loaded_run import load_run, start_inference
from avtrain.inference.predictor import classify_batch
from avtrain.runs.folder import Run
from avtrain.training import loop
from tests.avtrain.training.test_fit import avtrain_, fit
from tests.support.sealed import rewrite
from tests.support.stopping import stopped_at_call

CPU = Machine(torch.device("cpu"))
FINETUNE, PROMPT = "urbansound8k-av-finetune-tiny/seed0", "urbansound8k-av-prompt-tiny/seed0"
TRAINING = ("--epochs", 6, "--lr", 0.003)  # better than chance, which no temperature could express
IMAGE = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def trained(small_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """finetune and prompt; do not change it."""
    out = tmp_path_factory.mktemp("calibrated")
    for method in (("finetune",), ("prompt", "--set", "method.heads=2")):
        fit(small_data / "manifest.yaml", out, *TRAINING, "--method", *method)
    return out


@pytest.fixture
def runs(trained: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(trained, tmp_path / "runs"))


@pytest.fixture
def old(runs: Path) -> Run:
    """A run as earlier versions wrote it."""
    rewrite(runs / FINETUNE / "result.json", **{KEY: None})
    return Run(runs / FINETUNE)


def calibration(run: Path) -> Calibration:
    found = calibration_of(Run(run))
    assert found is not None
    return found


def evaluation(run: Path, name: str) -> dict[str, Any]:
    return Run(run).read_json(f"eval/{name}.json")


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_every_training_ends_with_a_temperature_for_each_way_of_inference(trained: Path) -> None:
    found = {name: calibration(trained / name) for name in (FINETUNE, PROMPT)}
    assert [mode.inference for mode in found[FINETUNE].modes] == [None]
    assert [mode.inference for mode in found[PROMPT].modes] == ["oracle", "concat", "router"]
    assert len({mode.temperature for mode in found[PROMPT].modes}) == 3
    for each in found.values():
        assert (each.split, each.scenarios) == ("validation", ("C", "A", "V", "D"))
        assert each.samples > 0
    assert "set 0" in {signal.name for signal in found[PROMPT].modes[2].signals}


def test_scores_before_and_after_and_the_same_accuracy(runs: Path) -> None:
    run, found = runs / FINETUNE, {}
    for kind in ("none", "run", "condition"):
        avtrain_("eval", run, "--scenarios", "C,D", "--calibration", kind)
        found[kind] = {name: evaluation(run, name) for name in "CD"}
        predictions = read_predictions(run, found[kind]["D"])
        found[kind]["logits"] = predictions.logits
        assert (predictions.temperature is None) == (kind == "none")
    bare, run_kind = found["none"]["D"], found["run"]["D"]
    assert bare["uncalibrated"] is None
    assert bare["calibration"] == {"kind": "none", "temperature": 1.0}
    assert run_kind["calibration"] == {"kind": "run", "temperature": calibration(run).modes[0].temperature}
    assert run_kind["mean_temperature"] == pytest.approx(run_kind["calibration"]["temperature"])
    for kind in ("run", "condition"):
        after = found[kind]["D"]
        np.testing.assert_array_equal(found[kind]["logits"], found["none"]["logits"])
        assert (after["accuracy"], after["confusion"]) == (bare["accuracy"], bare["confusion"])
        for measure in ("calibration_error", "negative_log_likelihood", "brier_score", "reliability"):
            assert after["uncalibrated"][measure] == bare[measure]
            assert after[measure] != bare[measure]
    avtrain_("eval", run, "--scenarios", "C,D")
    assert evaluation(run, "D") == run_kind  # the default


def test_a_condition_has_the_lowest_loss_on_the_split_that_it_was_fitted_on(trained: Path, small_data: Path) -> None:
    loaded = load_run(trained / FINETUNE, CPU, "run")
    by_sample = load_run(trained / FINETUNE, CPU, "condition")
    manifest = loaded.config.manifest
    rows = read_rows(manifest, "validation")
    data = MultimodalData(rows, manifest, loaded.method.backbone.frontend, tuple(manifest.scenarios))
    losses = {}
    for each in (load_run(trained / FINETUNE, CPU, "none"), loaded, by_sample):
        kind = each.temperature.kind if each.temperature else "none"
        total = []
        for name in manifest.scenarios:
            batch = data.collate([data.under(name)[row] for row in range(len(data))])
            found = classify_batch(each, batch, name, CPU)
            total += [-np.log(o.probabilities[rows.classes[int(y)]]) for o, y in zip(found, batch.labels, strict=True)]
        losses[kind] = np.mean(total)
    assert losses["condition"] < losses["run"] < losses["none"]


@pytest.mark.parametrize("kind", ["run", "condition"])
@pytest.mark.parametrize("name", [FINETUNE, PROMPT])
def test_eval_predict_and_export_give_the_same_probabilities(runs: Path, name: str, kind: str) -> None:
    # cached features are rounded to 16 bits
    avtrain_("eval", runs / name, "--scenarios", "C", "--calibration", kind, "--no-cache")
    written = evaluation(runs / name, "C.router" if name == PROMPT else "C")
    predictions = read_predictions(runs / name, written)
    assert predictions.temperature is not None
    wanted = softmax(predictions.logits / predictions.temperature[:, None], axis=1)

    loaded = load_run(runs / name, CPU, kind)
    scenario = start_inference(loaded, None)
    rows = read_rows(loaded.config.manifest, "test")
    data = MultimodalData(rows, loaded.config.manifest, loaded.method.backbone.frontend, (scenario,))
    batch = data.collate([data[row] for row in range(len(data))])
    predicted = classify_batch(loaded, batch, scenario, CPU)
    for row, output in enumerate(predicted):
        assert output.temperature == pytest.approx(predictions.temperature[row], rel=1e-5)
        np.testing.assert_allclose([output.probabilities[c] for c in rows.classes], wanted[row], atol=1e-6)

    program = export_program(FeatureClassifier(loaded.method, loaded.temperature)).module()
    flags = {f"{m}_present": there for m, there in batch.present.items()}
    logits = program(**batch.inputs, **flags).detach().double()
    assert len({output.temperature for output in predicted}) == (1 if kind == "run" else len(data))
    np.testing.assert_allclose(logits.softmax(dim=1).numpy(), wanted, atol=1e-6)


def test_an_export_says_which_temperature_is_inside(trained: Path) -> None:
    value = calibration(trained / FINETUNE).modes[0].temperature
    for kind, temperature in (("run", value), ("none", 1.0)):
        description = exported(load_run(trained / FINETUNE, CPU, kind), frontend=False).description
        assert description["calibration"] == {"kind": kind, "temperature": temperature}


def test_a_run_of_an_earlier_version_says_so_and_can_be_calibrated(
    old: Run, trained: Path, small_data: Path, tmp_path: Path
) -> None:
    result = invoke("eval", old, "--scenarios", "C")
    advice = f"{old} has no temperature, so its probabilities are not calibrated; avtrain calibrate {old} fits one"
    assert result.stderr.replace("\n", " ").strip() == advice
    assert evaluation(old.folder, "C")["uncalibrated"] is None
    Image.fromarray(IMAGE).save(tmp_path / "a.png")
    predicted = invoke("predict", old, "--image", tmp_path / "a.png", "--json")
    assert predicted.stderr.replace("\n", " ").strip() == advice
    assert json.loads(predicted.stdout)["temperature"] == 1
    for command in ("eval", "export"):
        with pytest.raises(UserError, match=r"--calibration run: .* has no temperature"):
            avtrain_(command, old, "--calibration", "run")
    assert calibration_of(old) is None
    moved = Path(shutil.copytree(small_data, tmp_path / "moved"))
    for shard in moved.glob("*/test-*.parquet"):
        shard.unlink()  # the test split is not read
    printed = avtrain_("calibrate", old, "--data", moved)
    assert f"next: avtrain eval {old}" in printed.replace("\n", " ")
    fitted, at_once = calibration_of(old), calibration(trained / FINETUNE)
    assert fitted is not None
    assert fitted.modes[0].temperature == pytest.approx(at_once.modes[0].temperature, rel=1e-6)
    assert (fitted.scenarios, fitted.samples) == (at_once.scenarios, at_once.samples)
    assert old.read_json("result.json")["best_epoch"] == Run(trained / FINETUNE).read_json("result.json")["best_epoch"]


def test_a_stopped_training_ends_with_the_same_temperatures(small_data: Path, trained: Path, tmp_path: Path) -> None:
    with stopped_at_call(1, loop, "calibrate_trained"):
        fit(small_data / "manifest.yaml", tmp_path, *TRAINING)
    assert not (tmp_path / FINETUNE / "result.json").exists()
    fit(small_data / "manifest.yaml", tmp_path, *TRAINING)
    assert calibration(tmp_path / FINETUNE) == calibration(trained / FINETUNE)


def test_the_temperature_is_that_of_the_best_epoch(small_data: Path, tmp_path: Path) -> None:
    """The last epoch of a much too high rate is not the best one; its weights are not those that are calibrated."""
    run = fit(small_data / "manifest.yaml", tmp_path, "--epochs", 4, "--lr", 0.02) / FINETUNE
    assert json.loads((run / "result.json").read_text())["best_epoch"] < 4
    at_once = calibration(run).modes[0].temperature
    avtrain_("calibrate", run)
    assert calibration(run).modes[0].temperature == pytest.approx(at_once, rel=1e-6)


def test_a_run_selected_on_test_gets_its_temperature_from_validation_or_none(small_data: Path, tmp_path: Path) -> None:
    manifest, suffix = small_data / "manifest.yaml", "-selected-on-test"
    run = fit(manifest, tmp_path, "--epochs", 1, "--select-on-test") / f"urbansound8k-av-finetune-tiny{suffix}/seed0"
    assert calibration_of(Run(run)) is None
    avtrain_("calibrate", run)
    assert calibration(run).split == "validation"
    both = ("--select-on-test", "--set", "train_split=train+validation", "--name", "both")
    seen = fit(manifest, tmp_path, "--epochs", 1, *both)
    with pytest.raises(UserError, match="was trained on its validation split too"):
        avtrain_("calibrate", next(seen.glob("both*/seed0")))


@pytest.mark.parametrize("wrong", [{"modes": 3}, {"modes": [{"inference": None, "temperature": -1.0}]}, 7])
def test_a_temperature_that_is_none_is_damage(runs: Path, wrong: object) -> None:
    content = calibration(runs / FINETUNE).model_dump(mode="json")
    rewrite(runs / FINETUNE / "result.json", **{KEY: {**content, **wrong} if isinstance(wrong, dict) else wrong})
    with pytest.raises(UserError, match=r"result.json: damaged: calibration.*avtrain calibrate .* writes it anew"):
        avtrain_("eval", runs / FINETUNE)


def test_an_unknown_kind_is_answered_with_those_there_are(runs: Path) -> None:
    for command in ("eval", "export"):
        with pytest.raises(UsageError, match="--calibration isotonic: allowed are none, run, condition"):
            avtrain_(command, runs / FINETUNE, "--calibration", "isotonic")
    with pytest.raises(UsageError, match="your own model has no temperature"):
        avtrain_("eval", "x.yaml", "--model", "m:n", "--calibration", "run")


@pytest.fixture(scope="module")
def classifier(trained: Path) -> Classifier:
    return avtrain.load(trained / FINETUNE)


def test_a_model_abstains_below_a_probability(classifier: Classifier) -> None:
    sure = classifier(image=IMAGE)
    assert (sure.abstained, sure.label) == (False, sure.predicted)
    assert sure.probability == max(sure.probabilities.values())
    at, above = (classifier(image=IMAGE, abstain_below=p) for p in (sure.probability, sure.probability + 1e-9))
    assert (at.abstained, at.label) == (False, sure.predicted)
    assert (above.abstained, above.label, above.predicted) == (True, "", sure.predicted)
    assert above.probabilities == sure.probabilities
    assert not classifier(image=IMAGE, abstain_below=0).abstained
    assert classifier(image=IMAGE, abstain_below=1).abstained
    assert [o.abstained for o in classifier.batch([{"image": IMAGE}], abstain_below=1)] == [True]


@pytest.mark.parametrize("wrong", [-0.01, 1.01, float("nan"), float("inf"), "0.5", True, None])
def test_a_probability_is_from_0_to_1(classifier: Classifier, wrong: Any) -> None:
    with pytest.raises(UsageError, match=r"abstain_below .*: give a probability from 0 to 1"):
        classifier(image=IMAGE, abstain_below=wrong)


def test_abstention_on_the_command_line(trained: Path, tmp_path: Path) -> None:
    Image.fromarray(IMAGE).save(tmp_path / "a.png")
    arguments = ("predict", trained / FINETUNE, "--image", tmp_path / "a.png")
    said = [json.loads(avtrain_(*arguments, "--json", "--abstain-below", p)) for p in (0, 1)]
    assert [each["abstained"] for each in said] == [False, True]
    assert (said[0]["label"], said[1]["label"]) == (said[0]["predicted"], "")
    assert said[1]["probability"] == said[1]["probabilities"][said[1]["predicted"]]
    last = [avtrain_(*arguments, "--abstain-below", p).splitlines()[-1] for p in (0, 1)]
    assert last[0].startswith(f"0 of 1 abstained, label: {said[0]['predicted']}")
    assert last[1].startswith("1 of 1 abstained, no label: ")
    assert "abstained" not in avtrain_(*arguments)
    bare = json.loads(avtrain_(*arguments, "--json", "--calibration", "none"))
    assert bare["temperature"] == 1
    assert said[0]["temperature"] == pytest.approx(calibration(trained / FINETUNE).modes[0].temperature)
    with pytest.raises(UsageError, match=r"--abstain-below 1\.5: give a probability from 0 to 1"):
        avtrain_(*arguments, "--abstain-below", 1.5)
