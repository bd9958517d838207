"""The pages in a real browser: none scrolls sideways on a telephone or a laptop, and a preview fits on paper."""

from pathlib import Path

import pytest

from tests.avtrain.training.test_fit import SMALL, avtrain_
from tests.support.browser import measure, printed_pages, why_no_browser
from tests.support.commands import succeed
from tests.support.reports import epochs, report, score, severities

WIDTHS = (400, 1280)
SHEET = 1046  # CSS pixels of A4 across, within margins of 1 cm
LONG = "a_folder_with_a_rather_long_name_that_has_no_place_to_break_it_in_two"
METHODS = [*(f"method-{number}" for number in range(15)), "late-fusion", LONG]


@pytest.fixture(autouse=True, scope="module")
def _browser() -> None:
    if reason := why_no_browser():
        pytest.skip(reason)


@pytest.fixture(scope="module")
def pages(small_data: Path, tmp_path_factory: pytest.TempPathFactory, _browser: None) -> dict[str, Path]:
    """A page of each kind, by kind; do not change them."""
    folder = tmp_path_factory.mktemp("pages")
    made = {name: folder / name / f"{name}.html" for name in ("preview", "errors", "sweep", "report", "reproduction")}
    for page in made.values():
        page.parent.mkdir()
    succeed("preview", small_data, "--scenario", "D", "--samples", 4, "--out", made["preview"])
    runs, given = folder / LONG, ("--backbone", "tiny", "--epochs", 1, "--batch-size", 32, *SMALL)
    avtrain_("fit", small_data / "manifest.yaml", *given, "--out", runs)
    avtrain_("eval", runs, "--scenarios", "D")
    run = next(runs.glob("*/seed0"))
    avtrain_("errors", run, "--scenario", "D", "--top", 4, "--device", "cpu", "--out", made["errors"])
    avtrain_(
        "sweep",
        small_data / "manifest.yaml",
        *given,
        "--grid=method.head_lr=1,10",
        "--name",
        LONG,
        "--out",
        folder / "swept",
    )
    avtrain_("report", folder / "swept")
    made["sweep"] = folder / "swept" / "report.html"
    made["report"].write_text(_long_report(folder / "many"))
    avtrain_("reproduce", "mla-table2", "--out", folder / "again")
    made["reproduction"] = folder / "again" / "mla-table2.html"
    return made


def _long_report(folder: Path) -> str:
    """Return a report of 17 methods, one with a long name, with charts of every kind."""
    shares = {
        "choice": {LONG: 0.4, "D": 0.6}, "coalitions": {"audio": 0.4, "image": 0.3},
        "shapley": {"audio": 0.4, "image": 0.1}, "classes": [LONG, "cat", "dog"],
    }  # fmt: skip
    scores = []
    for place, method in enumerate(METHODS):
        scores += [score(method, name, 0.9 - place / 40, **shares) for name in ("C", "A", "V", "D", LONG)]
        scores += severities(method, "D", [0.8, 0.7, 0.6, 0.5, 0.4], **shares)
        for position, snr in enumerate((20, 10, 0, -10), 5):
            spec = {"audio": [{"gaussian_noise": {"snr_db": snr}}]}
            scores.append(score(method, f"snr{snr}", 0.5 + snr / 100, spec=spec, position=position, **shares))
    return report(folder, scores, epochs({"audio": 0.3, "image": 0.5}, {"audio": 0.4, "image": 0.6}))


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("kind", ["preview", "errors", "sweep", "report", "reproduction"])
def test_a_page_does_not_scroll_sideways(pages: dict[str, Path], kind: str, width: int) -> None:
    measured = measure(pages[kind], width)
    assert measured.content <= measured.viewport


def test_all_severities_of_a_preview_are_visible_on_a_laptop_and_on_paper(pages: dict[str, Path]) -> None:
    for width, printed in ((1280, False), (SHEET, True)):
        measured = measure(pages["preview"], width, "thead th", printed=printed)
        assert len(measured.right) == 7  # the sample, clean, and five severities
        assert max(measured.right) <= width
    sheets, sizes = printed_pages(pages["preview"])
    assert sheets >= 1
    assert all(wide > tall for wide, tall in sizes)


def test_a_page_that_is_too_wide_is_found(tmp_path: Path) -> None:
    page = tmp_path / "wide.html"
    page.write_text("<!doctype html><html><div style='width: 700px'>wide</div></html>")
    assert measure(page, 400).content >= 700
    assert measure(page, 1280).content <= 1280
