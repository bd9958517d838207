"""errors: the worst samples first, with what was done to them, and nothing of them acts on the page."""

import csv
import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from avbuild.errors import UsageError, UserError
from avtrain.evaluation.metrics import softmax
from avtrain.evaluation.predictions import read_predictions
from avtrain.evaluation.worst_samples import WorstSample, WorstSamples
from avtrain.report.error_page import COLUMNS, render_error_csv, render_error_page
from tests.avtrain.training.test_fit import avtrain_, fit
from tests.support.commands import rows
from tests.support.sealed import rewrite

FINETUNE, PROMPT = "urbansound8k-av-finetune-tiny/seed0", "urbansound8k-av-prompt-tiny/seed0"


@pytest.fixture(scope="module")
def runs(small_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """finetune and prompt, evaluated; do not change it."""
    out = tmp_path_factory.mktemp("runs")
    for method in (("finetune",), ("prompt", "--set", "method.heads=2")):
        fit(small_data / "manifest.yaml", out, "--epochs", 1, "--method", *method)
    avtrain_("eval", out, "--severities", 5)
    return out


def lines(page: Path) -> list[dict[str, str]]:
    with page.with_suffix(".csv").open(newline="") as file:
        return list(csv.DictReader(file))


class Balance(HTMLParser):
    """Checks that every element that needs an end has one."""

    OPTIONAL = ("html", "meta", "img", "li")

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.seen.append(tag)
        if tag not in self.OPTIONAL and tag != "br":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.OPTIONAL:
            assert self.open.pop() == tag


def test_the_worst_samples_come_first_with_what_was_done_to_them(runs: Path, small_data: Path, tmp_path: Path) -> None:
    page = tmp_path / "worst.html"
    printed = avtrain_("errors", runs / FINETUNE, "--scenario", "D", "--top", 7, "--out", page)
    scores = json.loads((runs / FINETUNE / "eval/D.json").read_text())
    predictions = read_predictions(runs / FINETUNE, scores)
    assert predictions.temperature is not None
    assert (predictions.temperature != 1).all()  # so that the losses below are not those of the bare logits
    losses = -np.log(softmax(predictions.outputs().calibrated)[np.arange(len(predictions.ids)), predictions.labels])
    expected = [predictions.ids[row] for row in np.argsort(-losses, kind="stable")[:7]]
    found = lines(page)
    assert [line["id"] for line in found] == expected
    assert [float(line["loss"]) for line in found] == pytest.approx(sorted(losses, reverse=True)[:7], abs=1e-5)
    stored = {row["id"]: row for row in rows(small_data, "D")}
    for line in found:  # computed anew, and yet what is on disk
        assert json.loads(line["corruption"]) == json.loads(stored[line["id"]]["corruption"])
        assert line["label"] == scores["classes"][stored[line["id"]]["label"]]
        assert 0 <= float(line["p_label"]) <= float(line["p_predicted"]) <= 1
    text = page.read_text()
    wrong = round(scores["n"] * (1 - scores["accuracy"]))
    assert f"{wrong:,} of {scores['n']:,} samples" in printed
    assert f"{wrong:,} of {scores['n']:,} samples" in text
    assert text.count("<article>") == 7
    assert text.count("<audio ") == text.count("class=spectrogram") == 14  # clean and corrupted
    op = json.loads(found[0]["corruption"])["audio"][0]["op"]
    assert f"{op}: " in text


def test_the_page_loads_nothing_and_is_well_formed(runs: Path, tmp_path: Path) -> None:
    page = tmp_path / "worst.html"
    avtrain_("errors", runs / FINETUNE, "--scenario", "D-severity5", "--top", 3, "--out", page)
    text = page.read_text()
    assert not re.search(r"https?:|href=|<script|@import|url\(", text)
    assert set(re.findall(r'src="(data:\w+/\w+)', text)) == {"data:image/webp", "data:audio/flac"}
    assert len(re.findall(r"src=", text)) == len(re.findall(r'src="data:', text))
    parser = Balance()
    parser.feed(text)
    assert parser.open == []
    # nothing is wider than a card: fixed widths have a limit, and a card fits a narrow window
    assert "minmax(min(100%, 24rem), 1fr)" in text
    for rule in re.findall(r"[^{}]+\{[^{}]*width: 176px[^{}]*\}", text):
        assert "max-width: 100%" in rule


def test_clean_samples_are_shown_once(runs: Path, tmp_path: Path) -> None:
    page = tmp_path / "clean.html"
    avtrain_("errors", runs / FINETUNE, "--scenario", "C", "--top", 2, "--out", page)
    assert page.read_text().count("<audio ") == 2
    assert {line["corruption"] for line in lines(page)} == {"{}"}


def test_another_split_is_computed(runs: Path, tmp_path: Path) -> None:
    page = tmp_path / "validation.html"
    avtrain_("errors", runs / FINETUNE, "--scenario", "A", "--split", "validation", "--out", page, "--device", "cpu")
    found = lines(page)
    assert {line["split"] for line in found} == {"validation"}
    tested = read_predictions(runs / FINETUNE, json.loads((runs / FINETUNE / "eval/A.json").read_text()))
    assert not {line["id"] for line in found} & set(tested.ids)


@pytest.mark.parametrize(("asked", "expected"), [((), "router"), (("--inference", "oracle"), "oracle")])
def test_an_inference_mode_can_be_chosen(runs: Path, tmp_path: Path, asked: tuple[str, ...], expected: str) -> None:
    page = tmp_path / "prompt.html"
    avtrain_("errors", runs / PROMPT, "--scenario", "D", "--out", page, *asked)
    assert {line["inference"] for line in lines(page)} == {expected}
    assert f"({expected})" in page.read_text()


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (("--scenario", "E"), r"--scenario E: no such scenario.*allowed: C, A, V, D"),
        (("--scenario", "C-severity3"), "C has no severities"),
        (("--scenario", "D", "--split", "tset"), "--split tset: allowed are train, validation, test"),
        (("--scenario", "D", "--inference", "router"), "finetune has no inference modes"),
        (("--scenario", "D", "--out", "page.txt"), r"ends with \.html"),
    ],
)
def test_what_cannot_be_shown_is_refused(runs: Path, asked: tuple[str, ...], expected: str) -> None:
    with pytest.raises(UsageError, match=expected):
        avtrain_("errors", runs / FINETUNE, *asked)


def test_a_scenario_that_was_not_evaluated_is_named(runs: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"not evaluated under D-severity2 .*avtrain eval"):
        avtrain_("errors", runs / FINETUNE, "--scenario", "D-severity2", "--out", tmp_path / "a.html")
    copy = Path(shutil.copytree(runs / FINETUNE, tmp_path / "runs" / "seed0"))
    rewrite(copy / "eval" / "D.json", scenario_hash="0")
    with pytest.raises(UserError, match="evaluated on other data or another D"):
        avtrain_("errors", copy, "--scenario", "D", "--out", tmp_path / "a.html")
    assert not (tmp_path / "a.html").exists()


@pytest.mark.parametrize("name", ["worst.html", "worst.csv"])
def test_a_file_of_somebody_else_is_not_replaced(runs: Path, tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("mine")
    with pytest.raises(UsageError, match="was not written by avtrain errors"):
        avtrain_("errors", runs / FINETUNE, "--scenario", "D", "--out", tmp_path / "worst.html")
    assert (tmp_path / name).read_text() == "mine"
    (tmp_path / name).unlink()
    for _ in range(2):  # its own are
        avtrain_("errors", runs / FINETUNE, "--scenario", "D", "--out", tmp_path / "worst.html")


def test_names_are_escaped() -> None:
    bad = '<img onerror="x">&\x1b'
    sample = WorstSample(
        id=bad, group=bad, fold=0, label=bad, predicted=bad, loss=1.0, probabilities={bad: 1.0},
        clean={"audio": np.zeros(600, dtype=np.float32), "image": None}, corrupted={"audio": None, "image": None},
        record={"audio": "missing", "image": [{"op": bad, bad: bad}]}, on_features=True,
    )  # fmt: skip
    worst = WorstSamples(bad, bad, "test", bad, 1, 1, [sample])
    page = render_error_page(worst)
    assert "<img onerror" not in page
    assert "\x1b" not in page
    assert page.count("&lt;img onerror=&quot;x&quot;&gt;&amp;") >= 6
    ((*_,), line) = csv.reader(render_error_csv(worst).splitlines())
    assert dict(zip(COLUMNS, line, strict=True))["id"] == bad
