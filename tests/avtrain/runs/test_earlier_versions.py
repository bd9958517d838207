"""Run folders of version 0.1: their log calls the selection scores `validation`, their state calls digests `ground`."""

import json
from pathlib import Path

import pytest
import torch

from avbuild.errors import UserError
from avtrain.report.sections import training_curves
from avtrain.runs.cost import cost, seconds_to_nearly
from avtrain.runs.folder import Run
from avtrain.runs.metrics_line import read_metrics_line
from avtrain.training.tracking import scalars, tracking
from tests.avtrain.training.test_fit import fit, weights
from tests.avtrain.training.test_tracking import shown
from tests.support.reports import score, view_of
from tests.support.stopping import stopped_in

RUN = "urbansound8k-av-finetune-tiny/seed0"
LINE = (
    '{"epoch": 1, "loss": 4.25, "validation": {"C": 0.5, "D": 0.25}, "mean": 0.375, '
    '"seconds": {"train": 2.5, "all": 3.0}, "selected_on": "validation", '
    '"unimodal": {"C": {"audio": 0.25, "image": 0.5}, "D": {"audio": 0.75, "image": 0.0}}, '
    '"gradient_norms": {"audio": 1.5, "image": 0.5}, "learning_rate": 0.001}'
)
RESULT = {
    "best_epoch": 1, "selected_on": "validation", "validation": 0.375, "trainable_parameters": 10, "parameters": 20,
    "cache_seconds": 0.0, "peak_memory": {"bytes": 1000, "of": "process"},
}  # fmt: skip


@pytest.fixture(scope="module")
def manifest(small_data: Path) -> Path:
    return small_data / "manifest.yaml"


@pytest.fixture(scope="module")
def whole(manifest: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of this version, trained without a stop; do not change it."""
    return fit(manifest, tmp_path_factory.mktemp("whole")) / RUN


def as_in_0_1(run: Path) -> None:
    """Rewrite log and state of a stopped run as version 0.1 wrote them."""
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    old = [
        {"validation" if key == "selection" else key: value for key, value in line.items() if key != "digest"}
        for line in lines
    ]
    (run / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in old))
    state = torch.load(run / "state.pt", weights_only=True)
    written = {
        "ground": state["fingerprints"],
        "epoch": state["epoch"],
        "best": state["best"],
        "method": state["method"],
        "method_training": state["method_training"],
        "optimizer": state["optimizer"],
        "average": state["average"],
        "random": state["random"],
        "random_cuda": state["random_cuda"],
    }
    torch.save(written, run / "state.pt")


def test_a_line_is_read_with_the_keys_of_this_version() -> None:
    line = read_metrics_line(LINE.encode())
    assert line["selection"] == {"C": 0.5, "D": 0.25}
    assert "validation" not in line
    rest = json.loads(LINE)
    del rest["validation"]
    assert {key: value for key, value in line.items() if key != "selection"} == rest
    assert read_metrics_line(json.dumps(line).encode()) == line


def test_trackers_cost_and_report_read_it(whole: Path, tmp_path: Path) -> None:
    run = Run(tmp_path)
    (tmp_path / "config.yaml").write_bytes((whole / "config.yaml").read_bytes())
    (tmp_path / "metrics.jsonl").write_text(LINE + "\n")
    run.write_json("result.json", RESULT)
    (line,) = run.metrics()
    shown_as = scalars(line)
    assert (shown_as["validation"], shown_as["validation/C"], shown_as["validation/D"]) == (0.375, 0.5, 0.25)
    with tracking(run, run.config(), 0, ()) as track:
        track(line)
    assert [value for _, value in shown(tmp_path)["validation/D"]] == [0.25]
    assert cost([run]).seconds_per_epoch == seconds_to_nearly(run.metrics()) == 2.5
    view = view_of(tmp_path / "report", [score("late", "C", 0.8)], [json.loads(LINE)])
    page = training_curves.html(view)
    assert "audio: 50 in epoch 1, n = 1" in page  # the mean over the scenarios
    assert "image: 0.5 in epoch 1, n = 1" in page


def test_a_stopped_run_is_continued(whole: Path, manifest: Path, tmp_path: Path) -> None:
    with stopped_in(epoch=2):
        fit(manifest, tmp_path)
    run = tmp_path / RUN
    as_in_0_1(run)
    fit(manifest, tmp_path)
    first, second = weights(whole), weights(run)
    assert all(torch.equal(first[key], second[key]) for key in first)
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    expected = [json.loads(line) for line in (whole / "metrics.jsonl").read_text().splitlines()]
    assert [line["selection"] for line in lines] == [line["selection"] for line in expected]
    assert not [line for line in lines if "validation" in line]


def test_a_stopped_run_is_refused_where_its_digests_differ(manifest: Path, tmp_path: Path) -> None:
    with stopped_in(epoch=1):
        fit(manifest, tmp_path)
    path = tmp_path / RUN / "state.pt"
    as_in_0_1(path.parent)
    state = torch.load(path, weights_only=True)
    torch.save(state | {"ground": state["ground"] | {"train data": "another"}}, path)
    with pytest.raises(UserError, match="train data changed since this run was begun"):
        fit(manifest, tmp_path)
