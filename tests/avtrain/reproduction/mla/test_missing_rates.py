"""Table 2 of MLA: every system under every protocol and rate on the same masks, resumed, judged and ranked."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from avbuild.errors import UsageError, UserError
from avbuild.scenarios.manifest_file import load_manifest
from avtrain.data.masks import MissingShares
from avtrain.methods.late_fusion import LateFusion
from avtrain.methods.registry import METHODS
from avtrain.report.results import Cell
from avtrain.reproduction.mla.missing_rates import available, conditions_of, systems_of
from avtrain.reproduction.mla.missing_rates_runs import RateTable
from avtrain.reproduction.mla.missing_rates_verdicts import published_scores, rank_agreement
from avtrain.runs.folder import Run
from tests.avtrain.training.test_fit import SMALL, avtrain_
from tests.support.stopping import stopped_at_call


@pytest.fixture(scope="module")
def manifest(small_data: Path) -> Path:
    return small_data / "manifest.yaml"


def table2(manifest: Path, out: Path, *more: object) -> str:
    where = ["--backbone", "tiny", "--out", out, "--cache", out / "features", "--device", "cpu", "--epochs", "2"]
    return avtrain_("reproduce", "mla-table2", manifest, *where, *SMALL, *more)


SMALLEST = ("--methods", "late-fusion,qmf", "--seeds", "0", "--rates", "0.1,0.4")


@pytest.fixture(scope="module")
def done(manifest: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run two methods at two rates under two protocols with rates and under one without; leave it unchanged."""
    out = tmp_path_factory.mktemp("table2")
    table2(manifest, out, *SMALLEST, "--protocol", "cpm,tate", "--protocol", "mmin")
    return out


def content(out: Path) -> dict:  # type: ignore[type-arg]
    found: dict = json.loads((out / "mla-table2.json").read_text())  # type: ignore[type-arg]
    return found


def test_a_table_for_each_protocol_holds_the_scores_of_its_runs(done: Path) -> None:
    tables = content(done)["tables"]
    assert [(t["protocol"], t["rates"]) for t in tables] == [
        ("cpm", [0.1, 0.4]),
        ("tate", [0.1, 0.4]),
        ("mmin", [None]),
    ]
    for table in tables:
        assert [row["system"] for row in table["rows"]] == ["late-fusion", "qmf"]
        for row in table["rows"]:
            for place, rate in enumerate(table["rates"]):
                scenario = "M" if rate is None else f"M{100 * rate:g}"
                run = done / "runs" / f"urbansound8k-av-{table['protocol']}-{scenario}-{row['system']}" / "seed0"
                score = json.loads((run / "eval" / f"{scenario}.json").read_text())
                assert row["accuracy"][place]["values"] == [score["accuracy"]]
                assert table["cells_missing"][place] == score["cells_missing"]
                assert table["complete"][place] == score["complete"]
                fit = Run(run).config().fit
                assert (fit.draws, fit.batch_size, fit.lr, fit.method_options["frozen"]) == (1, 256, 1e-3, True)
        if table["rates"] == [None]:
            assert all(row["area"] is None for row in table["rows"])
        else:
            low, high = (row["mean"] for row in table["rows"][0]["accuracy"])
            assert table["rows"][0]["area"]["mean"] == pytest.approx((low + high) / 2)


def test_every_method_has_the_same_masks(done: Path) -> None:
    for scenario in ("cpm-M10", "cpm-M40", "tate-M10", "mmin-M"):
        runs = list(done.glob(f"runs/*-{scenario}-*/seed0"))
        assert len(runs) == 2
        first, second = ((run / "masks.parquet").read_bytes() for run in runs)
        assert first == second
    (changed,) = done.glob("runs/*-cpm-M10-qmf/seed0/eval/M10.json")
    whole = changed.read_text()
    run = Run(changed.parents[1])
    try:
        run.write_json("eval/M10.json", {**run.read_json("eval/M10.json"), "masks": "0" * 31})
        with pytest.raises(UserError, match=r"late-fusion/seed0 and .*qmf/seed0: scored under M10 on different masks"):
            _again(done)
    finally:
        changed.write_text(whole)


def _again(out: Path) -> str:
    config = Run(next(out.glob("runs/*-cpm-M10-qmf/seed0"))).config()
    manifest = Path(config.manifest.dataset) / "manifest.yaml"
    return table2(manifest, out, *SMALLEST, "--protocol", "cpm,tate", "--protocol", "mmin")


def test_features_are_computed_once_for_all_rates_protocols_and_methods(done: Path) -> None:
    folders = [path for path in (done / "features").iterdir() if (path / "done.json").exists()]
    assert len(folders) == 3, "train, validation, test"


def test_frozen_weights_are_stored_once_and_every_run_is_whole(done: Path) -> None:
    (store,) = (done / "frozen-weights").iterdir()
    runs = [Run(path.parent) for path in done.glob("runs/*/seed0/config.yaml")]
    assert len(runs) == 10
    assert {(run.folder / "frozen.safetensors").stat().st_ino for run in runs} == {store.stat().st_ino}
    weights = [run.weights() for run in runs]
    backbone = {name for name in weights[0] if name.startswith("backbone.")}
    assert backbone
    assert all(torch.equal(weights[0][name], each[name]) for each in weights for name in backbone)
    assert not set(load_file(store)) & set(load_file(runs[0].folder / "model.safetensors")), "each is stored once"


def test_every_published_number_is_judged_with_every_reason(done: Path) -> None:
    found = content(done)
    assert len(found["published"]) == 3 * 84
    assert found["verdicts"] == {"reproduced": 0, "not reproduced": 0, "not comparable": 4, "not run": 80}
    for number in found["published"]:
        where, method, rate = number["labels"]
        why = "; ".join(number["verdict"]["why"])
        measured = method in ("Late Fusion", "QMF") and rate in ("10 %", "40 %") and "mmin" not in where
        assert bool(number["measured"]) == measured
        assert number["verdict"]["word"] == ("not comparable" if measured else "not run")
        if measured:
            for reason in ("other data: urbansound8k-av, not IEMOCAP", "other data split", "modalities: audio, image",
                           "other encoders: frozen tiny", "one recipe", "seeds: 1 here", "best epoch"):  # fmt: skip
                assert reason in why
            assert ("other missing protocol: tate, not cpm" in why) == ("tate" in where)
        elif method == "MLA":
            assert "--methods leaves out mla" in why
        elif method == "QMF":
            assert ("protocol mmin has no rate" if "mmin" in where else "--rates leaves out") in why


def test_the_page_has_protocol_shares_published_rows_rankings_and_charts(done: Path) -> None:
    page, web = ((done / f"mla-table2.{end}").read_text() for end in ("md", "html"))
    assert "## urbansound8k-av, protocol cpm" in page
    assert "missing in training, validation and test" in page
    assert "| *cells missing, %* | *" in page
    assert "| *samples complete, %* | *" in page
    assert "| *published: QMF, IEMOCAP* | *73.49* | *62.27* |" in page
    assert "## Rankings" in page
    assert re.search(r"\| cpm \| (–|-?\d\.\d\d) \(2\) \|", page)  # no tau where both are equally good
    assert web.count('<svg role="img"') == 3
    assert "cells missing (%)" in web
    assert "<script" not in web
    tau = {(r["first"], r["second"]): r["systems"] for r in content(done)["rankings"]}
    assert tau[("cpm", "tate")] == tau[("cpm", "published")] == 2


def test_it_continues_where_it_stopped_and_repeats_nothing(manifest: Path, done: Path) -> None:
    page = (done / "mla-table2.md").read_text()
    files = [*done.rglob("eval/*.json"), *done.rglob("model.safetensors")]
    before = {path: path.stat().st_mtime_ns for path in files}
    lost = next(done.glob("runs/*-cpm-M40-qmf/seed0/eval/M40.json"))
    whole = lost.read_text()
    lost.unlink()
    assert _again(done).count("finished already") == 10
    assert lost.read_text() == whole
    assert {path for path in before if path.stat().st_mtime_ns != before[path]} == {lost}
    assert (done / "mla-table2.md").read_text() == page


def test_a_table_that_was_killed_ends_as_if_it_never_had(manifest: Path, done: Path, tmp_path: Path) -> None:
    some = ("--methods", "late-fusion", "--seeds", "0", "--rates", "0.1,0.4", "--protocol", "cpm")
    with stopped_at_call(4, LateFusion, "loss"):  # in the second run
        table2(manifest, tmp_path, *some)
    assert not (tmp_path / "mla-table2.md").exists()
    assert table2(manifest, tmp_path, *some).count("finished already") == 1
    for run in tmp_path.glob("runs/*/seed0"):
        other = Run(done / run.relative_to(tmp_path)).weights()
        assert all(torch.equal(value, other[name]) for name, value in Run(run).weights().items())


def test_missing_in_test_alone_trains_once_on_clean_data(manifest: Path, tmp_path: Path) -> None:
    said = table2(
        manifest, tmp_path, *SMALLEST[:4], "--rates", "0.3,0.5", "--protocol", "cpm,fixed", "--missing", "test"
    )
    runs = sorted(path.parent.parent.name for path in tmp_path.glob("runs/*/seed0/config.yaml"))
    assert runs == ["urbansound8k-av-C-late-fusion", "urbansound8k-av-C-qmf"]
    assert all(Run(path).config().fit.train_on == "clean" for path in tmp_path.glob("runs/*/seed0"))
    found = content(tmp_path)
    assert [(t["protocol"], len(t["rates"])) for t in found["tables"]] == [
        ("cpm", 2), ("fixed_audio", 1), ("fixed_image", 1),
    ]  # fmt: skip
    assert [t["cells_missing"] for t in found["tables"][1:]] == [[0.5], [0.5]]
    assert "missing in the test split alone" in (tmp_path / "mla-table2.md").read_text()
    assert any("missing in test alone" in why for n in found["published"] for why in n["verdict"]["why"])
    assert "missing in test" in said
    again = table2(manifest, tmp_path, *SMALLEST[:4], "--rates", "0.3", "--protocol", "bernoulli", "--missing", "test")
    assert again.count("finished already") == 2, "another protocol needs no other training"


class TestOptions:
    def test_a_dry_run_lists_the_runs_and_makes_none(self, manifest: Path, tmp_path: Path) -> None:
        said = table2(manifest, tmp_path / "out", "--dry-run")
        count = 7 * 3 * len(available(systems_of("scenarios")))
        assert f"{count} runs; nothing was made" in said
        assert "late-fusion on scenarios, 2 epochs, lr 0.001; scored under cpm M70" in said
        assert not (tmp_path / "out").exists()

    def test_all_systems_that_there_are_are_rows(self) -> None:
        names = [system.name for system in systems_of("scenarios")]
        assert len(names) == 16
        assert {system.name for system in available(systems_of("clean"))} == set(names) & set(METHODS)

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            (["--protocol", "cpn"], '--protocol: no "cpn"; did you mean "cpm"'),
            (["--protocol", ","], "--protocol: names no protocol"),
            (["--protocol", "fixed_text"], "--protocol fixed_text: urbansound8k-av has no text; it has audio, image"),
            (["--rates", "0.1,1.5,x"], "--rates 1.5,x: give numbers from 0 to 1"),
            (["--rates", "nan"], "--rates nan: give numbers from 0 to 1"),
            (["--rates", ""], "--rates '': give numbers"),
            (["--missing", "train"], '--missing: no "train"'),
            (["--methods", "qmff"], '--methods: no "qmff"; did you mean "qmf"'),
            (["--methods", ""], "names no method"),
            (["--set", "method.hgm=off"], "unknown option"),
        ],
    )
    def test_a_bad_option_is_explained(self, manifest: Path, tmp_path: Path, options: list[str], message: str) -> None:
        with pytest.raises(UsageError, match=re.escape(message)):
            table2(manifest, tmp_path / "out", *options, "--dry-run")
        assert not (tmp_path / "out").exists()

    def test_a_data_set_must_be_there(self, manifest: Path, tmp_path: Path) -> None:
        copy = tmp_path / "manifest.yaml"
        copy.write_text(manifest.read_text().replace("dataset: .", "dataset: nowhere"))
        with pytest.raises(UserError, match="nowhere: no data set there"):
            table2(copy, tmp_path / "out", "--dry-run")

    def test_manifests_need_different_names(self, manifest: Path, tmp_path: Path) -> None:
        with pytest.raises(UsageError, match="give each its own"):
            table2(manifest, tmp_path / "out", manifest, "--dry-run")


class TestNumbers:
    def test_the_area_is_over_what_is_really_missing(self, manifest: Path) -> None:
        conditions = conditions_of(load_manifest(str(manifest)), ["cpm"], [0.1, 0.3, 0.7])
        (system, *_) = systems_of("scenarios")
        shares = tuple(MissingShares(x, 0.0) for x in (0.1, 0.3, 0.5))
        row = tuple(Cell(values) for values in ((0.8, 0.6), (0.6, 0.6), (0.2, 0.6)))
        area = RateTable("d", "cpm", conditions, shares, {system: row}).area(system)
        assert area is not None
        assert area.values == pytest.approx(((0.7 * 0.2 + 0.4 * 0.2) / 0.4, 0.6))
        same = RateTable("d", "cpm", conditions, (shares[0],) * 3, {system: row})
        assert same.area(system) is None
        assert same.score(system).values == pytest.approx((1.6 / 3, 0.6))

    def test_rankings_are_compared_by_kendalls_tau(self) -> None:
        scores = {
            "a": {"x": 0.3, "y": 0.2, "z": 0.1},
            "b": {"x": 0.1, "y": 0.2, "z": 0.3, "w": 0.9},
            "c": {"x": 0.5, "z": 0.4},
            "d": {"w": 0.1},
        }
        tau = rank_agreement(scores)
        assert tau[("a", "b")] == (-1.0, 3)
        assert tau[("a", "c")] == (1.0, 2)
        assert tau[("a", "d")] == (None, 0)
        assert tau[("c", "d")] == (None, 0)

    def test_published_scores_are_areas_over_the_nominal_rate(self) -> None:
        mla = np.array([75.07, 72.33, 68.47, 67.00, 63.48, 59.17, 55.89]) / 100
        assert published_scores()["mla"] == pytest.approx(np.trapezoid(mla, dx=1 / 6))
        assert len(published_scores()) == 12
