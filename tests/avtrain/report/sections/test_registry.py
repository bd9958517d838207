"""Every section in the list: valid HTML, names escaped; and a section added to the list is in the report."""

from dataclasses import replace
from html import escape
from html.parser import HTMLParser
from pathlib import Path

import pytest

from avtrain.report.results import Results
from avtrain.report.sections import registry
from avtrain.report.sections.base import Section
from avtrain.report.validation_sweeps import RankedPoint, ValidationSweep
from avtrain.report.view import ReportView, build_view
from tests.avtrain.training.test_fit import avtrain_
from tests.support.predicted import right, rows, write_predicted
from tests.support.reports import epochs, report, score, severities, view_of, write_runs

NAME = 'n<b> [x] "&'


class Balance(HTMLParser):
    """Checks that every element is closed, in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Leave out elements that close themselves."""

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag


def assert_balanced(html: str) -> None:
    parser = Balance()
    parser.feed(html)
    parser.close()
    assert not parser.open


@pytest.fixture(scope="module")
def view(tmp_path_factory: pytest.TempPathFactory) -> ReportView:
    """Return results that every section has something to show of, with one awkward name for everything."""
    facts = {
        "manifest": NAME, "backbone": NAME, "train_on": NAME, "inference": NAME, "classes": [NAME, "cat", "dog"],
        "choice": {NAME: 0.4, "D": 0.6}, "coalitions": {NAME: 0.4, "audio": 0.1}, "shapley": {NAME: 0.4, "audio": 0.1},
        "swap": {NAME: 0.4, "D": 0.1}, "router_accuracy": 0.5,
        "adaptation": {"name": NAME, "stream": NAME, "batch": 64, "predicts": NAME, "seconds_per_sample": 0.001},
    }  # fmt: skip
    evaluations = [
        *(score(NAME, "C", 0.9, seed=seed, run=f"a/seed{seed}", **facts) for seed in (0, 1)),
        *(score(NAME, NAME, 0.7, seed=seed, run=f"a/seed{seed}", **facts) for seed in (0, 1)),
        *severities(NAME, NAME, [0.8, 0.5], run="a/seed0", **facts),
        score(NAME, NAME, 0.7, run="a/seed0", other_manifest=NAME, ops_trained_on=["image blur"], **facts),
        score(NAME, "C", 0.5, run=f"b {NAME}/seed0", **facts),
    ]
    folder, split = tmp_path_factory.mktemp("runs"), rows()
    for position, snr in enumerate((20, 0, -10), 3):
        spec = {"audio": [{"gaussian_noise": {"snr_db": snr}}]}
        for run, seed in (("a", 0), ("a", 1), (f"b {NAME}", 0)):
            more = {**facts, "seed": seed, "run": f"{run}/seed{seed}", "position": position, "spec": spec}
            e = score(NAME, f"{NAME}{snr}", 0.5, **more)
            write_predicted(folder, e, split, right(0.5, len(split.samples), seed))
    return view_of(folder, evaluations, epochs({NAME: 0.3}, {NAME: 0.4}))


def test_the_checker_finds_elements_left_open() -> None:
    for broken in ("<p>", "<p><b></p></b>", "</p>"):
        with pytest.raises(AssertionError):
            assert_balanced(broken)


def test_no_two_sections_have_one_name() -> None:
    names = [section.name for section in registry.SECTIONS]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("section", registry.SECTIONS, ids=lambda section: section.name)
def test_every_section_is_valid_html_with_names_escaped(section: Section, view: ReportView, tmp_path: Path) -> None:
    if section.name == "cross_validation":  # which is about other runs than the other sections
        facts = {"manifest": NAME, "folds": [1, 2]}
        view = view_of(tmp_path, [score(NAME, NAME, 0.5, fold=n, run=f"a/fold{n}/seed0", **facts) for n in (1, 2)])
    if section.name == "option_sweeps":  # which are found by their folders
        sweep = ValidationSweep(NAME, NAME, NAME, NAME, (NAME,), (RankedPoint((NAME,), "50.0", "1"),))
        view = replace(view, sweeps=[sweep])
    html = section.html(view)
    assert html
    assert_balanced(html)
    assert escape(NAME) in html
    assert "n<b>" not in html


@pytest.mark.parametrize("section", registry.SECTIONS, ids=lambda section: section.name)
def test_markdown_ends_with_a_newline_where_there_is_any(section: Section, view: ReportView) -> None:
    markdown = section.markdown(view)
    assert markdown == "" or (markdown.endswith("\n") and markdown.startswith("##"))


@pytest.mark.parametrize("section", registry.SECTIONS, ids=lambda section: section.name)
def test_a_section_is_empty_where_no_run_has_been_evaluated(section: Section) -> None:
    view = build_view(Results("demo", {}, {}))
    assert section.html(view) == section.markdown(view) == ""


def test_a_section_of_a_plug_in_is_in_the_markdown_too(tmp_path: Path) -> None:
    code = "SECTION = Section('mine', markdown=lambda view: '### Mine\\n')"
    (tmp_path / "mine.py").write_text(f"from avtrain.report.sections.base import Section\n{code}\n")
    write_runs(tmp_path / "runs", [score("map", "D", 0.5)])
    avtrain_("report", tmp_path / "runs", "--plugin", tmp_path / "mine.py")
    assert "### Mine" in (tmp_path / "runs" / "report.md").read_text()


def test_a_section_added_to_the_list_is_in_page_and_markdown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    added = Section(
        "entry_count",
        lambda view: f"<h3>{len(view.styles)} entries of {escape(view.results.manifest)}</h3>",
        lambda view: f"### {len(view.styles)} entries of {view.results.manifest}\n",
    )
    monkeypatch.setattr(registry, "SECTIONS", [added, *registry.SECTIONS])
    two = score("film", "D", 0.5, manifest="two", run="two/seed0")
    page = report(tmp_path, [score("map", "D", 0.5), score("lora", "D", 0.5), two])
    markdown = (tmp_path / "report.md").read_text()
    for text in (page, markdown):
        for heading in ("2 entries of demo", "1 entries of two"):
            assert text.count(heading) == 1
        assert text.index("2 entries of demo") < text.index("map") < text.index("1 entries of two")
