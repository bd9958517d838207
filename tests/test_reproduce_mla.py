"""MLA's tables made anew: sources, verdicts, the runs of a plan, both selections side by side, and going on."""

import json
import re
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from avbuild.errors import UsageError, UserError
from avbuild.manifest_file import load_manifest
from avtrain.efficiency import Cost
from avtrain.methods import METHODS, method_config
from avtrain.reproduction.mla_published import DATA, RESNETS, SAME_PEOPLE, Claim
from avtrain.reproduction.mla_report import MULTI, Row, Worth, about, setting_of, times_slower, worths
from avtrain.reproduction.mla_tables import REFERENCE, TABLE_1, TABLE_3, PublishedTable, choose_rows
from avtrain.reproduction.mla_verdicts import Setting, judge_claim, published_data
from avtrain.reproduction.plan import System, also_selected_on_test, make_plan
from avtrain.results import Cell
from tests.stopping import stopped_at_call
from tests.test_train_runs import SMALL, avtrain_

TABLES = pytest.mark.parametrize("table", [TABLE_1, TABLE_3], ids=["table1", "table3"])
THEIRS = Setting("crema-d", True, "resnet", False, 100, 3, "test")
CLAIM = Claim("mla", "crema-d", 0.70, "made up", "quoted", True, 100, 3, RESNETS)


class TestPublished:
    @TABLES
    def test_every_number_has_a_source_and_a_row_of_ours(self, table: PublishedTable) -> None:
        rows = {system.name for system in table.systems}
        for claim in table.claims:
            assert claim.source
            assert claim.confidence in ("verified", "inferred", "quoted", "second-hand")
            assert claim.system in rows
            assert claim.data in DATA
            assert 0 < claim.value < 1
            assert claim.std is None or 0 < claim.std < 0.1
            assert claim.selected_on_test is not None or claim.reasons, "of unknown selection, and nothing else said"

    @TABLES
    def test_no_number_stands_twice_with_one_source(self, table: PublishedTable) -> None:
        keys = [(c.system, c.data, c.value, c.source) for c in table.claims]
        assert len(set(keys)) == len(keys)

    def test_late_fusion_is_the_ablation_without_either_part(self) -> None:
        def of(table: PublishedTable, system: str) -> dict[str, float]:
            own = [c for c in table.claims if c.system == system and "Zhang" in c.source]
            return {c.data: c.value for c in own}

        assert of(TABLE_1, "late-fusion") == of(TABLE_3, "mla-off-mean") == {"crema-d": 0.6632, "iemocap": 0.7496}

    @TABLES
    def test_every_row_is_a_method_with_options_it_has(self, table: PublishedTable) -> None:
        names = [system.name for system in table.systems]
        assert len(set(names)) == len(names)
        assert REFERENCE in names
        absent = {system.method for system in table.systems} - set(METHODS)
        for system in table.systems:
            assert system.train_on == "clean"
            if system.method not in absent:
                method_config(system.method, dict(system.method_options))
        if absent:
            pytest.skip(f"not here yet: {', '.join(sorted(absent))}")

    def test_the_ablation_crosses_both_parts(self) -> None:
        crossed = {s.method_options for s in TABLE_3.systems if s.method == "mla"}
        for hgm in ("off", "rls"):
            for fusion in ("mean", "entropy"):
                assert (("hgm", hgm), ("fusion", fusion)) in crossed
        assert {dict(options)["hgm"] for options in crossed} >= {"as_released", "as_released_unrepaired"}
        assert "entropy_as_released" in {dict(options)["fusion"] for options in crossed}


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
            ({"row_split": False}, "same people in training and test"),
            ({"backbone": "dual"}, "other encoders: dual, not ResNet-18"),
            ({"frozen": True}, "encoders are frozen"),
            ({"epochs": 30}, "epochs: 30 here, 100 there"),
            ({"frames": 1}, "theirs sees 3 pictures of a clip, this one one picture"),
            ({"selected_on": "validation"}, "theirs chose its best epoch on test, this one on validation"),
        ],
    )
    def test_one_thing_that_differs_is_one_reason_not_to_compare(self, change: dict[str, Any], reason: str) -> None:
        verdict = judge_claim(CLAIM, Cell((0.70,)), replace(THEIRS, **change))
        assert verdict.word == "not comparable"
        assert len(verdict.why) == 1
        assert reason in verdict.why[0]

    def test_every_part_of_the_setting_has_such_a_case(self) -> None:
        assert {field.name for field in fields(Setting)} == {
            "data", "row_split", "backbone", "frozen", "epochs", "frames", "selected_on"
        }  # fmt: skip

    def test_what_is_not_known_of_theirs_is_a_reason(self) -> None:
        dim = replace(CLAIM, selected_on_test=None, epochs=None, encoders=None)
        why = judge_claim(dim, Cell((0.70,)), THEIRS).why
        assert [reason.split(" is not ")[1] for reason in why] == ["stated in what we have", "known", "known"]

    def test_other_encoders_than_a_resnet_are_no_resnet(self) -> None:
        (reason,) = judge_claim(replace(CLAIM, encoders="pretrained M3AE"), Cell((0.70,)), THEIRS).why
        assert reason == "other encoders: resnet, not pretrained M3AE"

    def test_what_was_not_measured_is_not_judged(self) -> None:
        assert judge_claim(CLAIM, None, THEIRS).why == ("not measured: the plan leaves this row out",)

    @pytest.mark.parametrize("data", [key for key in DATA if key not in SAME_PEOPLE])
    def test_a_split_by_people_is_no_matter_where_theirs_has_none(self, data: str) -> None:
        claim, setting = replace(CLAIM, data=data), replace(THEIRS, data=data)
        assert judge_claim(claim, Cell((0.70,)), replace(setting, row_split=False)).word == "reproduced"

    @pytest.mark.parametrize(
        ("name", "key"),
        [("cremad", "crema-d"), ("crema-d-av", "crema-d"), ("KineticsSounds", "kinetics-sounds"), ("cifar10-av", None)],
    )
    def test_data_are_known_however_they_are_written(self, name: str, key: str | None) -> None:
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

    def test_the_worth_of_selecting_on_test_is_taken_seed_by_seed(self) -> None:
        cost = Cost(1, 1, 32, 1.0, 1.0, 0.0, None, "")
        honest, flattered = also_selected_on_test([System(name="concat", method="concat", train_on="clean")])
        rows = [
            Row(honest, THEIRS, {MULTI: Cell((0.50, 0.60))}, cost, None),
            Row(flattered, THEIRS, {MULTI: Cell((0.53, 0.61))}, cost, None),
        ]
        (worth,) = worths(rows)
        assert worth.difference.values == pytest.approx((0.03, 0.01))
        assert str(worth.difference) == "2.0 ± 1.4"
        assert worth == Worth("concat", rows[0].cells[MULTI], rows[1].cells[MULTI])
        assert worths(rows[1:]) == []

    def test_both_kinds_of_a_row_differ_by_their_name_and_selection_alone(self) -> None:
        both = also_selected_on_test(TABLE_3.systems)
        assert len({system.name for system in both}) == len(both) == 2 * len(TABLE_3.systems)
        for honest, flattered in zip(both[::2], both[1::2], strict=True):
            assert honest.row == flattered.row == honest.name
            assert (honest.select_on, flattered.select_on) == ("validation", "test")
            assert flattered.model_copy(update={"name": honest.name, "select_on": "validation"}) == honest

    def test_rows_are_chosen_by_their_name_or_their_methods_in_order(self) -> None:
        assert choose_rows(TABLE_3, "all") == TABLE_3.systems
        assert {s.method for s in choose_rows(TABLE_3, "mla")} == {"mla"}
        assert [s.name for s in choose_rows(TABLE_1, "mla, concat")] == ["concat", "mla"]
        with pytest.raises(UsageError, match='no "filmm"; did you mean "film"'):
            choose_rows(TABLE_1, "filmm")


@pytest.fixture(scope="module")
def manifest(small_data: Path) -> Path:
    return small_data / "manifest.yaml"


def table1(manifest: Path, out: Path, *more: object) -> str:
    where = ["--backbone", "tiny", "--out", out, "--cache", out / "features", "--device", "cpu", "--epochs", "1"]
    return avtrain_("reproduce", "mla-table1", manifest, *where, *SMALL, *more)


SMALLEST = ("--methods", "concat,late-fusion", "--seeds", "0")


@pytest.fixture(scope="module")
def done(manifest: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """concat and late fusion, both ways of selection, one epoch each; leave it as it was."""
    out = tmp_path_factory.mktemp("table1")
    table1(manifest, out, *SMALLEST, "--select-on-test")
    return out


def test_every_row_has_each_modality_and_all_together(done: Path) -> None:
    (part,) = json.loads((done / "mla-table1.json").read_text())["manifests"]
    rows = {row["system"]["name"]: row for row in part["rows"]}
    assert list(rows) == [
        f"{name}{mark}" for name in ("concat", "late-fusion") for mark in ("", "-selected-on-test")
    ]  # fmt: skip
    for name, row in rows.items():
        score = json.loads((done / "runs" / f"urbansound8k-av-{name}" / "seed0" / "eval" / "C.json").read_text())
        assert row["accuracy"]["multi"]["values"] == [score["accuracy"]]
        assert {m: row["accuracy"][m]["values"] for m in ("audio", "image")} == {
            m: [value] for m, value in score["per_modality"].items()
        }
        assert score["train_on"] == "clean"
        assert row["setting"]["selected_on"] == score["selected_on"] == row["system"]["select_on"]
    assert rows["concat"]["times_slower"] == 1
    assert rows["late-fusion"]["times_slower"] > 0
    scored = {path.stem for path in done.glob("runs/*/seed0/eval/*.json")}
    assert scored == {"C"}, "the clean scenario alone"


def test_every_claim_is_judged_against_both_selections(done: Path) -> None:
    (part,) = json.loads((done / "mla-table1.json").read_text())["manifests"]
    late = [each for each in part["published"] if each["claim"]["system"] == "late-fusion"]
    assert [each["row"] for each in late if each["claim"]["data"] == "crema-d"] == [
        "late-fusion", "late-fusion-selected-on-test"
    ]  # fmt: skip
    honest, flattered = (each["why"] for each in late if each["claim"]["data"] == "crema-d")
    only = "theirs chose its best epoch on test, this one on validation"
    assert (only in honest, only in flattered) == (True, False)
    assert {each["word"] for each in part["published"]} == {"not comparable"}
    assert all("other data: urbansound8k-av" in " ".join(each["why"]) for each in part["published"])
    left_out = [each for each in part["published"] if each["claim"]["system"] == "mla"]
    assert left_out
    assert all(each["measured"] is None and "leaves this row out" in each["why"][-1] for each in left_out)


def test_the_page_marks_selection_and_says_what_it_is_worth(done: Path) -> None:
    page = (done / "mla-table1.md").read_text()
    (part,) = json.loads((done / "mla-table1.json").read_text())["manifests"]
    assert "Warning: selected on test." in page
    rows = [
        line for line in page.splitlines() if re.match(r"\| (concat|late-fusion)\b.* \| (test|validation) \|", line)
    ]
    measured = [line for line in rows if "| CREMA-D" not in line and "IEMOCAP" not in line][:4]
    assert ["(selected on test)" in line for line in measured] == [False, True, False, True]
    for worth in part["worth_of_selecting_on_test"]:
        gained = worth["test"]["mean"] - worth["validation"]["mean"]
        assert worth["difference"]["mean"] == pytest.approx(gained)
        assert f"| {worth['row']} | {100 * worth['validation']['mean']:.1f} | " in page
        assert f"| {gained * 100:+.1f} | 1 |" in page
    assert "| *published: late-fusion, CREMA-D (Zhang et al., CVPR 2024, Table 1" in page
    assert "*61.59 ± 0.80*" in page
    tables = [line for line in page.splitlines() if line.startswith("|")]
    heads = [index for index, line in enumerate(tables) if line.startswith("| ---")]
    for start, stop in zip(heads, [*[h - 1 for h in heads[1:]], len(tables)], strict=True):
        assert {line.count("|") for line in tables[start - 1 : stop]} == {tables[start].count("|")}


def test_it_goes_on_where_it_stopped_and_repeats_nothing(manifest: Path, done: Path) -> None:
    page = (done / "mla-table1.md").read_text()
    files = [*done.rglob("eval/*.json"), *done.rglob("model.safetensors")]
    before = {path: path.stat().st_mtime_ns for path in files}
    lost = done / "runs" / "urbansound8k-av-late-fusion" / "seed0" / "eval" / "C.json"
    content = lost.read_text()
    lost.unlink()
    assert table1(manifest, done, *SMALLEST, "--select-on-test").count("finished already") == 4
    assert lost.read_text() == content
    assert {path for path in before if path.stat().st_mtime_ns != before[path]} == {lost}
    assert (done / "mla-table1.md").read_text() == page


def test_a_run_that_was_stopped_is_finished(manifest: Path, tmp_path: Path) -> None:
    from avtrain.methods.late_fusion import LateFusion

    with stopped_at_call(1, LateFusion, "loss"):
        table1(manifest, tmp_path, *SMALLEST)
    assert not (tmp_path / "mla-table1.md").exists()
    assert table1(manifest, tmp_path, *SMALLEST).count("finished already") == 1
    page = (tmp_path / "mla-table1.md").read_text()
    assert "selected on test" not in page


def test_frozen_features_are_named(manifest: Path, tmp_path: Path) -> None:
    table1(manifest, tmp_path, "--methods", "concat", "--seeds", "0", "--set", "method.frozen=true")
    assert "frozen features of backbone tiny" in (tmp_path / "mla-table1.md").read_text()
    (part,) = json.loads((tmp_path / "mla-table1.json").read_text())["manifests"]
    assert all("encoders are frozen here, only small maps on them are trained" in p["why"] for p in part["published"])
    assert list((tmp_path / "features").iterdir())


class TestPlan:
    def test_a_dry_run_says_what_would_be_and_makes_nothing(self, manifest: Path, tmp_path: Path) -> None:
        out = tmp_path / "out"
        said = table1(manifest, out, "--methods", "concat,late-fusion", "--dry-run", "--epochs", 7)
        assert "6 runs; nothing was made" in said
        assert len(re.findall(r"seed[012]: ", said)) == 6
        assert f"{out / 'runs' / 'urbansound8k-av-concat' / 'seed2'}: concat on clean, 7 epochs, lr 0.01" in said
        assert "selected on test" not in said
        both = table1(manifest, out, "--methods", "concat", "--dry-run", "--select-on-test")
        assert "6 runs; nothing was made" in both
        assert both.count(", selected on test") == 3
        assert not out.exists()

    def test_all_rows_are_planned_where_all_methods_are_there(self, manifest: Path, tmp_path: Path) -> None:
        for number, table in ((1, TABLE_1), (3, TABLE_3)):
            if absent := sorted({system.method for system in table.systems} - set(METHODS)):
                pytest.skip(f"not here yet: {', '.join(absent)}")
            said = avtrain_(
                "reproduce",
                f"mla-table{number}",
                manifest,
                "--backbone",
                "tiny",
                "--dry-run",
                "--out",
                tmp_path / "out",
            )
            assert f"{3 * len(table.systems)} runs; nothing was made" in said
            assert "mla (hgm rls, fusion entropy) on clean" in said

    @pytest.mark.parametrize(
        ("arguments", "expected"),
        [
            (("--methods", "concatt"), 'did you mean "concat"'),
            (("--set", "select_on=test"), "select_on cannot be set"),
            (("--set", "train_on=scenarios"), "train_on cannot be set"),
            (("--seeds", "0,0"), "different whole numbers"),
            (("--epochs", "0"), "epochs: "),
            (("--resume", "maybe"), "allowed are auto, restart, never"),
        ],
    )
    def test_a_wrong_option_is_explained(
        self, manifest: Path, tmp_path: Path, arguments: tuple[str, ...], expected: str
    ) -> None:
        with pytest.raises(UserError, match=expected) as caught:
            table1(manifest, tmp_path / "out", "--methods", "concat", *arguments)
        assert caught.value.exit_code == 2
        assert not (tmp_path / "out").exists()

    def test_no_setting_changes_what_makes_a_row(self, manifest: Path, tmp_path: Path) -> None:
        row = System(name="narrow", method="concat", train_on="clean", method_options=(("width", "4"),))
        loaded = [load_manifest(manifest)]
        for options, settings in (
            ({"method_options": {"width": 8}}, {}),
            ({}, {"concat": {"method_options": {"width": 8}}}),
        ):
            with pytest.raises(
                UsageError, match=r"narrow: its row of the table decides width; leave out method\.width"
            ):
                make_plan(loaded, [row], [0], options, settings, tmp_path, known=[row])
        plan = make_plan(loaded, [row], [0], {"backbone": "tiny"}, {}, tmp_path, known=[row], scored_on="clean")
        assert plan.runs[0].config.fit.method_options == {"width": "4"}
        assert plan.scenarios_of(loaded[0]) == ("C",)
        assert setting_of(plan, loaded[0], row, "crema-d", False, ("audio", "video")).frames is None

    def test_settings_are_for_both_selections_of_a_row(self, manifest: Path, tmp_path: Path) -> None:
        settings = tmp_path / "settings.yaml"
        settings.write_text("concat: {lr: 0.25}")
        asked = ("--methods", "concat", "--seeds", "0", "--dry-run", "--select-on-test", "--settings", settings)
        assert table1(manifest, tmp_path / "out", *asked).count("lr 0.25") == 2
        settings.write_text("concat-selected-on-test: {lr: 0.25}")
        with pytest.raises(UsageError, match="no method concat-selected-on-test"):
            table1(manifest, tmp_path / "out", *asked)

    def test_it_needs_a_clean_scenario(self, small_data: Path, tmp_path: Path) -> None:
        noisy = {"manifest": 1, "name": "noisy", "dataset": str(small_data), "scenarios": {"A": {"audio": "missing"}}}
        (tmp_path / "noisy.yaml").write_text(yaml.safe_dump(noisy))
        with pytest.raises(UserError, match="needs a scenario without plans"):
            table1(tmp_path / "noisy.yaml", tmp_path / "out", "--methods", "concat", "--dry-run")
