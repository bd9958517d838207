"""eval beyond a run's own scenarios: severities, another manifest's corruptions, each way to infer."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from avbuild.errors import UsageError, UserError
from avbuild.scenarios.manifest import Manifest
from avbuild.scenarios.manifest_file import load_manifest
from avtrain.data.batch import Batch
from avtrain.evaluation.conditions import EvalRequest, conditions_to_test, manifest_under_test
from avtrain.methods.base import Prediction
from avtrain.methods.prompt.prompt import Prompt
from avtrain.runs.sealed import open_text, sealed_text
from tests.avtrain.training.test_fit import avtrain_, fit
from tests.support.changed_data import make_anew
from tests.support.commands import succeed
from tests.support.sealed import rewrite

FINETUNE, PROMPT = "urbansound8k-av-finetune-tiny/seed0", "urbansound8k-av-prompt-tiny/seed0"


@pytest.fixture(scope="module")
def trained(small_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """finetune and prompt, not yet evaluated; do not change it."""
    out = tmp_path_factory.mktemp("trained")
    for method in (("finetune",), ("prompt", "--set", "method.heads=2")):
        fit(small_data / "manifest.yaml", out, "--epochs", 1, "--method", *method)
    return out


@pytest.fixture
def runs(trained: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(trained, tmp_path / "runs"))


def scores(run: Path) -> dict[str, dict[str, Any]]:
    """All that was written, by file name without .json."""
    folder = run / "eval"
    return {
        str(path.relative_to(folder).with_suffix("")): json.loads(path.read_text()) for path in folder.rglob("*.json")
    }


def other_manifest(folder: Path, data: Path, scenarios: dict[str, Any], name: str = "weather") -> Path:
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump({"manifest": 1, "name": name, "dataset": str(data), "scenarios": scenarios}))
    return path


def test_a_run_is_not_scored_on_data_made_anew(small_data: Path, tmp_path: Path) -> None:
    data = Path(shutil.copytree(small_data, tmp_path / small_data.name))
    manifest, run = data / "manifest.yaml", tmp_path / "urbansound8k-av-finetune-tiny"
    fit(manifest, tmp_path, "--epochs", 1)
    avtrain_("eval", run)
    before = {path: path.read_bytes() for path in (data / "C").iterdir()}
    make_anew(data)
    with pytest.raises(UserError, match=r"trained on other rows than .* has now \(train and validation differ\)"):
        avtrain_("eval", run)
    with pytest.raises(UserError, match="trained on other rows than"):
        fit(manifest, tmp_path, "--epochs", 1)
    for path in data.glob("C/train-*"):
        path.unlink()
    with pytest.raises(UserError, match=r"\(validation differ"):
        avtrain_("eval", run)
    for path, content in before.items():
        path.write_bytes(content)
    avtrain_("eval", run)


def test_a_report_does_not_mix_what_was_scored_on_other_rows(runs: Path) -> None:
    for name in (FINETUNE, PROMPT):
        avtrain_("eval", runs / name, "--scenarios", "C")
    avtrain_("report", runs)
    file = runs / FINETUNE / "eval" / "C.json"
    changed = json.loads(file.read_text())
    assert changed["content"].keys() == {"test"}
    rewrite(file, content={"test": "another"})
    with pytest.raises(UserError, match=r"were scored on different data both called C .*rows, spec"):
        avtrain_("report", runs)


def test_the_bins_of_confidence_hold_every_sample_and_give_the_calibration_error(runs: Path) -> None:
    avtrain_("eval", runs / FINETUNE, "--scenarios", "D")
    found = scores(runs / FINETUNE)["D"]
    filled = [b for b in found["reliability"] if b["count"]]
    assert len(found["reliability"]) == 15
    assert sum(b["count"] for b in filled) == found["n"] > 0
    error = sum(b["count"] * abs(b["accuracy"] - b["confidence"]) for b in filled) / found["n"]
    assert found["calibration_error"] == pytest.approx(error)
    assert sum(b["count"] * b["accuracy"] for b in filled) == pytest.approx(found["accuracy"] * found["n"])
    assert found["trainable_parameters"] == json.loads((runs / FINETUNE / "result.json").read_text())[
        "trainable_parameters"
    ]  # fmt: skip


def test_severities_are_scenarios_of_their_own(runs: Path, small_data: Path) -> None:
    avtrain_("eval", runs, "--scenarios", "C,D", "--severities", "3,5")
    found = scores(runs / FINETUNE)
    assert set(found) == {"C", "D", "D-severity3", "D-severity5"}
    assert set(scores(runs / PROMPT)) == {f"{name}.{mode}" for name in found for mode in Prompt.inference_modes}
    assert {name: found[name]["severity"] for name in found} == {
        "C": 0, "D": None, "D-severity3": 3, "D-severity5": 5
    }  # fmt: skip
    assert found["D-severity5"]["base_scenario"] == "D"
    # D is written at severity 3: one from disk, the other computed, and the same
    for run, suffix in ((FINETUNE, ""), (PROMPT, ".oracle")):
        written, swept = (scores(runs / run)[f"{name}{suffix}"] for name in ("D", "D-severity3"))
        assert (written["computed"], swept["computed"]) == ("from disk", "on the fly")
        assert written["confusion"] == swept["confusion"]
        assert written["scenario_hash"] == swept["scenario_hash"]
    assert found["D-severity5"]["scenario_hash"] != found["D"]["scenario_hash"]


def test_a_severity_on_disk_is_read_and_scores_as_the_computed_one(
    runs: Path, small_data: Path, tmp_path: Path
) -> None:
    asked = ("eval", runs / FINETUNE, "--scenarios", "A", "--severities", "5")
    avtrain_(*asked)
    computed = scores(runs / FINETUNE)["A-severity5"]
    data = Path(shutil.copytree(small_data, tmp_path / "data"))
    succeed("corrupt", "--scenario", "A", "--severity", 5, "--data", data)
    config = runs / FINETUNE / "config.yaml"
    config.write_text(sealed_text(open_text(config.read_bytes(), "").replace(str(small_data), str(data))))
    avtrain_(*asked)
    read = scores(runs / FINETUNE)["A-severity5"]
    assert (computed["computed"], read["computed"]) == ("on the fly", "from disk")
    assert {**read, "computed": "", "digest": ""} == {**computed, "computed": "", "digest": ""}


def test_an_oracle_is_told_of_a_severity_what_it_learned(small_data: Path) -> None:
    own = load_manifest(small_data / "manifest.yaml")
    order = list(own.scenarios)
    for trial in conditions_to_test(own, EvalRequest(severities=(1, 5))):
        assert list(trial.manifest.scenarios).index(trial.name) == order.index(trial.base)
        assert set(trial.manifest.scenarios) - {trial.name} == set(order) - {trial.base}


def test_a_severity_the_manifest_has_itself_is_scored_once(small_data: Path) -> None:
    own = load_manifest(small_data / "manifest.yaml")
    strong = next(t for t in conditions_to_test(own, EvalRequest(("D",), (5,))) if t.severity)
    listed = own.model_copy(update={"scenarios": own.scenarios | {strong.name: strong.manifest.scenarios[strong.name]}})
    found = [(t.name, t.base, t.severity, t.listed) for t in conditions_to_test(listed, EvalRequest(("D*",), (1, 5)))]
    assert found == [
        ("D", "D", None, True), ("D-severity1", "D", 1, False), ("D-severity5", "D", 5, True)
    ]  # fmt: skip
    wrong = own.model_copy(update={"scenarios": own.scenarios | {strong.name: own.scenarios["A"]}})
    with pytest.raises(UsageError, match="its D-severity5 is not D at severity 5; give it another name"):
        conditions_to_test(wrong, EvalRequest(("D",), (5,)))


def test_corruptions_never_trained_on_are_scored_apart(runs: Path, small_data: Path, tmp_path: Path) -> None:
    own = yaml.safe_load((small_data / "manifest.yaml").read_text())["scenarios"]
    noisier = {"audio": {"any_of": ["gaussian_noise", "rain"], "severity": 5}}
    weather = other_manifest(
        tmp_path, small_data, {"C": {}, "D": own["D"], "A": noisier, "rain": {"preset": "rain", "severity": 4}}
    )
    printed = avtrain_("eval", runs, "--manifest", weather, "--severities", "1")
    found = scores(runs / FINETUNE)
    assert set(found) == {f"weather/{name}" for name in ("A", "A-severity1", "rain", "rain-severity1")}
    assert found["weather/rain"]["other_manifest"] == "weather"
    assert found["weather/rain"]["manifest"] == "urbansound8k-av"
    assert found["weather/rain"]["scenario_hash"] == load_manifest(weather).scenario_hash("rain")
    assert found["weather/rain"]["ops_trained_on"] == []
    assert found["weather/A"]["ops_trained_on"] == ["audio gaussian_noise"]
    # no oracle: there is no set of prompts for what was never trained on
    assert set(scores(runs / PROMPT)) == {f"{name}.{mode}" for name in found for mode in ("concat", "router")}
    assert "(router)" in printed
    avtrain_("eval", runs / FINETUNE)
    assert scores(runs / FINETUNE)["A"]["scenario_hash"] != found["weather/A"]["scenario_hash"]


def test_another_manifest_keeps_the_seeds_of_its_scenarios_and_not_its_split(small_data: Path) -> None:
    own = load_manifest(small_data / "manifest.yaml")
    written = own.as_yaml() | {"name": "other", "seed": 7, "split": {"protocol": "random70"}}
    other = Manifest.model_validate(written)
    tested = manifest_under_test(own, EvalRequest(manifest=other))
    assert (tested.seed, tested.split) == (own.seed, own.split)
    assert list(tested.scenarios) == ["A", "V", "D"]
    assert tested.scenario_hash("D") == other.scenario_hash("D") != own.scenario_hash("D")


@pytest.mark.parametrize(
    ("change", "asked", "expected"),
    [
        ({"dataset": "/elsewhere"}, (), "is on /elsewhere, but the run was trained on"),
        ({}, (), "the run's own manifest has all its scenarios; leave --manifest out"),
        (
            {"scenarios": {"rain": {"preset": "rain"}}},
            ("--scenarios", "D"),
            "no scenario D in manifest urban",
        ),
        ({"scenarios": {"P": {"smell": "missing"}}}, (), "no such modality"),
    ],
)
def test_a_manifest_that_tests_nothing_new_is_refused(
    runs: Path, small_data: Path, tmp_path: Path, change: dict[str, Any], asked: tuple[str, ...], expected: str
) -> None:
    path = tmp_path / "other.yaml"
    written = load_manifest(small_data / "manifest.yaml").as_yaml() | change
    path.write_text(yaml.safe_dump(written))
    with pytest.raises(UsageError, match=expected):
        avtrain_("eval", runs / FINETUNE, "--manifest", path, *asked)


@pytest.mark.parametrize("severities", ["0", "1,6", "strong"])
def test_a_severity_is_1_to_5(runs: Path, severities: str) -> None:
    with pytest.raises(UsageError, match="allowed are 1 to 5"):
        avtrain_("eval", runs, "--severities", severities)


def test_each_way_to_infer_is_scored_and_what_a_router_chose(
    runs: Path, small_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = {"A": [0.1, 0.6, 0.1, 0.2], "rain": [0.4, 0.3, 0.2, 0.1]}
    asked = "A"

    def forward(self: Prompt, batch: Batch) -> Prediction:
        right = torch.nn.functional.one_hot(batch.labels, 10) * 9.0
        wrong = right.roll(1, dims=1)
        choice = torch.tensor([weights[asked]] * len(batch)) if self.inference == "router" else None
        told = self.inference == "oracle" if self.forced_set is None else self.forced_set == 2
        return Prediction(right if told else wrong, choice=choice)

    monkeypatch.setattr(Prompt, "inference_modes", ("oracle", "concat", "router"))
    monkeypatch.setattr(Prompt, "forward", forward)
    printed = avtrain_("eval", runs / PROMPT, "--scenarios", "A")
    assert "A (oracle) 1.000" in printed
    asked = "rain"
    rain = other_manifest(tmp_path, small_data, {"rain": {"preset": "rain"}})
    avtrain_("eval", runs / PROMPT, "--manifest", rain)
    found = scores(runs / PROMPT)
    assert set(found) == {"A.oracle", "A.concat", "A.router", "weather/rain.concat", "weather/rain.router"}
    assert {name: each["accuracy"] for name, each in found.items() if name.startswith("A")} == {
        "A.oracle": 1.0, "A.concat": 0.0, "A.router": 0.0
    }  # fmt: skip
    assert all(each["inference"] == name.rsplit(".", 1)[1] for name, each in found.items())
    assert found["A.router"]["choice"] == pytest.approx(dict(zip("CAVD", weights["A"], strict=True)))
    assert found["weather/rain.router"]["choice"] == pytest.approx(dict(zip("CAVD", weights["rain"], strict=True)))
    assert found["A.oracle"]["choice"] is None
    assert found["A.oracle"]["swap"] == {"C": 0.0, "A": 0.0, "V": 1.0, "D": 0.0}  # the set with index 2 is always right
    assert found["A.router"]["router_accuracy"] == 1.0  # it gives the set of A most weight, for every sample
    assert "swap" not in found["A.router"]
    assert "router_accuracy" not in found["weather/rain.router"]  # whose scenario has no set
