"""Reproductions of MLA's tables: the runs of a plan, both selections of a row, and continuing after an interruption."""

import json
import re
from pathlib import Path

import pytest
import yaml

from avbuild.errors import UsageError, UserError
from avbuild.scenarios.manifest_file import load_manifest
from avtrain.reproduction.mla.report import setting_of
from avtrain.reproduction.mla.tables import TABLE_1, TABLE_3
from avtrain.reproduction.plan import make_plan
from avtrain.reproduction.system import System
from tests.avtrain.training.test_fit import SMALL, avtrain_
from tests.support.stopping import stopped_at_call


@pytest.fixture(scope="module")
def manifest(small_data: Path) -> Path:
    return small_data / "manifest.yaml"


def table1(manifest: Path, out: Path, *more: object) -> str:
    where = ["--backbone", "tiny", "--out", out, "--cache", out / "features", "--device", "cpu", "--epochs", "1"]
    return avtrain_("reproduce", "mla-table1", manifest, *where, *SMALL, *more)


SMALLEST = ("--methods", "concat,late-fusion", "--seeds", "0")


@pytest.fixture(scope="module")
def done(manifest: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run concat and late fusion with both selections for one epoch each.  Tests leave the folder unchanged."""
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
    late = [
        each for each in part["published"]
        if [each["claim"][key] for key in ("system", "data", "part")] == ["late-fusion", "crema-d", "multi"]
    ]  # fmt: skip
    assert [each["row"] for each in late] == ["late-fusion", "late-fusion-selected-on-test"]
    on_validation, on_test = (each["why"] for each in late)
    other_selection = "best epoch: chosen on validation here, on test in the published run"
    assert (other_selection in on_validation, other_selection in on_test) == (True, False)
    for each in part["published"]:
        assert each["word"] == ("not comparable" if each["measured"] else "not run")
    assert all("other data: urbansound8k-av" in " ".join(each["why"]) for each in part["published"])
    left_out = [each for each in part["published"] if each["claim"]["system"] == "mla"]
    assert left_out
    assert all(each["measured"] is None and "no run of mla has scores of" in each["why"][-1] for each in left_out)
    text = [each for each in part["published"] if each["claim"]["part"] == "text"]
    assert text
    assert {each["word"] for each in text} == {"not run"}
    concat_audio = [e for e in part["published"] if (e["row"], e["claim"]["part"]) == ("concat", "audio")]
    own = next(row for row in part["rows"] if row["system"]["name"] == "concat")["accuracy"]["audio"]
    assert {tuple(each["measured"]["values"]) for each in concat_audio} == {tuple(own["values"])}


def test_the_page_marks_selection_on_test_and_shows_its_gain(done: Path) -> None:
    page = (done / "mla-table1.md").read_text()
    (part,) = json.loads((done / "mla-table1.json").read_text())["manifests"]
    assert "Warning: selected on test." in page
    rows = [
        line for line in page.splitlines() if re.match(r"\| (concat|late-fusion)\b.* \| (test|validation) \|", line)
    ]
    measured = [line for line in rows if "| CREMA-D" not in line and "IEMOCAP" not in line][:4]
    assert ["(selected on test)" in line for line in measured] == [False, True, False, True]
    for gain in part["worth_of_selecting_on_test"]:
        difference = gain["test"]["mean"] - gain["validation"]["mean"]
        assert gain["difference"]["mean"] == pytest.approx(difference)
        assert f"| {gain['row']} | {100 * gain['validation']['mean']:.1f} | " in page
        assert f"| {difference * 100:+.1f} | 1 |" in page
    assert "| *published: late-fusion, CREMA-D (MLA, CVPR 2024, Table 1, as reprinted in slides)*" in page
    assert "| *52.17* | *55.48* | *66.32* |" in page
    assert "*61.59 ± 0.80*" in page
    tables = [line for line in page.splitlines() if line.startswith("|")]
    heads = [index for index, line in enumerate(tables) if line.startswith("| ---")]
    for start, stop in zip(heads, [*[h - 1 for h in heads[1:]], len(tables)], strict=True):
        assert {line.count("|") for line in tables[start - 1 : stop]} == {tables[start].count("|")}


def test_it_continues_where_it_stopped_and_repeats_nothing(manifest: Path, done: Path) -> None:
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
    assert all(
        "encoders are frozen here, and only small maps on their features are trained" in p["why"]
        for p in part["published"]
    )
    assert list((tmp_path / "features").iterdir())


class TestPlan:
    def test_a_dry_run_lists_the_runs_and_makes_none(self, manifest: Path, tmp_path: Path) -> None:
        out = tmp_path / "out"
        said = table1(manifest, out, "--methods", "concat,late-fusion", "--dry-run", "--epochs", 7)
        assert "6 runs; nothing was made" in said
        assert len(re.findall(r"seed[012]: ", said)) == 6
        assert f"{out / 'runs' / 'urbansound8k-av-concat' / 'seed2'}: concat on clean, 7 epochs, lr 0.01" in said
        assert "selected on test" not in said
        with pytest.raises(UsageError, match="name a manifest"):
            avtrain_("reproduce", "mla-table1")
        both = table1(manifest, out, "--methods", "concat", "--dry-run", "--select-on-test")
        assert "6 runs; nothing was made" in both
        assert both.count(", selected on test") == 3
        assert not out.exists()

    def test_all_rows_are_planned(self, manifest: Path, tmp_path: Path) -> None:
        where = ("--backbone", "tiny", "--out", tmp_path / "out")
        for table in (TABLE_1, TABLE_3):
            said = avtrain_("reproduce", table.name, manifest, *where, "--dry-run")
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

    def test_no_setting_changes_an_option_that_defines_a_row(self, manifest: Path, tmp_path: Path) -> None:
        row = System(name="narrow", method="concat", train_on="clean", method_options=(("width", "4"),))
        loaded = [load_manifest(manifest)]
        for options, settings in (
            ({"method_options": {"width": 8}}, {}),
            ({}, {"concat": {"method_options": {"width": 8}}}),
        ):
            with pytest.raises(
                UsageError, match=r"narrow: width cannot be set, .* row of the table; leave out method\.width"
            ):
                make_plan(loaded, [row], [0], options, settings, tmp_path, known=[row])
        plan = make_plan(loaded, [row], [0], {"backbone": "tiny"}, {}, tmp_path, known=[row], scored_on="clean")
        assert plan.runs[0].config.fit.method_options == {"width": "4"}
        assert plan.scenarios_of(loaded[0]) == ("C",)
        assert setting_of(plan, loaded[0], row, "crema-d", False, ("audio", "video")).frames == 3

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
