"""The card of a model on the Hugging Face Hub, README.md: what it is, what it scores, and how it is used."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from avbuild.dataset.build_record import BuildRecord
from avbuild.escaping import in_markdown, in_markdown_code, visible
from avbuild.modalities.registry import MODALITIES
from avtrain.config import SELECTED_ON_TEST
from avtrain.inference.card_usage import usage
from avtrain.inference.loaded_run import LoadedRun, pick_inference

Scores = Mapping[str, Any]  # the content of a file that `avtrain eval` wrote


@dataclass(frozen=True)
class CardFacts:
    """The facts that a card is made of.

    Attributes:
        loaded: the run.
        repository: OWNER/NAME on the Hub.
        evaluations: scores by `avtrain eval`, one for each condition and inference mode.
        build: record of the data set trained on; None where the data set is not at hand.
        inputs: names of the inputs of `model.pt2`; None where that file is not part of the repository.
    """

    loaded: LoadedRun
    repository: str
    evaluations: Sequence[Scores]
    build: BuildRecord | None
    inputs: tuple[str, ...] | None

    @property
    def not_evaluated(self) -> tuple[str, ...]:
        """Names of the run's scenarios without scores."""
        scored = {e["scenario"] for e in self.evaluations if e["other_manifest"] is None}
        return tuple(name for name in self.loaded.scenarios if name not in scored)

    @property
    def ordered(self) -> list[Scores]:
        """The scores in the order of the manifest's scenarios, those under other manifests last."""
        names = list(self.loaded.scenarios)

        def place(scores: Scores) -> tuple[str, int, int, str]:
            base = scores["base_scenario"]
            order = names.index(base) if base in names else len(names)
            return scores["other_manifest"] or "", order, scores["severity"], scores["inference"] or ""

        return sorted(self.evaluations, key=place)


def render_card(facts: CardFacts) -> str:
    """Return the card as Markdown, with the front matter that the Hub reads."""
    front = yaml.safe_dump(_front_matter(facts), sort_keys=False, allow_unicode=True, width=120)
    fit = facts.loaded.config.fit
    parts = [
        f"---\n{front}---\n\n# {in_markdown(facts.repository.partition('/')[2])}\n",
        _summary(facts),
        usage(facts.repository, facts.loaded, facts.inputs),
        _scores(facts),
        _scenarios(facts),
        f"## Method\n\n{in_markdown(facts.loaded.method.source)}.\n\n"
        + _table(("option", "value"), [(in_markdown(key), in_markdown(value)) for key, value in fit if value != {}]),
        _data(facts.build),
        _limits(facts),
    ]
    return "\n".join(parts)


def _front_matter(facts: CardFacts) -> dict[str, object]:
    tasks = [f"{modality}-classification" for modality in facts.loaded.method.backbone.modalities]
    front: dict[str, object] = {
        "license": "other",
        "license_name": "see-data-below",
        "library_name": "avtrain",
        "tags": ["audio-visual", "robustness", "missing-modality", "avtrain", *tasks],
    }
    if results := [_result(facts, scores, tasks[0]) for scores in facts.ordered]:
        front["model-index"] = [{"name": facts.repository.partition("/")[2], "results": results}]
    return front


def _result(facts: CardFacts, scores: Scores, task: str) -> dict[str, object]:
    title = facts.build.title if facts.build else scores["manifest"]
    condition = f"scenario {scores['scenario']}" + (f", {scores['inference']}" if scores["inference"] else "")
    if scores["other_manifest"]:
        condition += f" of {scores['other_manifest']}"
    return {
        "task": {"type": task},
        "dataset": {
            "type": visible(scores["manifest"]),
            "name": visible(f"{title}, {condition}"),
            "config": visible(scores["scenario"]),
            "split": "test",
        },
        "metrics": [
            {"type": "accuracy", "value": round(scores["accuracy"], 4)},
            {"type": "f1", "name": "macro F1", "value": round(scores["macro_f1"], 4)},
        ],
    }


def _summary(facts: CardFacts) -> str:
    loaded, fit = facts.loaded, facts.loaded.config.fit
    nouns = " and ".join(f"one {MODALITIES[m].noun}" for m in loaded.method.backbone.modalities)
    source = facts.build.title if facts.build else loaded.config.manifest.name
    count = len(loaded.method.backbone.modalities)
    alone = "" if count == 1 else " Either may be missing." if count == 2 else " Any may be missing, but not all."
    return (
        f"Classifies {nouns} into {len(loaded.classes)} classes.{alone} Method {in_markdown_code(fit.method)} on the "
        f"backbone {in_markdown_code(fit.backbone)}, trained with `avtrain fit` on {in_markdown(source)}.\n\n"
        f"Classes: {', '.join(map(in_markdown, loaded.classes))}.\n"
    )


def _scores(facts: CardFacts) -> str:
    rows = [
        (
            in_markdown(e["scenario"] + (f" of {e['other_manifest']}" if e["other_manifest"] else "")),
            in_markdown(e["inference"] or "-"),
            f"{100 * e['accuracy']:.1f}",
            f"{100 * e['macro_f1']:.1f}",
            f"{100 * e['calibration_error']:.1f}",
            f"{e['n']:,}",
        )
        for e in facts.ordered
    ]
    columns = ("scenario", "inference", "accuracy, %", "macro F1, %", "calibration error, %", "samples")
    notes = ["One training, so no deviation over seeds."] if rows else []
    if any(e["leaky"] for e in facts.evaluations):
        notes.append("**Leaky split**: recordings of the training are in the test split, so the scores are too high.")
    if facts.loaded.config.fit.select_on == "test":
        notes.append(
            f"**{SELECTED_ON_TEST}**: the best epoch was chosen on the test split, so the scores are too high."
        )
    notes.append(_calibration(facts.loaded))
    if facts.not_evaluated:
        notes.append(f"Not evaluated: {', '.join(map(in_markdown, facts.not_evaluated))}.")
    table = _table(columns, rows) + "\n" if rows else ""
    return f"## Scores on the test split\n\n{table}{' '.join(notes)}\n"


def _calibration(loaded: LoadedRun) -> str:
    """Return how the probabilities were calibrated, and whether the exported program does it too."""
    if loaded.temperature is None:
        return "Probabilities are not calibrated."
    inference = pick_inference(loaded.method, None)
    value = loaded.temperature.mode(inference).temperature
    return (
        f"Probabilities are calibrated: `avtrain.load` and `model.pt2` divide the logits by a temperature of "
        f"{value:.3f}, fitted on {loaded.temperature.calibration.samples:,} validation samples under "
        f"{', '.join(map(in_markdown, loaded.temperature.calibration.scenarios))}. The predicted class does not change."
    )


def _scenarios(facts: CardFacts) -> str:
    manifest, fit = facts.loaded.config.manifest, facts.loaded.config.fit
    rows = [(in_markdown(name), _plan(spec.as_yaml())) for name, spec in manifest.scenarios.items()]
    trained = "on all of them" if fit.train_on == "scenarios" else "on clean data only"
    return f"## Scenarios\n\nTrained {trained}.\n\n" + _table(("scenario", "corruptions"), rows)


def _plan(spec: object) -> str:
    plan = yaml.safe_dump(spec, default_flow_style=True, sort_keys=False, width=10_000).strip()
    return "clean" if plan == "{}" else in_markdown_code(plan)


def _data(build: BuildRecord | None) -> str:
    if build is None:
        return (
            "## Data and licences\n\nThe data set was not at hand when this card was written, so its sources and their "
            "licences are **not known here**. Find them out before you use the model.\n"
        )
    rows = [
        (s.role, in_markdown(s.name), in_markdown(s.licence), in_markdown(s.homepage), in_markdown(s.citation))
        for s in build.sources
    ]
    return (
        f"## Data and licences\n\n{in_markdown(build.title)}; split: {in_markdown(build.split)}. The licences of the "
        "sources hold for what is made of them; some forbid commercial use.\n\n"
        + _table(("modality", "source", "licence", "address", "please cite"), rows)
    )


def _limits(facts: CardFacts) -> str:
    plugins = "".join(
        f"- It needs the plug-in {in_markdown_code(record.name)}, which is not part of this repository.\n"
        for record in facts.loaded.config.model_plugins
    )
    return (
        "## Intended use and limits\n\n"
        "- For research on noisy and missing modalities, and for applications whose inputs resemble the data above.\n"
        f"- It knows {len(facts.loaded.classes)} classes and chooses one of them for every input, even if none fits.\n"
        "- The scores hold for the scenarios listed, each at the severity of its plan; other noise, cameras, "
        "microphones and languages were not measured.\n"
        "- Not for decisions about people, or where an error can do harm, without an evaluation of your own.\n"
        + plugins
    )


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)
