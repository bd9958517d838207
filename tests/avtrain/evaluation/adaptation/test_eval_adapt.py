"""`avtrain eval --adapt` on small runs: every adapter and stream, beside the plain scores, which stay as they are."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from avbuild.errors import UsageError, UserError
from avtrain.evaluation.adaptation.registry import ADAPTERS
from avtrain.evaluation.adaptation.source import FILE
from avtrain.evaluation.adaptation.streams import make_streams
from tests.avtrain.training.test_fit import avtrain_, fit
from tests.support.commands import tree

RUN = "urbansound8k-av-linear-probe-tiny/seed0"


@pytest.fixture(scope="module")
def trained(small_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """linear-probe, evaluated under C and D; do not change it."""
    out = tmp_path_factory.mktemp("adapted")
    fit(small_data / "manifest.yaml", out, "--epochs", 1, "--method", "linear-probe")
    avtrain_("eval", out, "--scenarios", "C,D")
    return out


@pytest.fixture
def runs(trained: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(trained, tmp_path / "runs"))


def adapted(run: Path) -> dict[str, dict[str, Any]]:
    """All that was written with adapters, by path without .json."""
    folder = run / "adapted"
    return {p.relative_to(folder).with_suffix("").as_posix(): json.loads(p.read_text()) for p in folder.rglob("*.json")}


def confusion(run: Path, name: str) -> list[list[int]]:
    found: list[list[int]] = json.loads((run / name).read_text())["confusion"]
    return found


@pytest.mark.parametrize("name", ADAPTERS)
def test_every_adapter_scores_a_stream_and_changes_nothing_else(runs: Path, name: str) -> None:
    avtrain_("eval", runs, "--scenarios", "C", "--adapt", "align")  # stores the statistics of the run
    shutil.rmtree(runs / RUN / "adapted")
    before = tree(runs / RUN)
    avtrain_("eval", runs, "--scenarios", "C,D", "--adapt", name, "--adapt-batch", 16)
    after = tree(runs / RUN)
    assert {path: after[path] for path in before} == before
    assert {path.split("/")[0] for path in after.keys() - before.keys()} == {"adapted"}
    found = adapted(runs / RUN)
    assert set(found) == {f"{name}-one-16/C", f"{name}-one-16/D"}
    for scores in found.values():
        assert scores["method"] == f"linear-probe+{name}:16"
        assert scores["adaptation"]["seconds_per_sample"] > 0
        assert scores["adaptation"]["predicts"] == ADAPTERS[name].predicts
        assert 0 <= scores["accuracy"] <= 1


@pytest.mark.parametrize("stream", ["one", "continual", "mixed"])
def test_without_adaptation_every_stream_scores_as_the_run_does(runs: Path, stream: str) -> None:
    avtrain_("eval", runs, "--scenarios", "C,D", "--adapt", "none", "--stream", stream, "--adapt-batch", 4)
    for scenario in "CD":
        expected = confusion(runs / RUN, f"eval/{scenario}.json")
        assert confusion(runs / RUN, f"adapted/none-{stream}-4/{scenario}.json") == expected


@pytest.mark.parametrize("name", ["tent", "tsa"])
def test_results_depend_on_neither_workers_nor_repetition(runs: Path, name: str) -> None:
    def logits() -> dict[str, bytes]:
        return {k: v for k, v in tree(runs / RUN / "adapted").items() if k.endswith(".parquet")}

    command = ("eval", runs, "--scenarios", "C,D", "--adapt", name, "--stream", "mixed", "--adapt-batch", 16)
    avtrain_(*command)
    first = logits()
    assert len(first) == 2
    avtrain_(*command, "--workers", 2)
    assert logits() == first


def test_a_stream_of_its_own_starts_anew_and_a_continual_one_does_not(runs: Path) -> None:
    common = ("eval", runs, "--adapt", "tent", "--adapt-batch", 8)
    avtrain_(*common, "--scenarios", "D")
    alone = (runs / RUN / "adapted/tent-one-8/D.predictions.parquet").read_bytes()
    avtrain_(*common, "--scenarios", "C,D")
    assert (runs / RUN / "adapted/tent-one-8/D.predictions.parquet").read_bytes() == alone
    avtrain_(*common, "--scenarios", "C,D", "--stream", "continual")
    continual = runs / RUN / "adapted/tent-continual-8"
    assert (continual / "C.predictions.parquet").read_bytes() == (
        runs / RUN / "adapted/tent-one-8/C.predictions.parquet"
    ).read_bytes()
    assert (continual / "D.predictions.parquet").read_bytes() != alone


def test_every_sample_comes_once_in_an_order_of_the_seed() -> None:
    one, mixed = make_streams("one", ["C", "D"], 30, 0), make_streams("mixed", ["C", "D"], 30, 0)
    assert [stream.name for stream in one] == ["C", "D"]
    assert sorted(one[0].items + one[1].items) == sorted(mixed[0].items) == [(c, r) for c in (0, 1) for r in range(30)]
    assert [row for _, row in one[0].items] != [row for _, row in one[1].items]
    assert make_streams("one", ["C", "D"], 30, 0) == one != make_streams("one", ["C", "D"], 30, 1)
    assert len({condition for condition, _ in mixed[0].items[:16]}) == 2
    assert [stream.new for stream in make_streams("continual", ["C", "D"], 30, 0)] == [True, False]


def test_the_report_shows_adapted_runs_beside_plain_ones(runs: Path) -> None:
    avtrain_("eval", runs, "--scenarios", "C,D", "--adapt", "align")
    avtrain_("eval", runs, "--scenarios", "C,D", "--adapt", "none", "--stream", "mixed")
    avtrain_("report", runs)
    text = (runs / "report.md").read_text()
    assert "linear-probe+align (tiny" in text
    assert "linear-probe+none:mixed (tiny" in text
    assert "ms a sample" in text
    html = (runs / "report.html").read_text()
    assert "ms a sample" in html
    assert "linear-probe+align" in avtrain_("compare", runs, "--baseline", "linear-probe", "--format", "csv")


def test_a_run_gets_its_statistics_when_they_are_needed(runs: Path) -> None:
    avtrain_("eval", runs, "--scenarios", "C", "--adapt", "tent")
    assert not (runs / RUN / FILE).exists()
    avtrain_("eval", runs, "--scenarios", "C", "--adapt", "align")
    stored = (runs / RUN / FILE).read_bytes()
    (runs / RUN / FILE).write_bytes(stored[:-3] + b"abc")
    with pytest.raises(UserError, match=r"source.safetensors: damaged"):
        avtrain_("eval", runs, "--scenarios", "C", "--adapt", "align")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--adapt", "aligned"), 'no such adapter; did you mean "align"?'),
        (("--adapt", "align", "--stream", "all"), "no such stream; allowed are one, continual, mixed"),
        (("--stream", "mixed"), "is for --adapt alone"),
        (("--adapt-batch", "4"), "is for --adapt alone"),
    ],
)
def test_wrong_options_are_one_error(trained: Path, options: tuple[str, ...], message: str) -> None:
    with pytest.raises(UsageError, match=message.replace("?", r"\?")):
        avtrain_("eval", trained, *options)


def test_another_manifest_scores_what_was_trained_on_too(runs: Path, small_data: Path, tmp_path: Path) -> None:
    path = tmp_path / "everything.yaml"
    path.write_text(
        f"manifest: 1\nname: everything\ndataset: {small_data}\nscenarios:\n"
        "  C: {}\n  no_audio: {audio: missing}\n  no_image: {image: missing}\n"
    )
    avtrain_("eval", runs, "--manifest", path, "--adapt", "align")
    assert set(adapted(runs / RUN)) == {
        f"align-one-64/{name}" for name in ("C", "everything/no_audio", "everything/no_image")
    }
    missing = adapted(runs / RUN)["align-one-64/everything/no_audio"]["missing_rate"]
    assert missing == {"audio": 1.0, "image": 0.0}
