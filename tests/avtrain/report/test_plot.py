"""The plot of a report: readable with two methods and with seventeen."""

import io
from pathlib import Path

import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

from avtrain.report.charts.series import LIGHT
from tests.support.predicted import write_methods
from tests.support.reports import report, score


@pytest.mark.parametrize("count", [1, 2, 17, 40])
def test_no_two_methods_look_alike_and_the_legend_covers_no_bar(
    tmp_path: Path, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[Figure] = []
    save = Figure.savefig

    def keep(self: Figure, *args: object, **options: object) -> None:
        save(self, *args, **options)  # type: ignore[arg-type]
        drawn.append(self)

    monkeypatch.setattr(Figure, "savefig", keep)
    methods = [f"method-{number}" for number in range(count)]
    scores = [score(m, name, 0.9 - i / 60) for i, m in enumerate(methods) for name in ("C", "A", "V", "D")]
    report(tmp_path, scores)
    (axes,) = drawn[0].axes
    looks = {(bars[0].get_facecolor(), bars[0].get_hatch()) for bars in axes.containers if hasattr(bars, "patches")}
    assert len(looks) == min(count, 35)  # seven colours with five hatches each
    legend, area = axes.get_legend().get_window_extent(), axes.get_window_extent()
    assert legend.x0 >= area.x1
    assert legend.x1 <= drawn[0].bbox.x1 + 1
    with Image.open(io.BytesIO((tmp_path / "report.png").read_bytes())) as image:
        assert max(image.size) < 5000


def test_the_colours_are_those_of_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    used: list[str] = []
    draw = Axes.bar

    def keep(self: Axes, *args: object, **options: object) -> object:
        used.append(str(options["color"]))
        return draw(self, *args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(Axes, "bar", keep)
    write_methods(tmp_path, {f"m{number}": (0.8, 0.6) for number in range(7)})
    page = report(tmp_path, [])
    assert used == list(LIGHT)
    assert all(f"--s{index}: {colour}" in page for index, colour in enumerate(LIGHT))


def test_names_with_dollar_signs_are_no_mathematics(tmp_path: Path) -> None:
    report(tmp_path, [score("a$_b$", "C$^", 0.5), score("$\\frac", "D", 0.4)])
    assert (tmp_path / "report.png").read_bytes().startswith(b"\x89PNG")
