"""Published numbers of MLA's tables: their sources, the verdicts on them, and the rows they are compared with."""

import re
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

from avbuild.errors import UsageError
from avbuild.scenarios.manifest_file import load_manifest
from avtrain.methods.registry import method_config
from avtrain.report.results import Cell
from avtrain.reproduction.mla.published import DATA, MULTI, RESNETS, SAME_PEOPLE, Claim
from avtrain.reproduction.mla.report import (
    SelectionGain,
    SystemScores,
    about,
    selection_gains,
    times_slower,
)
from avtrain.reproduction.mla.tables import REFERENCE, TABLE_1, TABLE_3, PublishedTable, choose_rows, unfit_rows
from avtrain.reproduction.mla.verdicts import MlaSetting, judge_claim, published_data
from avtrain.reproduction.published_cells import PublishedCell
from avtrain.reproduction.system import System, also_selected_on_test
from avtrain.runs.cost import Cost
from tests.avtrain.training.test_fit import avtrain_
from tests.support.video_data import write_data

THREE = ("audio", "image", "video")
TABLES = pytest.mark.parametrize("table", [TABLE_1, TABLE_3], ids=["table1", "table3"])
CELL = PublishedCell("M0", ("CREMA-D", "multi"), "made up", "70.00")
THEIRS = MlaSetting("crema-d", True, "resnet", False, 100, 3, "test", 3, 6698, ())
CLAIM = Claim("mla", "crema-d", 0.70, "made up", "seen", True, 100, 3, RESNETS, cell=CELL)


class TestPublished:
    @TABLES
    def test_every_number_has_a_source_and_a_row(self, table: PublishedTable) -> None:
        rows = {system.name for system in table.systems}
        for claim in table.claims:
            assert claim.source
            assert claim.confidence in ("seen", "verified", "inferred", "quoted", "second-hand")
            assert (claim.confidence == "seen") == (claim.cell is not None)
            assert claim.system in rows
            assert claim.data in DATA
            assert 0 < claim.value < 1
            assert claim.std is None or 0 < claim.std < 0.1
            assert claim.selected_on_test is not None or claim.reasons, (
                "selection is not known, and no other reason is given"
            )

    @TABLES
    def test_no_number_stands_twice_with_one_source(self, table: PublishedTable) -> None:
        keys = [(c.system, c.data, c.part, c.value, c.source) for c in table.claims]
        assert len(set(keys)) == len(keys)

    def test_late_fusion_is_the_ablation_without_either_part(self) -> None:
        def of(table: PublishedTable, system: str) -> dict[tuple[str, str], float]:
            return {(c.data, c.part): c.value for c in table.claims if c.system == system and c.cell}

        late = of(TABLE_1, "late-fusion")
        assert late == of(TABLE_3, "mla-off-mean")
        assert len(late) == 16
        assert (late["crema-d", "multi"], late["iemocap", "multi"]) == (0.6632, 0.7496)

    @TABLES
    def test_every_row_is_a_method_with_options_it_has(self, table: PublishedTable) -> None:
        names = [system.name for system in table.systems]
        assert len(set(names)) == len(names)
        assert REFERENCE in names
        for system in table.systems:
            assert system.train_on == "clean"
            method_config(system.method, dict(system.method_options))

    def test_the_ablation_crosses_both_parts(self) -> None:
        crossed = {s.method_options for s in TABLE_3.systems if s.method == "mla"}
        for hgm in ("off", "rls"):
            for fusion in ("mean", "entropy"):
                assert (("hgm", hgm), ("fusion", fusion)) in crossed
        assert {dict(options)["hgm"] for options in crossed} >= {"as_released", "as_released_unrepaired"}
        assert "entropy_as_released" in {dict(options)["fusion"] for options in crossed}

    def test_a_row_of_both_tables_is_trained_once_for_both(self) -> None:
        both = {s.name for s in TABLE_1.systems} & {s.name for s in TABLE_3.systems}
        assert both == {"concat", "mla"}
        first, third = ({s.name: s for s in table.systems} for table in (TABLE_1, TABLE_3))
        assert all(first[name] == third[name] for name in both)


class TestVerdicts:
    @pytest.mark.parametrize(
        ("values", "word"),
        [((0.72,), "reproduced"), ((0.721,), "not reproduced"), ((0.58, 0.66), "reproduced")],
    )
    def test_the_rule_is_that_of_every_reproduction(self, values: tuple[float, ...], word: str) -> None:
        assert judge_claim(CLAIM, Cell(values), THEIRS).word == word

    @pytest.mark.parametrize(
        ("change", "reason"),
        [
            ({"data": "urbansound8k-av"}, "other data: urbansound8k-av, not CREMA-D"),
            ({"data": "kinetics-sounds"}, "other data: Kinetics-Sounds, not CREMA-D"),
            ({"row_split": False}, "the published one has the same people in training and test"),
            ({"backbone": "dual"}, "other encoders: dual, not ResNet-18"),
            ({"frozen": True}, "encoders are frozen"),
            ({"epochs": 30}, "epochs: 30 here, 100 published"),
            ({"frames": 1}, "frames of a clip: 1 here, 3 published"),
            ({"selected_on": "validation"}, "best epoch: chosen on validation here, on test in the published run"),
            ({"seeds": 1}, "seeds: 1 here, the mean of 3 published"),
            ({"training": 6028}, "training samples: 6,028 here, 6,698 published"),
            ({"differences": ("learning rate: 0.01 here, 0.001 published",)}, "learning rate: 0.01 here"),
        ],
    )
    def test_one_thing_that_differs_is_one_reason_not_to_compare(self, change: dict[str, Any], reason: str) -> None:
        verdict = judge_claim(CLAIM, Cell((0.70,)), replace(THEIRS, **change))
        assert verdict.word == "not comparable"
        assert len(verdict.why) == 1
        assert reason in verdict.why[0]

    def test_every_field_of_the_setting_has_such_a_case(self) -> None:
        assert {field.name for field in fields(MlaSetting)} == {
            "data", "row_split", "backbone", "frozen", "epochs", "frames", "selected_on", "seeds", "training",
            "differences",
        }  # fmt: skip

    def test_what_is_not_known_of_the_published_run_is_a_reason(self) -> None:
        vague = replace(CLAIM, selected_on_test=None, epochs=None, encoders=None)
        why = judge_claim(vague, Cell((0.70,)), THEIRS).why
        assert [re.split(" (?:is|are) not ", reason)[1] for reason in why] == [
            "stated in our sources", "known", "known"
        ]  # fmt: skip

    def test_other_encoders_than_a_resnet_are_a_reason(self) -> None:
        (reason,) = judge_claim(replace(CLAIM, encoders="pretrained M3AE"), Cell((0.70,)), THEIRS).why
        assert reason == "other encoders: resnet, not pretrained M3AE"

    def test_what_was_not_measured_is_not_judged(self) -> None:
        verdict = judge_claim(CLAIM, None, THEIRS)
        assert verdict.word == "not run"
        assert verdict.why == ("not measured: no run of mla has scores of multi",)

    def test_the_recipe_of_others_is_no_reason(self) -> None:
        others, setting = replace(CLAIM, cell=None), replace(THEIRS, seeds=1, training=1, differences=("lr",))
        assert judge_claim(others, Cell((0.70,)), setting).word == "reproduced"

    @pytest.mark.parametrize("data", [key for key in DATA if key not in SAME_PEOPLE])
    def test_a_split_by_people_is_no_reason_for_data_without_such_a_split(self, data: str) -> None:
        claim, setting = replace(CLAIM, data=data), replace(THEIRS, data=data)
        assert judge_claim(claim, Cell((0.70,)), replace(setting, row_split=False)).word == "reproduced"

    @pytest.mark.parametrize(
        ("name", "key"),
        [("cremad", "crema-d"), ("crema-d-av", "crema-d"), ("KineticsSounds", "kinetics-sounds"), ("cifar10-av", None)],
    )
    def test_data_are_recognised_in_any_spelling(self, name: str, key: str | None) -> None:
        assert published_data(name) == key
        assert about(CLAIM, name) == (key in (None, "crema-d"))


class TestRows:
    def test_time_is_a_ratio_on_equal_batches(self) -> None:
        concat = Cost(100, 100, 32, 4.0, 4.0, 0.0, None, "")
        slow = replace(concat, seconds_per_epoch=6.0)
        assert times_slower(slow, concat) == 1.5
        assert times_slower(concat, concat) == 1
        assert times_slower(slow, None) is None
        assert times_slower(replace(slow, batch_size=64), concat) is None

    def test_the_gain_by_selection_on_test_is_computed_seed_by_seed(self) -> None:
        cost = Cost(1, 1, 32, 1.0, 1.0, 0.0, None, "")
        on_validation, on_test = also_selected_on_test([System(name="concat", method="concat", train_on="clean")])
        rows = [
            SystemScores(on_validation, THEIRS, {MULTI: Cell((0.50, 0.60))}, cost, None),
            SystemScores(on_test, THEIRS, {MULTI: Cell((0.53, 0.61))}, cost, None),
        ]
        (gain,) = selection_gains(rows)
        assert gain.difference.values == pytest.approx((0.03, 0.01))
        assert str(gain.difference) == "2.0 ± 1.4"
        assert gain == SelectionGain("concat", rows[0].cells[MULTI], rows[1].cells[MULTI])
        assert selection_gains(rows[1:]) == []

    def test_both_selections_of_a_row_differ_only_in_name_and_selection(self) -> None:
        both = also_selected_on_test(TABLE_3.systems)
        assert len({system.name for system in both}) == len(both) == 2 * len(TABLE_3.systems)
        for on_validation, on_test in zip(both[::2], both[1::2], strict=True):
            assert on_validation.row == on_test.row == on_validation.name
            assert (on_validation.select_on, on_test.select_on) == ("validation", "test")
            assert on_test.model_copy(update={"name": on_validation.name, "select_on": "validation"}) == on_validation

    def test_rows_are_chosen_by_name_or_method_in_the_order_of_the_table(self) -> None:
        assert choose_rows(TABLE_3, "all") == TABLE_3.systems
        assert {s.method for s in choose_rows(TABLE_3, "mla")} == {"mla"}
        assert [s.name for s in choose_rows(TABLE_1, "mla, concat")] == ["concat", "mla"]
        with pytest.raises(UsageError, match='no "filmm"; did you mean "film"'):
            choose_rows(TABLE_1, "filmm")

    def test_rows_that_cannot_take_three_modalities_are_left_out(self, small_data: Path, tmp_path: Path) -> None:
        two, three = load_manifest(small_data / "manifest.yaml"), load_manifest(write_data(tmp_path / "three", THREE))
        nowhere = two.model_copy(update={"dataset": str(tmp_path / "nowhere")})
        assert unfit_rows(TABLE_1.systems, [two, nowhere], {}, {}) == {}
        unfit = unfit_rows(TABLE_1.systems, [two, three], {}, {})
        assert list(unfit) == ["film", "gated"]
        assert "method gated needs 2 modalities, but these data have 3: audio, image, video" in unfit["gated"]

    def test_fixed_weights_that_nobody_published_leave_their_row_out(self, tmp_path: Path) -> None:
        manifest = load_manifest(write_data(tmp_path / "three", THREE))
        assert list(unfit_rows(TABLE_3.systems, [manifest], {}, {})) == ["mla-released-fixed"]
        weights = {"mla-released-fixed": {"method_options": {"weights": {"audio": 1, "image": 1, "video": 1}}}}
        assert unfit_rows(TABLE_3.systems, [manifest], {}, weights) == {}

    def test_a_row_that_cannot_take_three_modalities_is_refused_by_name(self, tmp_path: Path) -> None:
        manifest = write_data(tmp_path / "three", THREE)
        with pytest.raises(UsageError, match="--methods gated: method gated needs 2 modalities"):
            avtrain_("reproduce", "mla-table1", manifest, "--methods", "sum,gated", "--out", tmp_path, "--dry-run")
