"""The worst samples of a run as a page that holds images, spectrograms and audio, and as CSV."""

import csv
import io
import json
from importlib import resources
from itertools import islice
from pathlib import Path

from avbuild.errors import UsageError
from avbuild.escaping import in_html
from avbuild.inspect.preview import PreviewCell
from avbuild.inspect.preview_page import cell_html
from avtrain.evaluation.worst_samples import WorstSample, WorstSamples

GENERATOR = '<meta name=generator content="avtrain errors">'
COLUMNS = (
    "rank", "id", "group", "fold", "label", "predicted", "loss", "p_label", "p_predicted", "scenario", "split",
    "inference", "corruption",
)  # fmt: skip
MOST_CLASSES = 3  # most likely ones that are listed
ON_FEATURES = "The scenario also corrupts features after the front end, which neither image nor audio shows."


def refuse_error_page(page: Path) -> None:
    """Raise UsageError where the page, or the CSV beside it, would replace a file that avtrain errors did not write.

    Args:
        page: HTML file to write; the CSV has the same name with `.csv`.
    """
    if page.suffix.lower() not in (".html", ".htm"):
        raise UsageError(f"--out {page}: the page is an HTML file; give a name that ends with .html")
    for path, mark in ((page, GENERATOR), (page.with_suffix(".csv"), ",".join(COLUMNS))):
        if path.exists() and not (path.is_file() and mark.encode() in path.read_bytes()[:1024]):
            raise UsageError(
                f"--out {page}: {path} is there and was not written by avtrain errors; choose another name, or move it"
            )


def render_error_page(worst: WorstSamples) -> str:
    """Return one self-contained HTML file with a card for each sample."""
    template = resources.files("avtrain.report").joinpath("errors.html").read_text(encoding="utf-8")
    mode = in_html(f" ({worst.inference})" if worst.inference else "")
    rate = 100 * worst.wrong / worst.count
    summary = (
        f"{worst.split} split under {in_html(worst.scenario)}{mode}: {worst.wrong:,} of {worst.count:,} samples "
        f"({rate:.1f} %) are classified wrongly. The {len(worst.samples):,} with the highest loss (cross-entropy of "
        "the true class), the worst first. Spectrograms run from 60 Hz to 8 kHz over 80 dB."
    )
    return template.format(
        title=in_html(f"Worst samples of {worst.run}: {worst.scenario}"),
        generator=GENERATOR,
        summary=summary,
        body="".join(_card(rank, sample, worst.scenario) for rank, sample in enumerate(worst.samples, 1)),
    )


def _card(rank: int, sample: WorstSample, scenario: str) -> str:
    modalities = tuple(sample.clean)
    shown = [PreviewCell("clean", "", modalities, sample.clean, {}, {})]
    if sample.record or sample.on_features:
        shown.append(PreviewCell(scenario, "", modalities, sample.corrupted, sample.record, {}))
    media = "".join(f"<div><h3>{in_html(cell.title)}</h3>{cell_html(cell)}</div>" for cell in shown)
    likely = "".join(
        f"<li>{in_html(name)} {100 * p:.1f} %</li>" for name, p in islice(sample.probabilities.items(), MOST_CLASSES)
    )
    kind = "true" if sample.predicted == sample.label else "false"
    note = f"<p><small>{ON_FEATURES}</small></p>" if sample.on_features else ""
    return (
        f"<article><h2>{rank}. {in_html(sample.label)}, predicted "
        f"<span class={kind}>{in_html(sample.predicted)}</span></h2>"
        f"<small>{in_html(sample.id)}; group {in_html(sample.group)}; fold {sample.fold}</small>"
        f"<div>loss {sample.loss:.2f}; true class {100 * sample.probabilities[sample.label]:.1f} %</div>"
        f"<ol>{likely}</ol>{note}<div class=media>{media}</div></article>"
    )


def render_error_csv(worst: WorstSamples) -> str:
    """Return one line a sample, the worst first."""
    output = io.StringIO()
    writer = csv.writer(output, lineterminator="\n")
    writer.writerow(COLUMNS)
    for rank, sample in enumerate(worst.samples, 1):
        writer.writerow(
            (
                rank,
                sample.id,
                sample.group,
                sample.fold,
                sample.label,
                sample.predicted,
                f"{sample.loss:.6f}",
                f"{sample.probabilities[sample.label]:.6f}",
                f"{sample.probabilities[sample.predicted]:.6f}",
                worst.scenario,
                worst.split,
                worst.inference or "",
                json.dumps(sample.record),
            )
        )
    return output.getvalue()
