"""Reproduction of *Prompt the Missing*: every run is planned, made once, scored and compared."""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from avbuild.errors import UserError
from avbuild.scenarios.manifest_file import load_manifest
from avbuild.scenarios.presets import SCENARIO_SETS
from avtrain.reproduction.plan import make_plan
from avtrain.reproduction.prompt_the_missing.published import EFFICIENCY, PROMPT
from avtrain.reproduction.prompt_the_missing.report import is_fair, setting_of
from avtrain.reproduction.prompt_the_missing.systems import (
    ALSO_CLEAN,
    EVERY,
    METHODS,
    SYSTEMS,
    choose_systems,
    with_preset,
)
from avtrain.reproduction.prompt_the_missing.verdicts import PromptSetting
from avtrain.reproduction.run import builds
from tests.avtrain.training.test_fit import SMALL, avtrain_
from tests.support.sealed import rewrite


@pytest.fixture(scope="module")
def manifest(small_data: Path) -> Path:
    return small_data / "manifest.yaml"


def reproduce(manifest: Path, out: Path, *more: object) -> str:
    where = ["--backbone", "tiny", "--out", out, "--cache", out / "features", "--device", "cpu"]
    return avtrain_("reproduce", "poster", manifest, *where, *SMALL, *more)


POSTER = ("--preset", "poster", "--methods", "prompt,finetune", "--seeds", "0", "--epochs-scale", "0.02")


@pytest.fixture(scope="module")
def done(manifest: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run finetune and prompt with the published noise for one epoch each.  Tests leave the folder unchanged."""
    out = tmp_path_factory.mktemp("reproduced")
    (out / "settings.yaml").write_text("prompt: {method_options: {heads: 2}}")
    reproduce(manifest, out, *POSTER, "--settings", out / "settings.yaml")
    return out


def written(out: Path) -> dict[Path, int]:
    """Return the files of all scores and weights, with the time each was written."""
    files = [*out.rglob("eval/*.json"), *out.rglob("model.safetensors")]
    return {path: path.stat().st_mtime_ns for path in files}


def test_everything_is_scored_and_judged(done: Path) -> None:
    found = json.loads((done / "poster.json").read_text())
    (part,) = found["manifests"]
    rows = {(row["name"], row["inference"]): row for row in part["accuracy"]}
    prompts = {
        (name, mode) for name in ("prompt", PROMPT, "prompt-from-adapter") for mode in ("oracle", "concat", "router")
    }
    assert set(rows) == {("finetune-clean", None), ("finetune", None), ("adapter", None), *prompts}
    for (name, mode), row in rows.items():
        run = done / "runs" / f"urbansound8k-av-poster-{name}" / "seed0"
        for scenario in "CAVD":
            file = run / "eval" / f"{scenario}{f'.{mode}' if mode else ''}.json"
            assert row["scenarios"][scenario]["values"] == [json.loads(file.read_text())["accuracy"]]
    judged = part["published_accuracy"]
    assert {row["claim"]["value"] for row in judged} >= {0.87, 0.76, 0.71, 0.69, 0.94}
    assert not {row["claim"]["value"] for row in judged} & {0.74}, "claims on CIFAR10-AV are not shown for other data"
    for row in judged:
        assert row["word"] == ("not comparable" if row["measured"] else "not run")
    assert found["verdicts"] == {"reproduced": 0, "not reproduced": 0, "not comparable": 24, "not run": 32}
    assert all("other backbone: tiny, not CAV-MAE" in row["why"] for row in judged)
    assert part["cost"]["prompt"]["trainable"] < part["cost"]["prompt"]["parameters"]
    assert part["cost"]["finetune"]["peak_memory"] > 0


def test_the_page_names_training_data_and_what_is_not_known(done: Path) -> None:
    page = (done / "poster.md").read_text()
    assert "| finetune-clean | clean |" in page
    assert "| prompt-from-finetune | scenarios, from finetune-clean | oracle (true scenario given) |" in page
    published = [line for line in page.splitlines() if line.startswith("| *published: CAV-MAE, UrbanSound8K-AV")]
    assert re.search(r"\| \*99\* \| \*69\* \| \*83\* \| \*71\* \| \*80\* \|", published[0])
    assert "D is not A and V together" in page
    for claim in EFFICIENCY:
        assert claim.says in page
    rows = [line for line in page.splitlines() if line.startswith("|")]
    heads = [index for index, line in enumerate(rows) if line.startswith("| ---")]
    for start, stop in zip(heads, [*[h - 1 for h in heads[1:]], len(rows)], strict=True):
        assert {line.count("|") for line in rows[start - 1 : stop]} == {rows[start].count("|")}


def test_prompts_start_from_the_final_weights_of_their_source(done: Path) -> None:
    from safetensors.torch import load_file

    def backbone(name: str) -> dict[str, Any]:
        weights = load_file(done / "runs" / f"urbansound8k-av-poster-{name}" / "seed0" / "model.safetensors")
        return {key: value for key, value in weights.items() if key.startswith("backbone.")}

    for source, started in (("finetune-clean", PROMPT), ("adapter", "prompt-from-adapter")):
        before, after, fresh = backbone(source), backbone(started), backbone("prompt")
        assert after.keys() == before.keys()
        assert all(value.equal(before[key]) for key, value in after.items())
        assert not all(key in fresh and value.equal(fresh[key]) for key, value in before.items())


def test_the_published_noise_replaces_the_scenarios_of_the_manifest(done: Path, manifest: Path) -> None:
    config = yaml.safe_load((done / "runs" / "urbansound8k-av-poster-finetune" / "seed0" / "config.yaml").read_text())
    replaced = with_preset(load_manifest(manifest), "poster")
    assert config["manifest"]["scenarios"] == replaced.as_yaml()["scenarios"]
    ops = {op.name for name in "AVD" for op in replaced.scenarios[name].ops}
    assert {"feature_gaussian_noise", "feature_blank"} <= ops
    assert set(replaced.scenarios) == set(SCENARIO_SETS["poster"])


def test_d_is_weaker_than_a_and_v_only_in_the_published_protocol(manifest: Path) -> None:
    loaded = load_manifest(manifest)
    assert [is_fair(with_preset(loaded, preset)) for preset in ("fair", "poster-fixed", "poster")] == [
        True,
        True,
        False,
    ]


def test_finished_files_are_kept_and_deleted_ones_are_made_again(done: Path, manifest: Path) -> None:
    before = written(done)
    again = ("--settings", done / "settings.yaml")
    page = (done / "poster.md").read_text()
    assert reproduce(manifest, done, *POSTER, *again).count("finished already") == 6
    assert written(done) == before
    assert (done / "poster.md").read_text() == page
    lost = done / "runs" / "urbansound8k-av-poster-prompt" / "seed0" / "eval" / "D.router.json"
    content = lost.read_text()
    lost.unlink()
    reproduce(manifest, done, *POSTER, *again)
    assert lost.read_text() == content
    rewrite(lost, scenario_hash="0")  # as of another version of an op
    reproduce(manifest, done, *POSTER, *again)
    assert lost.read_text() == content


class TestPlan:
    def test_a_dry_run_lists_the_runs_and_makes_none(self, manifest: Path, tmp_path: Path) -> None:
        out = tmp_path / "out"
        said = reproduce(manifest, out, "--dry-run", "--seeds", "0,1,2")
        assert "30 runs; nothing was made" in said
        assert len(re.findall(r"seed[012]: ", said)) == 30
        assert "finetune on clean, 10 epochs, lr 0.0001" in said
        assert (
            f"prompt on scenarios, 20 epochs, lr 0.001, from {out / 'runs' / 'urbansound8k-av-finetune-clean'}" in said
        )
        assert not out.exists()

    def test_settings_are_for_a_method_or_one_of_its_systems(self, manifest: Path, tmp_path: Path) -> None:
        settings = tmp_path / "settings.yaml"
        settings.write_text("finetune: {lr: 2e-5, epochs: 8}\nfinetune-clean: {lr: 3e-5}\n")
        asked = ("--methods", "finetune", "--seeds", "0", "--settings", settings, "--epochs-scale", "0.5")
        said = reproduce(manifest, tmp_path, "--dry-run", *asked)
        assert "finetune on clean, 4 epochs, lr 3e-05" in said
        assert "finetune on scenarios, 4 epochs, lr 2e-05" in said

    def test_a_chosen_system_is_planned_after_the_one_it_starts_from(self) -> None:
        for methods, regimes in (("prompt", "scenarios"), ("all", "both"), ("lora,prompt", "both")):
            names = [system.name for system in choose_systems(methods, regimes)]
            assert names.index("finetune-clean") < names.index(PROMPT)
            assert len(set(names)) == len(names)

    def test_both_regimes_are_for_every_method(self) -> None:
        chosen = choose_systems("all", "both")
        assert set(chosen) == {*SYSTEMS, *ALSO_CLEAN}
        for method in METHODS:
            assert {s.train_on for s in chosen if s.method == method} == {"clean", "scenarios"}

    @pytest.mark.parametrize(
        ("arguments", "expected"),
        [
            (("--preset", "postr"), 'did you mean "poster"'),
            (("--methods", "promt"), 'did you mean "prompt"'),
            (("--regimes", "clean"), "allowed are scenarios, both"),
            (("--epochs-scale", "0"), "must be above 0"),
            (("--seeds", "0,0"), "different whole numbers"),
            (("--settings", "nowhere.yaml"), "no such file"),
            (("--set", "train_on=clean"), "train_on cannot be set"),
            (("--set", "method.length=4"), "length: unknown option"),
            (("--resume", "maybe"), "allowed are auto, restart, never"),
        ],
    )
    def test_a_wrong_option_is_explained(
        self, manifest: Path, tmp_path: Path, arguments: tuple[str, ...], expected: str
    ) -> None:
        with pytest.raises(UserError, match=expected) as caught:
            reproduce(manifest, tmp_path / "out", *arguments)
        assert caught.value.exit_code == 2
        assert not (tmp_path / "out").exists()

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("promt: {lr: 1}", 'did you mean "prompt"'),
            ("prompt: {lrr: 1}", 'did you mean "lr"'),
            ("prompt: {backbone: tiny}", "backbone cannot be set"),
            ("prompt: {method: {length: 1}}", "method cannot be set"),
            ("- prompt", "write  METHOD"),
            ("prompt: {", "not YAML"),
        ],
    )
    def test_wrong_settings_are_explained(self, manifest: Path, tmp_path: Path, text: str, expected: str) -> None:
        (tmp_path / "settings.yaml").write_text(text)
        with pytest.raises(UserError, match=expected):
            reproduce(manifest, tmp_path / "out", "--settings", tmp_path / "settings.yaml", "--dry-run")

    def test_clean_training_needs_a_clean_scenario(self, small_data: Path, tmp_path: Path) -> None:
        noisy = {"manifest": 1, "name": "noisy", "dataset": str(small_data), "scenarios": {"A": {"audio": "missing"}}}
        (tmp_path / "noisy.yaml").write_text(yaml.safe_dump(noisy))
        with pytest.raises(UserError, match="needs a scenario without plans"):
            reproduce(tmp_path / "noisy.yaml", tmp_path / "out", "--dry-run")
        assert "30 runs" in reproduce(tmp_path / "noisy.yaml", tmp_path / "out", "--dry-run", "--preset", "poster")

    def test_the_setting_is_read_from_the_plan_and_the_data(self, manifest: Path, tmp_path: Path) -> None:
        def whole(options: dict[str, Any], preset: str = "fair", scale: float = 1.0) -> PromptSetting:
            tested = [with_preset(load_manifest(manifest), preset)]
            plan = make_plan(tested, SYSTEMS, [0], options, {}, tmp_path, known=EVERY, epochs_scale=scale)
            return setting_of(plan, plan.manifests[0], builds(plan)[0], preset)

        def setting(options: dict[str, Any], preset: str = "fair", scale: float = 1.0) -> PromptSetting:
            return replace(whole(options, preset, scale), differences=())

        tiny = PromptSetting("urbansound8k-av", False, False, "fair", "tiny", None, None, 1.0)
        found = dict(whole({"backbone": "tiny"}).differences)
        assert found["finetune"] == (), "the recipe of fine-tuning is not known"
        assert "batch size: 32 here, 128 published" in found["prompt"]
        assert setting({"backbone": "tiny"}) == tiny
        cav_mae = {"backbone": "cav-mae", "backbone_options": {"weights": "scale++.pth"}}
        published = replace(tiny, preset="poster", backbone="cav-mae", size="base", weights="scale++.pth")
        assert setting(cav_mae, "poster") == published
        random = {"backbone": "cav-mae", "backbone_options": {"size": "small"}}
        assert setting(random, scale=0.1) == replace(tiny, backbone="cav-mae", size="small", epochs_scale=0.1)

    def test_manifests_need_different_names(self, manifest: Path, tmp_path: Path) -> None:
        with pytest.raises(UserError, match="give each its own"):
            reproduce(manifest, tmp_path / "out", manifest, "--dry-run")
