"""--recipe published: the recipes as options, every difference from them as a reason, and a run that follows one."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from avbuild.dataset.build_record import BuildRecord, read_build
from avbuild.dataset.storage import Folder
from avbuild.errors import UsageError
from avbuild.scenarios.manifest_file import load_manifest
from avtrain.reproduction.mla.published import TABLE_1 as PUBLISHED_1
from avtrain.reproduction.mla.published import TABLE_3 as PUBLISHED_3
from avtrain.reproduction.mla.recipe import MLA_RECIPE
from avtrain.reproduction.mla.report import setting_of
from avtrain.reproduction.mla.tables import TABLE_1, TABLE_3
from avtrain.reproduction.mla.verdicts import reasons
from avtrain.reproduction.ogm_ge.recipe import OGM_GE_RECIPE
from avtrain.reproduction.plan import ReproductionPlan, make_plan
from avtrain.reproduction.prompt_the_missing.recipe import PROMPT_RECIPE
from avtrain.reproduction.recipe import PublishedRecipe, differences, with_recipe
from avtrain.reproduction.system import System, selected_on
from avtrain.training.options import merged_options
from tests.avtrain.training.test_fit import avtrain_

EVERY = selected_on("test", tuple(dict.fromkeys((*TABLE_1.systems, *TABLE_3.systems))))


@pytest.fixture(scope="module")
def manifest(small_data: Path) -> Path:
    return small_data / "manifest.yaml"


def plan_of(
    manifest: Path, recipe: PublishedRecipe, systems: tuple[System, ...] = EVERY, **options: Any
) -> ReproductionPlan:
    given, settings = with_recipe(recipe, options, {}, systems)
    where = Path("unused")
    return make_plan(
        [load_manifest(manifest)], systems, [0, 1, 2], given, settings, where, known=systems, scored_on="clean"
    )


def crema_d(small_data: Path) -> BuildRecord:
    """A build record with as many rows as MLA's split, of which a tenth validates here."""
    record = read_build(Folder(str(small_data)))
    rows = {"train": {"x": 6028}, "validation": {"x": 670}, "test": {"x": 744}}
    return record.model_copy(update={"name": "crema-d", "per_class": rows})


def reasons_for(plan: ReproductionPlan, small_data: Path) -> dict[tuple[str, str], tuple[str, ...]]:
    """Reasons of every CREMA-D number of Tables 1 and 3, by source and cell."""
    by_row = {system.row: system for system in plan.systems}
    found = {}
    for claim in (*PUBLISHED_1, *PUBLISHED_3):
        if claim.data == "crema-d":
            system, build = by_row[claim.system], crema_d(small_data)
            setting = setting_of(plan, plan.manifests[0], system, "crema-d", True, ("audio", "video"), build)
            found[claim.source, str(claim.cell)] = reasons(claim, setting)
    return found


def test_with_the_published_recipe_no_reason_is_left(manifest: Path, small_data: Path) -> None:
    found = reasons_for(plan_of(manifest, MLA_RECIPE), small_data)
    assert len(found) == 24 + 8
    left = {place: why for place, why in found.items() if why}
    # FiLM and BiGated have no scores of one modality, and how the publication makes them is not stated
    assert {cell for _, cell in left} == {
        f"M1: CREMA-D, {part}, {method}" for part in ("audio", "video") for method in ("FiLM", "BiGated")
    }
    assert all(len(why) == 1 and "is not stated" in why[0] for why in left.values())


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"lr": 0.01}, "learning rate: 0.01 here, 0.001 published"),
        ({"batch_size": 32}, "batch size: 32 here, 64 published"),
        ({"optimizer": "adamw"}, "optimiser: adamw here, sgd published"),
        ({"weight_decay": 0.01}, "weight decay: 0.01 here, 0.0001 published"),
        ({"schedule": "cosine"}, "schedule of the learning rate: cosine here, step published"),
        ({"decay_at": 0.5}, "share of the epochs before the learning rate falls: 0.5 here, 0.7 published"),
        ({"warmup": 0.1}, "share of the steps over which the learning rate rises: 0.1 here, 0.0 published"),
        ({"epochs": 30}, "epochs: 30 here, 100 published"),
        ({"augment": "none"}, "augmentation: none here, crop-flip published"),
        ({"precision": "bf16"}, "precision: bf16 here, fp32 published"),
        ({"train_split": "train"}, "training samples: 6,028 here, 6,698 published"),
        ({"backbone_options": {"spectrogram": "ogm-ge"}}, "audio front end: ogm-ge here, fbank published"),
        ({"backbone_options": {"resize": "crop"}}, "resizing of images: crop here, squash published"),
        ({"backbone_options": {"frame_choice": "spread"}}, "choice of frames: spread here, first published"),
        ({"backbone_options": {"frames": 1}}, "frames of a clip: 1 here, 3 published"),
        ({"backbone_options": {"image_size": 64}}, "side of an image: 64 here, 224 published"),
        ({"method_options": {"head_init": "torch"}}, "initialisation of the head: torch here, xavier published"),
        ({"method_options": {"frozen": True}}, "encoders are frozen here"),
        ({"backbone": "dual"}, "other encoders: dual, not ResNet-18 from scratch"),
    ],
)
def test_every_difference_from_the_recipe_is_a_reason(
    manifest: Path, small_data: Path, options: dict[str, Any], reason: str
) -> None:
    why = reasons_for(plan_of(manifest, MLA_RECIPE, **options), small_data).values()
    assert all(any(reason in each for each in found) for found in why)


def test_without_a_recipe_each_is_named(manifest: Path, small_data: Path) -> None:
    plan = make_plan(
        [load_manifest(manifest)],
        EVERY,
        [0],
        {"backbone": "resnet"},
        {},
        Path("unused"),
        known=EVERY,
        scored_on="clean",
    )
    why = reasons_for(plan, small_data)["MLA, CVPR 2024, Table 1, as reprinted in slides", "M1: CREMA-D, multi, OGM-GE"]
    named = {reason.partition(":")[0] for reason in why}
    assert named >= {
        "learning rate", "batch size", "schedule of the learning rate", "augmentation", "audio front end",
        "resizing of images", "choice of frames", "initialisation of the head", "epochs", "rows trained on", "seeds",
        "training samples", "method.on",
    }  # fmt: skip


def test_the_recipe_of_ogm_ge_differs_from_that_of_mla_as_described(manifest: Path) -> None:
    plan = plan_of(manifest, OGM_GE_RECIPE)
    system = next(system for system in plan.systems if system.method == "ogm-ge")
    fit = plan.config_of(plan.manifests[0], system)
    assert differences(fit, system, OGM_GE_RECIPE) == ()
    assert (fit.backbone_options["frames"], fit.method_options["alpha"]) == (1, 0.8)
    assert set(differences(fit, system, MLA_RECIPE)) == {
        "audio front end: ogm-ge here, fbank published", "method.alpha: 0.8 here, 0.3 published"
    }  # fmt: skip


class TestOptions:
    def test_the_user_overrides_a_recipe(self) -> None:
        system = System(name="ogm-ge", method="ogm-ge")
        options, settings = with_recipe(
            MLA_RECIPE,
            {"lr": 0.5, "epochs": None, "backbone_options": {"image_size": 64}, "method_options": {"alpha": 2}},
            {"ogm-ge": {"method_options": {"end": 1.0}}},
            (system,),
        )
        assert (options["lr"], options["epochs"], options["batch_size"]) == (0.5, 100, 64)
        assert options["backbone_options"] == {**MLA_RECIPE.options["backbone_options"], "image_size": 64}
        whole = merged_options(options, settings["ogm-ge"])["method_options"]
        assert whole == {"head_init": "xavier", "alpha": 2, "on": "convolutions", "begin": 0.0, "end": 1.0}
        assert set(settings) == {"ogm-ge"}, "qmf is not in this table"

    def test_options_of_another_backbone_are_left_out(self) -> None:
        options, _ = with_recipe(MLA_RECIPE, {"backbone": "dual"}, {}, ())
        assert "backbone_options" not in options

    def test_that_of_prompts_is_for_prompts_alone(self) -> None:
        systems = (System(name="prompt", method="prompt"), System(name="lora", method="lora"))
        options, settings = with_recipe(PROMPT_RECIPE, {}, {}, systems)
        assert "lr" not in options
        assert {name: own["batch_size"] for name, own in settings.items()} == {"prompt": 128}

    @pytest.mark.parametrize(
        ("arguments", "expected"),
        [
            (("--recipe", "publishd"), 'no "publishd"; did you mean "published".*; allowed: own, published, ogm-ge'),
            (("--recipe", "published", "--select-on-test"), "chooses the best epoch on test already"),
        ],
    )
    def test_a_wrong_recipe_is_explained(self, manifest: Path, arguments: tuple[str, ...], expected: str) -> None:
        with pytest.raises(UsageError, match=expected):
            avtrain_("reproduce", "mla-table1", manifest, "--dry-run", *arguments)

    def test_rows_to_validate_are_needed_to_select_on_them(self) -> None:
        from avtrain.training.options import fit_config

        with pytest.raises(UsageError, match="leaves no rows to select the best epoch on"):
            fit_config({"backbone": "tiny", "train_split": "train+validation"})

    def test_the_poster_takes_its_noise_and_backbone(self, manifest: Path, tmp_path: Path) -> None:
        asked = ("--recipe", "published", "--methods", "prompt", "--seeds", "0", "--dry-run", "--out", tmp_path)
        said = avtrain_("reproduce", "prompt-the-missing", manifest, *asked)
        assert "urbansound8k-av-poster-prompt-from-finetune/seed0: prompt on scenarios, 5 epochs, lr 0.001" in said


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_run_follows_the_recipe_from_the_data_to_the_page(manifest: Path, tmp_path: Path) -> None:
    smaller = [
        *("--set", "backbone.image_size=32", "--set", "backbone.audio_seconds=0.5"),
        *("--epochs", "2", "--seeds", "0", "--methods", "concat", "--device", "cpu"),
    ]
    said = avtrain_("reproduce", "mla-table1", manifest, "--recipe", "published", *smaller, "--out", tmp_path)
    config = yaml.safe_load(next(tmp_path.glob("runs/*-concat-selected-on-test/seed0/config.yaml")).read_text())["fit"]
    wanted = {key: value for key, value in MLA_RECIPE.options.items() if not key.endswith("_options")}
    assert {key: config[key] for key in wanted} == {**wanted, "epochs": 2}
    assert config["method_options"]["head_init"] == "xavier"
    result = json.loads(next(tmp_path.glob("runs/*/seed0/result.json")).read_text())
    assert set(result["content"]) == {"train", "validation", "test"}
    lines = [json.loads(line) for line in next(tmp_path.glob("runs/*/seed0/metrics.jsonl")).read_text().splitlines()]
    assert [line["learning_rate"] for line in lines] == pytest.approx([1e-3, 1e-4])  # 0.7 of 2 epochs is one of them
    (part,) = json.loads((tmp_path / "mla-table1.json").read_text())["manifests"]
    own = next(each for each in part["published"] if each["row"] and each["claim"]["cell"] and each["measured"])
    assert own["why"] == [
        "other data: urbansound8k-av, not CREMA-D",
        "frames of a clip: 1 here, 3 published",
        "side of an image: 32 here, 224 published",
        "seconds of audio: 0.5 here, default published",
        "seeds: 1 here, the mean of 3 published",
        "epochs: 2 here, 100 published",
    ]
    # concat's 16 numbers but for three of text
    assert "mla-table1, 128 published numbers: 0 reproduced, 0 not reproduced, 13 not comparable, 115 not run" in said
    assert "seeds: 1 here" in said
    page = (tmp_path / "mla-table1.html").read_text()
    assert "13 not comparable" in page
    assert page.count("<div class=scroll><table>") == page.count("</table></div>") > 2
    assert "<script" not in page
