"""What modalities contribute: Shapley's axioms, hidden modalities that nothing sees, and where it is written."""

import json
import shutil
from dataclasses import replace
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from avtrain.data.batch import Batch
from avtrain.data.batch_source import BatchSource
from avtrain.device import Machine
from avtrain.evaluation.contributions import Coalition, ModalitySubset, coalitions, modality_contributions, shapley
from avtrain.evaluation.predict import predict
from avtrain.methods.base import Method, Prediction
from avtrain.methods.registry import METHODS
from avtrain.methods.shared.unimodal_features import UnimodalFeatures
from avtrain.report.results import Cell
from avtrain.runs.folder import Run
from tests.avtrain.training.test_fit import avtrain_, fit
from tests.support.reports import report, score
from tests.support.toys import CLASSES, toy_batch, toy_method

THREE = ("audio", "image", "text")
CPU = Machine(torch.device("cpu"))


def over_all_orders(players: tuple[str, ...], worth: dict[Coalition, float]) -> dict[str, float]:
    """The mean of what each adds to those that came before it, order by order."""
    orders = list(permutations(players))
    values = dict.fromkeys(players, 0.0)
    for order in orders:
        there: Coalition = frozenset()
        for player in order:
            values[player] += (worth[there | {player}] - worth.get(there, 0.0)) / len(orders)
            there |= {player}
    return values


@st.composite
def games(draw: st.DrawFn) -> tuple[tuple[str, ...], dict[Coalition, float]]:
    players = tuple("abcd"[: draw(st.integers(1, 4))])
    return players, {s: draw(st.floats(0, 1)) for s in coalitions(players)}


class TestShapley:
    @given(games())
    def test_it_is_the_mean_over_all_orders_and_sums_to_the_whole(
        self, game: tuple[tuple[str, ...], dict[Coalition, float]]
    ) -> None:
        players, worth = game
        found = shapley(worth)
        assert found == pytest.approx(over_all_orders(players, worth), abs=1e-12)
        assert sum(found.values()) == pytest.approx(worth[frozenset(players)], abs=1e-12)

    @given(st.lists(st.floats(0, 1), min_size=4, max_size=4))
    def test_players_that_do_the_same_get_the_same_and_one_that_does_nothing_gets_nothing(
        self, by_size: list[float]
    ) -> None:
        alike = {s: by_size[len(s)] for s in coalitions("abc")}
        assert max(shapley(alike).values()) == pytest.approx(min(shapley(alike).values()), abs=1e-12)
        idle = {s: by_size[len(s - {"c"})] if s != {"c"} else 0.0 for s in coalitions("abc")}
        assert shapley(idle)["c"] == pytest.approx(0, abs=1e-12)

    def test_two_modalities_by_hand(self) -> None:
        worth = {frozenset({"audio"}): 0.5, frozenset({"image"}): 0.3, frozenset({"audio", "image"}): 0.9}
        assert shapley(worth) == pytest.approx({"audio": 0.55, "image": 0.35})

    def test_coalitions_are_all_sets_but_the_empty_one(self) -> None:
        found = coalitions(THREE)
        assert len(set(found)) == len(found) == 7
        assert all(found)


class OneBatch:
    """A `BatchSource` of one batch, cut."""

    def __init__(self, batch: Batch) -> None:
        self.batch = batch

    def __len__(self) -> int:
        return len(self.batch)

    def at(self, epoch: int) -> "BatchSource":
        return self

    def under(self, scenario: str) -> "BatchSource":
        return self

    def batches(self, batch_size: int, shuffle_seed: int | None = None, loader: object = None):  # type: ignore[no-untyped-def]
        for start in range(0, len(self.batch), batch_size):
            yield self.batch.rows(slice(start, start + batch_size))


def without(batch: Batch, modality: str, rows: list[int]) -> Batch:
    there = batch.present[modality].clone()
    there[rows] = False
    return replace(batch, present={**batch.present, modality: there})


class TestModalitySubset:
    def test_hidden_modalities_are_absent_and_zero_and_nothing_is_lost(self) -> None:
        whole = toy_batch(modalities=THREE)
        whole = replace(whole, tokens={m: x + 1 for m, x in whole.inputs.items()})
        (batch,) = ModalitySubset(OneBatch(whole), frozenset({"audio", "text"})).batches(8)
        assert not batch.present["image"].any()
        assert not batch.inputs["image"].any()
        assert not batch.tokens["image"].any()
        for modality in ("audio", "text"):
            assert torch.equal(batch.inputs[modality], whole.inputs[modality])
            assert torch.equal(batch.tokens[modality], whole.tokens[modality])
            assert batch.present[modality].all()
        assert (batch.ids, batch.labels.tolist()) == (whole.ids, whole.labels.tolist())
        assert whole.present["image"].all(), "the original batch stays as it was"

    def test_a_sample_that_has_nothing_kept_is_left_out(self) -> None:
        whole = without(toy_batch(), "audio", [0, 1, 2, 3, 6])
        found = list(ModalitySubset(OneBatch(whole), frozenset({"audio"})).batches(4))
        assert [batch.ids for batch in found] == [("clip4", "clip5", "clip7")]  # the first four make no batch at all
        assert found[0].labels.tolist() == whole.labels[[4, 5, 7]].tolist()


class Knowing(Method):
    """Right wherever audio is there; without it, right for class 0 alone."""

    def forward(self, batch: Batch) -> Prediction:
        right = torch.nn.functional.one_hot(batch.labels, CLASSES).double()
        first = torch.eye(CLASSES, dtype=torch.float64)[torch.zeros_like(batch.labels)]
        return Prediction(right.where(batch.present["audio"][:, None], first))


def knowing() -> Knowing:
    return Knowing(toy_method("concat").backbone)


def test_accuracies_of_coalitions_count_every_sample() -> None:
    batch = without(toy_batch(n=6), "audio", [0, 1])  # labels 0 1 2 0 1 2
    source = OneBatch(batch)
    found = modality_contributions(knowing(), source, predict(knowing(), source, 4, CPU, "fp32"), 4, CPU, "fp32")
    # clip0 is right by guess; audio alone leaves out clips 0 and 1, which count as wrong
    assert found["coalitions"] == pytest.approx({"audio": 4 / 6, "image": 2 / 6, "audio+image": 5 / 6})
    assert sum(found["shapley"].values()) == pytest.approx(5 / 6)


def test_a_modality_that_no_sample_has_is_worth_nothing() -> None:
    source = OneBatch(without(toy_batch(n=6), "image", list(range(6))))
    found = modality_contributions(knowing(), source, predict(knowing(), source, 4, CPU, "fp32"), 4, CPU, "fp32")
    assert found["coalitions"]["image"] == 0
    assert found["shapley"] == pytest.approx({"audio": 1.0, "image": 0.0})


@pytest.mark.parametrize("name", [name for name, method in METHODS.items() if issubclass(method, UnimodalFeatures)])
def test_every_method_on_features_scores_every_coalition(name: str) -> None:
    source, method = OneBatch(toy_batch()), toy_method(name)
    outputs = predict(method, source, 8, CPU, "fp32")
    assert np.isfinite(outputs.logits).all()
    found = modality_contributions(method, source, outputs, 8, CPU, "fp32")
    assert set(found["coalitions"]) == {"audio", "image", "audio+image"}
    assert sum(found["shapley"].values()) == pytest.approx(found["coalitions"]["audio+image"])


@pytest.fixture(scope="module")
def runs(small_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """late-fusion with two seeds, evaluated; do not change it."""
    out = tmp_path_factory.mktemp("balanced")
    fit(small_data / "manifest.yaml", out, "--method", "late-fusion", "--epochs", 2, "--seeds", "0,1")
    avtrain_("eval", out, "--severities", "3")
    return out


def test_clean_scores_say_what_each_modality_contributes(runs: Path) -> None:
    files = {path.stem: json.loads(path.read_text()) for path in runs.glob("*/seed0/eval/*.json")}
    assert {name for name, found in files.items() if "shapley" in found} == {"C"}
    clean = files["C"]
    assert clean["coalitions"]["audio+image"] == clean["accuracy"]
    assert sum(clean["shapley"].values()) == pytest.approx(clean["accuracy"])
    # with one modality kept, the mean over those present is that modality's own score
    assert clean["coalitions"]["audio"] == pytest.approx(clean["per_modality"]["audio"])
    assert clean["coalitions"]["image"] == pytest.approx(clean["per_modality"]["image"])


def test_cached_tokens_give_the_same_contributions(small_data: Path, tmp_path: Path) -> None:
    frozen = (
        "--method",
        "concat",
        "--train-on",
        "clean",
        "--epochs",
        1,
        "--set",
        "method.frozen=true",
        "--set",
        "method.width=8",
    )
    out = fit(small_data / "manifest.yaml", tmp_path, *frozen)
    file = out / "urbansound8k-av-concat-tiny-clean" / "seed0" / "eval" / "C.json"
    found = []
    for how in ((), ("--no-cache",)):
        avtrain_("eval", out, "--scenarios", "C", *how)
        found.append(json.loads(file.read_text())["coalitions"])
        shutil.rmtree(file.parent)
    assert (tmp_path / "features").is_dir()
    assert found[0] == pytest.approx(found[1], abs=0.05)  # tokens are kept in fp16


def test_the_report_has_contributions_and_curves_of_every_row(runs: Path, small_data: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(runs, tmp_path / "runs"))
    fit(small_data / "manifest.yaml", copy, "--epochs", 1)  # finetune: joint scores alone, and one seed
    avtrain_("eval", copy / "urbansound8k-av-finetune-tiny", "--scenarios", "C")
    avtrain_("report", copy)
    scores = [json.loads((run / "eval" / "C.json").read_text()) for run in sorted(copy.glob("*late*/seed*"))]
    shown = [Cell(tuple(s["coalitions"][kept] for s in scores)) for kept in ("audio", "image", "audio+image")]
    shown += [Cell(tuple(s["shapley"][m] for s in scores)) for m in ("audio", "image")]
    markdown, page = (copy / "report.md").read_text(), (copy / "report.html").read_text()
    assert "| method | audio | image | audio+image | Shapley audio | Shapley image | n |" in markdown
    cells = " | ".join(map(str, shown))
    assert f"| late-fusion (tiny, trained on scenarios) | {cells} | 2 |" in markdown
    assert "What each modality contributes" in page
    assert "late-fusion: unimodal accuracy" in page
    lines = [Run(run).metrics()[1] for run in sorted(copy.glob("*late*/seed*"))]
    mean = np.mean([scores["audio"] for line in lines for scores in line["unimodal"].values()])
    assert f"audio: {100 * mean:.3g} in epoch 2, n = 2" in page
    norm = np.mean([line["gradient_norms"]["image"] for line in lines])
    assert f"image: {norm:.3g} in epoch 2, n = 2" in page
    assert "finetune: gradient norms" in page


def test_scores_of_earlier_versions_make_a_report_without_contributions(tmp_path: Path) -> None:
    assert "contributes" not in report(tmp_path, [score("map", "C", 0.5)])
    assert "contributes" not in (tmp_path / "report.md").read_text()
