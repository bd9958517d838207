"""Scenarios that differ in one parameter become a curve with its unit on the axis."""

from pathlib import Path
from typing import Any

import pytest

from avtrain.report.sections import level_curves
from avtrain.report.sweeps import sweeps
from avtrain.report.view import ReportView
from tests.support.reports import drawings, report, score, view_of

LEVELS = (-10, -5, 0, 10, 15, 20)


def noise(snr: float, **more: Any) -> dict[str, Any]:
    return {"audio": [{"gaussian_noise": {"snr_db": snr}}], **more}


def swept(folder: Path, specs: dict[str, Any], methods: tuple[str, ...] = ("map",)) -> ReportView:
    scores = [
        score(method, name, 0.9 - place / 20, spec=spec, position=place)
        for method in methods
        for place, (name, spec) in enumerate(specs.items())
    ]
    return view_of(folder, scores)


def test_a_sweep_of_the_signal_to_noise_ratio_is_a_curve_in_decibels(tmp_path: Path) -> None:
    specs = {"C": {}, **{f"snr{level}": noise(level) for level in reversed(LEVELS)}}
    view = swept(tmp_path, specs, ("map", "film"))
    (sweep,) = sweeps(view.results, view.tables[0])
    assert sorted(sweep.scenarios) == list(LEVELS)
    means = {value: cell.mean for value, cell in next(iter(sweep.rows.values())).items()}
    assert means == pytest.approx({20: 0.85, 15: 0.8, 10: 0.75, 0: 0.7, -5: 0.65, -10: 0.6})
    html = level_curves.html(view)
    assert len([d for d in drawings(html) if d.get("role")]) == 1
    for text in ("gaussian_noise: signal-to-noise ratio (dB)", ">-10<", ">20<", "snr-10 to snr20"):
        assert text in html
    markdown = level_curves.markdown(view)
    assert "| gaussian_noise: signal-to-noise ratio (dB) | -10 | -5 | 0 | 10 | 15 | 20 |" in markdown


@pytest.mark.parametrize(
    ("specs", "expected"),
    [
        ({f"m{r}": {"image": {"missing_rate": r / 10}} for r in (3, 5, 7)}, "image: missing rate"),
        (
            {"m3": {"image": {"missing_rate": 0.3}}, "m5": {"image": {"missing_rate": 0.5}}, "m": {"image": "missing"}},
            "image: missing rate",
        ),
        (
            {f"D{s}": {m: {"any_of": ["noise"], "severity": s} for m in ("audio", "image")} for s in (1, 3, 5)},
            "audio, image: severity",
        ),
        ({f"s{s}": {"audio": [{"gaussian_noise": s}]} for s in (1, 2, 3)}, "gaussian_noise: severity"),
        ({f"f{f}": {"audio": [{"low_pass": {"cutoff": f}}]} for f in (500, 1000, 2000)}, "low_pass: cutoff (Hz)"),
    ],
)  # fmt: skip
def test_one_parameter_is_found_wherever_it_stands(tmp_path: Path, specs: dict[str, Any], expected: str) -> None:
    view = swept(tmp_path, specs)
    (sweep,) = sweeps(view.results, view.tables[0])
    assert sweep.parameter == expected
    assert list(sweep.scenarios.values()) == list(specs)


@pytest.mark.parametrize(
    "specs",
    [
        {f"n{level}": noise(level) for level in (0, 10)},  # two are no curve
        {"a": noise(0), "b": noise(10, image=["box_blur"]), "c": noise(20)},
        {"a": noise(0, seed=1), "b": noise(0, seed=2), "c": noise(0, seed=3)},
        {f"d{s}": {"audio": {"severity": s}, "image": {"severity": 6 - s}} for s in (1, 2, 4)},  # against each other
        {"C": {}, "A": {"audio": ["rain"]}, "V": {"image": ["rain"]}},
    ],
)
def test_scenarios_that_differ_otherwise_are_no_sweep(tmp_path: Path, specs: dict[str, Any]) -> None:
    view = swept(tmp_path, specs)
    assert sweeps(view.results, view.tables[0]) == []
    assert level_curves.html(view) == level_curves.markdown(view) == ""


def test_scenarios_stand_in_the_order_of_the_manifest(tmp_path: Path) -> None:
    specs = {"C": {}, **{f"snr{level}": noise(level) for level in (20, 10, 0, -10)}, "B": {"image": ["rain"]}}
    view = swept(tmp_path / "view", specs)
    assert view.tables[0].scenarios == tuple(specs)
    old = [score("map", name, 0.5) for name in specs]  # an earlier version did not write the order
    report(tmp_path / "old", old)
    assert "| method | C | B | snr-10 |" in (tmp_path / "old" / "report.md").read_text()
