"""report --format: every format says the same, and nothing else is printed."""

import csv
import io
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from typer.testing import CliRunner

from avbuild.errors import UsageError
from avtrain.cli import app
from avtrain.report.latex import latex_text
from avtrain.report.writer import WRITTEN
from tests.avtrain.training.test_fit import avtrain_
from tests.support.predicted import write_methods
from tests.support.reports import report, score

METHODS = {"good_50%": (0.9, 0.8), "bad": (0.7, 0.5)}


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    return write_methods(tmp_path, METHODS, scenarios=("C", "D_1"), seeds=(0, 1))


@pytest.mark.parametrize(("name", "file"), [("markdown", "md"), ("latex", "tex"), ("csv", "csv"), ("json", "json")])
def test_only_the_asked_format_is_printed_and_all_are_written(runs: Path, name: str, file: str) -> None:
    result = CliRunner().invoke(app, ["report", str(runs), "--format", name])
    assert result.exit_code == 0
    assert result.stdout == (runs / f"report.{file}").read_text()
    assert "written:" in result.stderr
    assert all((runs / written).stat().st_size for written in WRITTEN)


def test_all_formats_hold_the_same_numbers(runs: Path) -> None:
    (table,) = json.loads(avtrain_("report", runs, "--format", "json"))["tables"]
    assert (table["samples"], table["groups"], table["scenarios"]) == (240, 120, ["C", "D_1"])
    lines = list(csv.DictReader(io.StringIO(avtrain_("report", runs, "--format", "csv"))))
    latex = avtrain_("report", runs, "--format", "latex")
    for row in table["rows"]:
        assert row["seeds"] == 2
        for column, cell in row["cells"].items():
            (line,) = [x for x in lines if x["method"].startswith(row["method"]) and x["scenario"] == column]
            assert float(line["accuracy_mean"]) == pytest.approx(cell["mean"], abs=1e-6)
            assert len(cell["values"]) == 2
            assert (cell["p_against_best"] is None) == (row["method"] != "bad")
            shown = f"{100 * cell['mean']:.1f} $\\pm$ {100 * cell['std']:.1f}"
            assert (rf"\textbf{{{shown}}}" if cell["bold"] else f" {shown} ") in latex


def test_latex_is_escaped_and_complete(runs: Path) -> None:
    latex = avtrain_("report", runs, "--format", "latex")
    assert r"good\_50\%" in latex
    assert r"method & C & D\_1 & mean & n \\" in latex
    assert re.search(r"\\caption\{.*240 test samples, 2 seeds.*Holm-corrected.*\}", latex)
    assert latex.count(r"\begin{") == latex.count(r"\end{") == 2
    body = [line for line in latex.splitlines() if line.endswith(r"\\")]
    assert {line.replace(r"\&", "").count("&") for line in body} == {4}
    assert [latex.index(rule) for rule in ("\\toprule", "\\midrule", "\\bottomrule")] == sorted(
        latex.index(rule) for rule in ("\\toprule", "\\midrule", "\\bottomrule")
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a_b & 50 % #1 $x$ {y}", r"a\_b \& 50 \% \#1 \$x\$ \{y\}"),
        ("\\input{secret}", r"\textbackslash{}input\{secret\}"),
        ("~^<>|", r"\textasciitilde{}\textasciicircum{}\textless{}\textgreater{}\textbar{}"),
        ("95.0 ± 0.1†", r"95.0 $\pm$ 0.1$^{\dagger}$"),
        ("two\nlines", r"two\textbackslash{}nlines"),
    ],
)
def test_nothing_in_a_name_is_a_command(text: str, expected: str) -> None:
    assert latex_text(text) == expected


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no LaTeX here")
def test_latex_compiles(tmp_path: Path) -> None:
    report(tmp_path, [score("a_b$%", "C", 0.5), score("~^|", "D", 0.5)])
    table = (tmp_path / "report.tex").read_text()
    packages = r"\documentclass{article}\usepackage[T1]{fontenc}\usepackage{booktabs}"
    (tmp_path / "paper.tex").write_text(packages + r"\begin{document}" + table + r"\end{document}")
    subprocess.run(["pdflatex", "-halt-on-error", "paper.tex"], cwd=tmp_path, check=True, capture_output=True)


def test_an_unknown_format_is_refused(runs: Path) -> None:
    with pytest.raises(UsageError, match=r"--format tex: allowed are table, markdown, latex, csv, json"):
        avtrain_("report", runs, "--format", "tex")
