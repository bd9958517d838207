"""fit, eval, report as a user runs them: selection on validation alone, exact resume, honest tables."""

import json
import shutil
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from typer.testing import CliRunner

from avbuild.errors import UserError
from avtrain.cli import app
from avtrain.methods.finetune import Finetune
from tests.support.changed_data import make_anew
from tests.support.sealed import rewrite
from tests.support.stopping import stopped_at_call, stopped_in

TINY = ("--backbone", "tiny", "--epochs", "3", "--batch-size", "32", "--lr", "0.002")
SMALL = [f"--set=backbone.{key}={value}" for key, value in
         {"width": 24, "layers": 1, "heads": 2, "image_size": 16, "audio_seconds": 0.5}.items()]  # fmt: skip


def avtrain_(*arguments: object) -> str:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if result.exception is not None and result.exit_code:
        raise result.exception
    return result.stdout


def fit(manifest: Path, out: Path, *more: object) -> Path:
    avtrain_("fit", manifest, *TINY, *SMALL, "--out", out, *more)
    return out


@pytest.fixture(scope="module")
def manifest(small_data: Path) -> Path:
    return small_data / "manifest.yaml"


@pytest.fixture(scope="module")
def runs(manifest: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """finetune with two seeds and prompt with one, evaluated; do not change it."""
    out = fit(manifest, tmp_path_factory.mktemp("runs"), "--seeds", "0,1")
    backbone = out / "urbansound8k-av-finetune-tiny"
    fit(manifest, out, "--method", "prompt", "--set", "method.heads=2", "--init-from", backbone)
    avtrain_("eval", out)
    return out


def weights(run: Path) -> dict[str, torch.Tensor]:
    return load_file(run / "model.safetensors")


def test_a_run_folder_holds_all_that_is_needed(runs: Path) -> None:
    run = runs / "urbansound8k-av-finetune-tiny" / "seed0"
    names = {path.name for path in run.iterdir()}
    files = {"config.yaml", "env.json", "metrics.jsonl", "model.safetensors", "result.json"}
    assert names == files | {"eval", "tensorboard"}
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert [line["epoch"] for line in lines] == [1, 2, 3]
    best = max(lines, key=lambda line: line["mean"])
    assert json.loads((run / "result.json").read_text())["best_epoch"] == best["epoch"]
    assert set(lines[0]["selection"]) == {"C", "A", "V", "D"}


def test_the_prompts_start_from_the_other_runs_backbone(runs: Path) -> None:
    source = weights(runs / "urbansound8k-av-finetune-tiny" / "seed0")
    prompted = weights(runs / "urbansound8k-av-prompt-tiny" / "seed0")
    shared = [key for key in prompted if key.startswith("backbone.")]
    assert shared
    assert all(torch.equal(source[key], prompted[key]) for key in shared)


def test_the_same_seed_gives_the_same_weights_and_another_does_not(runs: Path, manifest: Path, tmp_path: Path) -> None:
    again = fit(manifest, tmp_path)
    first = weights(runs / "urbansound8k-av-finetune-tiny" / "seed0")
    second = weights(again / "urbansound8k-av-finetune-tiny" / "seed0")
    other = weights(runs / "urbansound8k-av-finetune-tiny" / "seed1")
    assert all(torch.equal(first[key], second[key]) for key in first)
    assert not all(torch.equal(first[key], other[key]) for key in first)


@pytest.mark.parametrize("stopped", [stopped_at_call(5, Finetune, "training_step"), stopped_in(epoch=2, saved=False)])
def test_stopped_and_resumed_it_ends_with_the_same_weights(
    runs: Path, manifest: Path, tmp_path: Path, stopped: AbstractContextManager[None]
) -> None:
    with stopped:  # in the second epoch, or between its end and the saving of its state
        fit(manifest, tmp_path)
    folder = tmp_path / "urbansound8k-av-finetune-tiny"
    with pytest.raises(UserError, match="not finished"):
        avtrain_("eval", folder)
    fit(manifest, tmp_path)
    whole, resumed = runs / "urbansound8k-av-finetune-tiny" / "seed0", folder / "seed0"
    first, second = weights(whole), weights(resumed)
    assert all(torch.equal(first[key], second[key]) for key in first)

    def without_times(run: Path) -> list[dict[str, object]]:
        lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
        return [{key: value for key, value in line.items() if key not in ("seconds", "digest")} for line in lines]

    assert without_times(whole) == without_times(resumed)


def test_fit_never_opens_the_test_split(small_data: Path, runs: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(small_data, tmp_path / small_data.name))
    for shard in folder.glob("*/test-*.parquet"):
        shard.unlink()
    out = fit(folder / "manifest.yaml", tmp_path / "runs")
    run = "urbansound8k-av-finetune-tiny/seed0"
    first, second = weights(runs / run), weights(out / run)
    assert all(torch.equal(first[key], second[key]) for key in first)
    with pytest.raises(UserError, match="has no test split"):
        avtrain_("eval", out)


def test_an_evaluation_says_what_it_measured(runs: Path) -> None:
    run = runs / "urbansound8k-av-prompt-tiny" / "seed0"
    found = {name: json.loads((run / "eval" / f"{name}.oracle.json").read_text()) for name in "CAVD"}
    d = found["D"]
    assert d["n"] == sum(map(sum, d["confusion"])) > 0
    assert d["accuracy"] == pytest.approx(sum(d["confusion"][i][i] for i in range(10)) / d["n"])
    assert (d["computed"], found["A"]["computed"], found["C"]["computed"]) == ("from disk", "on the fly", "from disk")
    assert d["inference"] == "oracle"
    assert d["leaky"] is False
    assert d["missing_rate"] == {"audio": 0.0, "image": 0.0}
    other = json.loads((runs / "urbansound8k-av-finetune-tiny" / "seed0" / "eval" / "D.json").read_text())
    assert set(other["per_modality"]) == {"audio", "image"}
    assert other["inference"] is None


def test_scenarios_are_chosen_by_pattern(runs: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(runs, tmp_path / "runs"))
    shutil.rmtree(copy / "urbansound8k-av-prompt-tiny" / "seed0" / "eval")
    printed = avtrain_("eval", copy / "urbansound8k-av-prompt-tiny", "--scenarios", "D*,C")
    assert " C " in printed
    names = {path.name for path in (copy / "urbansound8k-av-prompt-tiny" / "seed0" / "eval").iterdir()}
    modes = ("oracle", "concat", "router")
    kinds = ("json", "predictions.parquet")
    assert names == {f"{scenario}.{mode}.{kind}" for scenario in "CD" for mode in modes for kind in kinds}
    with pytest.raises(UserError, match="no scenario X in this run's manifest; it has C, A, V, D"):
        avtrain_("eval", copy, "--scenarios", "X")


def test_the_report_gives_mean_deviation_and_n(runs: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(runs, tmp_path / "runs"))
    printed = avtrain_("report", copy)
    scores = [
        json.loads((copy / "urbansound8k-av-finetune-tiny" / f"seed{seed}" / "eval" / "C.json").read_text())["accuracy"]
        for seed in (0, 1)
    ]
    mean, std = 50 * sum(scores), 100 * abs(scores[0] - scores[1]) / 2**0.5
    markdown = (copy / "report.md").read_text()
    assert f"{mean:.1f} ± {std:.1f}" in markdown
    finetune = next(line for line in markdown.splitlines() if line.startswith("| finetune"))
    accuracies, _, _ = markdown.partition("#### ")  # what modalities contribute comes behind
    prompts = [line for line in accuracies.splitlines() if line.startswith("| prompt")]
    prompt = next(line for line in prompts if "oracle" in line)
    assert finetune.endswith("| 2 |")
    assert prompt.endswith("| 1 |")
    assert "±" not in prompt
    assert len(prompts) == 3
    assert "trained on scenarios" in prompt
    assert (copy / "report.png").read_bytes().startswith(b"\x89PNG")
    assert len((copy / "report.csv").read_text().splitlines()) == 1 + 4 * 5
    assert "report.md" in printed


def test_a_leaky_split_is_labelled_in_the_table(small_data: Path, tmp_path: Path) -> None:
    path = tmp_path / "leaky.yaml"
    text = (small_data / "manifest.yaml").read_text().replace("dataset: .", f"dataset: {small_data}")
    path.write_text(text.replace("protocol: default", "protocol: random70"))
    out = fit(path, tmp_path / "runs", "--epochs", 1)
    assert "(leaky split)" in avtrain_("eval", out)
    assert "(leaky split)" in avtrain_("report", out)
    assert "(leaky split)" in (out / "report.md").read_text()


def test_results_on_different_data_are_not_put_side_by_side(runs: Path, manifest: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(runs, tmp_path / "runs"))
    path = copy / "urbansound8k-av-prompt-tiny" / "seed0" / "eval" / "D.oracle.json"
    rewrite(path, scenario_hash="0")
    with pytest.raises(UserError, match="were scored on different data both called D"):
        avtrain_("report", copy)


def test_another_configuration_in_a_run_folder_is_refused(runs: Path, manifest: Path) -> None:
    with pytest.raises(UserError, match=r"batch_size: 32 there, 16 asked for"):
        fit(manifest, runs, "--batch-size", 16)
    with pytest.raises(UserError, match="holds a run already"):
        fit(manifest, runs, "--resume", "never")


def test_training_on_clean_data_says_so(manifest: Path, tmp_path: Path) -> None:
    out = fit(manifest, tmp_path, "--train-on", "clean", "--epochs", 1)
    run = out / "urbansound8k-av-finetune-tiny-clean" / "seed0"
    assert list(json.loads((run / "metrics.jsonl").read_text())["selection"]) == ["C"]
    avtrain_("eval", out)
    assert "trained on clean" in avtrain_("report", out).replace("\n", " ") + (out / "report.md").read_text()


def test_another_method_starts_from_what_lora_made_of_the_backbone(manifest: Path, tmp_path: Path) -> None:
    fit(manifest, tmp_path, "--method", "lora", "--set", "epochs=1", "--set", "method.alpha=4")
    source = tmp_path / "urbansound8k-av-lora-tiny"
    fit(manifest, tmp_path, "--method", "linear-probe", "--set", "epochs=1", "--init-from", source)
    before = weights(source / "seed0")
    after = weights(tmp_path / "urbansound8k-av-linear-probe-tiny" / "seed0")
    place = "backbone.audio_encoder.layers.0.self_attn.v_proj"
    update = before[f"{place}.lora_B.default.weight"] @ before[f"{place}.lora_A.default.weight"]
    assert update.abs().max() > 0
    expected = before[f"{place}.base_layer.weight"] + 4 / 8 * update
    torch.testing.assert_close(after[f"{place}.weight"], expected)


def test_prompts_start_from_a_backbone_with_its_adapters(manifest: Path, tmp_path: Path) -> None:
    fit(manifest, tmp_path, "--method", "adapter", "--set", "epochs=1")
    source = tmp_path / "urbansound8k-av-adapter-tiny"
    fit(manifest, tmp_path, "--method", "prompt", "--set", "method.heads=2", "--epochs", 1, "--init-from", source)
    prompt = tmp_path / "urbansound8k-av-prompt-tiny"
    before, after = weights(source / "seed0"), weights(prompt / "seed0")
    adapters = [key for key in before if ".adapters." in key]
    assert adapters
    assert all(torch.equal(after[key], before[key]) for key in adapters)
    shutil.rmtree(source)  # a run stands alone
    avtrain_("eval", prompt)


def test_a_stopped_run_does_not_go_on_when_what_it_stands_on_has_changed(manifest: Path, tmp_path: Path) -> None:
    source = tmp_path / "urbansound8k-av-finetune-tiny"
    prompt = ("--method", "prompt", "--set", "method.heads=2", "--epochs", 2, "--init-from", source)
    fit(manifest, tmp_path, "--epochs", 1)
    with stopped_in(epoch=1):
        fit(manifest, tmp_path, *prompt)
    before = (source / "seed0" / "model.safetensors").read_bytes()
    fit(manifest, tmp_path, "--epochs", 1, "--lr", "1e-4", "--resume", "restart")
    with pytest.raises(UserError, match=r"frozen weights changed since .* the run of --init-from"):
        fit(manifest, tmp_path, *prompt)
    (source / "seed0" / "model.safetensors").write_bytes(before)
    fit(manifest, tmp_path, *prompt)
    assert (tmp_path / "urbansound8k-av-prompt-tiny" / "seed0" / "result.json").exists()


def test_a_stopped_run_does_not_go_on_when_its_data_were_made_anew(small_data: Path, tmp_path: Path) -> None:
    data = Path(shutil.copytree(small_data, tmp_path / small_data.name))
    with stopped_in(epoch=1):
        fit(data / "manifest.yaml", tmp_path)
    make_anew(data)
    with pytest.raises(UserError, match="train data and validation data changed since this run was begun"):
        fit(data / "manifest.yaml", tmp_path)
    fit(data / "manifest.yaml", tmp_path, "--resume", "restart")


@pytest.mark.parametrize("method", ["adapter", "map", "lora", "spiking"])
def test_a_frozen_method_is_evaluated_as_it_was_trained(manifest: Path, tmp_path: Path, method: str) -> None:
    from avtrain.data.dataset import MultimodalData
    from avtrain.data.shards import read_rows
    from avtrain.device import Machine
    from avtrain.evaluation.evaluate import load_method
    from avtrain.runs.folder import Run
    from avtrain.training.selection import score_selection

    fit(manifest, tmp_path, "--method", method, "--set", "epochs=1")
    run = Run(tmp_path / f"urbansound8k-av-{method}-tiny" / "seed0")
    config, rows = run.config(), read_rows(run.config().manifest, "validation")
    loaded = load_method(run, config, len(rows.classes), Machine(torch.device("cpu")))
    data = MultimodalData(rows, config.manifest, loaded.backbone.frontend, ("C",))
    scores, _ = score_selection(loaded, data, ("C",), config.fit, Machine(torch.device("cpu")), lambda *_: None)
    assert scores["C"] == run.metrics()[0]["selection"]["C"]
    avtrain_("eval", tmp_path)
    assert {e["scenario"] for e in run.evaluations()} == set(config.manifest.scenarios)
