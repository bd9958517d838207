"""The comparisons of `avtrain compare` as text: Markdown, LaTeX, CSV, JSON."""

import csv
import io
import json
from collections.abc import Callable, Mapping, Sequence

from avtrain.evaluation.significance import LEVEL, McNemar
from avtrain.report.comparison import Comparison, ComparisonTable
from avtrain.report.latex import bold, latex_table, latex_text
from avtrain.report.markup import markdown_table, markdown_text

COLUMNS = (
    "scenario", "method", "baseline", "difference", "95 % interval", "p (bootstrap)", "p (McNemar)",
    "only method : only baseline", "verdict",
)  # fmt: skip
IN_TERMINAL = tuple(column for column in COLUMNS if column != "only method : only baseline")  # it is too wide
TEXT_COLUMNS = 3


def cells(comparison: Comparison) -> list[str]:
    """Return a comparison as plain text, a cell for each of `COLUMNS`."""
    effect, counted = comparison.effect, comparison.mcnemar
    return [
        comparison.scenario,
        comparison.method,
        comparison.baseline,
        _points(effect.mean),
        f"{_points(effect.low)} to {_points(effect.high)}",
        _p(comparison.p),
        "–" if comparison.p_mcnemar is None else _p(comparison.p_mcnemar),
        "–" if counted is None else f"{counted.only_first} : {counted.only_second}",
        comparison.verdict,
    ]


def _points(value: float) -> str:
    text = f"{100 * value:+.1f}"
    return "0.0" if text in ("+0.0", "-0.0") else text.replace("-", "−")


def _p(value: float) -> str:
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def render_markdown(tables: Sequence[ComparisonTable]) -> str:
    """Return one Markdown table after another."""
    return "\n".join(
        markdown_table(f"### {t.title}", COLUMNS, map(cells, t.comparisons), markdown_text(t.note)) for t in tables
    )


def render_latex(tables: Sequence[ComparisonTable]) -> str:
    """Return one LaTeX table after another; differences that are shown are bold."""
    parts = []
    for table in tables:
        rows = []
        for comparison in table.comparisons:
            latex = [latex_text(cell) for cell in cells(comparison)]
            if comparison.p < LEVEL:
                latex[TEXT_COLUMNS] = bold(latex[TEXT_COLUMNS])
            rows.append(latex)
        caption = f"{table.title}. {table.note}"
        parts.append(
            latex_table(caption, f"{table.title} compared", COLUMNS[:TEXT_COLUMNS], COLUMNS[TEXT_COLUMNS:], rows)
        )
    return "\n".join(parts)


def render_csv(tables: Sequence[ComparisonTable]) -> str:
    """Return one line a comparison, with accuracies from 0 to 1."""
    records = [record for table in tables for record in _records(table)]
    output = io.StringIO()
    writer = csv.DictWriter(output, list(records[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(records)
    return output.getvalue()


def render_json(tables: Sequence[ComparisonTable]) -> str:
    """Return all comparisons as one JSON object."""
    content = [{"title": t.title, "note": t.note, "comparisons": _records(t)} for t in tables]
    return json.dumps({"tables": content}, indent=1) + "\n"


def _records(table: ComparisonTable) -> list[dict[str, object]]:
    return [
        {
            "table": table.title,
            "scenario": each.scenario,
            "method": each.method,
            "baseline": each.baseline,
            "difference": each.effect.mean,
            "low": each.effect.low,
            "high": each.effect.high,
            "p": each.p,
            "p_uncorrected": each.effect.p,
            "p_mcnemar": each.p_mcnemar,
            "p_mcnemar_uncorrected": each.mcnemar and each.mcnemar.p,
            **({"only_method": None, "only_baseline": None} if each.mcnemar is None else _counts(each.mcnemar)),
            "verdict": each.verdict,
            "samples": table.samples,
            "groups": table.groups,
            "seeds_method": table.seeds[each.method],
            "seeds_baseline": table.seeds[each.baseline],
        }
        for each in table.comparisons
    ]


def _counts(mcnemar: McNemar) -> dict[str, int]:
    return {"only_method": mcnemar.only_first, "only_baseline": mcnemar.only_second}


FORMATS: Mapping[str, Callable[[Sequence[ComparisonTable]], str]] = {
    "markdown": render_markdown,
    "latex": render_latex,
    "csv": render_csv,
    "json": render_json,
}
