"""The dataset card, README.md, rendered from `build.json` and the manifest alone, so that it can be verified."""

import json
from collections.abc import Sequence
from urllib.parse import quote

import yaml

from avbuild.dataset.build_record import BuildRecord
from avbuild.dataset.croissant import FILE_NAME as CROISSANT
from avbuild.dataset.croissant import render_croissant
from avbuild.dataset.scenario_record import ScenarioRecord
from avbuild.dataset.splits import SPLITS
from avbuild.dataset.storage import Folder
from avbuild.escaping import in_markdown, in_markdown_code, visible
from avbuild.modalities.registry import MODALITIES
from avbuild.scenarios.manifest import CLEAN, Manifest

FILE_NAME = "README.md"
CARD_FILES = (FILE_NAME, CROISSANT)  # by write_card
BY_INDEX = "class index (no label fits)"
SAFE_IN_ADDRESS = ":/?#@!$&'+,;=%~"  # characters that cannot end a link of Markdown


def write_card(folder: Folder, build: BuildRecord, manifest: Manifest) -> None:
    """Write the card of a data set, and its Croissant metadata."""
    for name, text in card_files(build, manifest).items():
        folder.write(name, text.encode())


def card_files(build: BuildRecord, manifest: Manifest) -> dict[str, str]:
    """Return the text of the card and of the Croissant metadata, by file name."""
    return {FILE_NAME: render_card(build, manifest), CROISSANT: render_croissant(build, manifest)}


def same_facts(name: str, one: str, other: str) -> bool:
    """Whether two versions of a file of `card_files` tell programs the same, whatever their wording for people.

    Args:
        name: of the file.
        one: its text.
        other: its text in the other version.
    """
    if name == CROISSANT:
        try:
            return bool(json.loads(one)["distribution"] == json.loads(other)["distribution"])
        except (ValueError, KeyError, TypeError):
            return False
    return one.split("---\n")[1:2] == other.split("---\n")[1:2]  # the front matter


def render_card(build: BuildRecord, manifest: Manifest) -> str:
    """Return the card as Markdown, with the front matter that `datasets` and the Hub read: one config per scenario."""
    front = yaml.safe_dump(_front_matter(build), sort_keys=False, allow_unicode=True, width=120)
    parts = [
        f"---\n{front}---\n\n# {in_markdown(build.title)}\n",
        f"{in_markdown(build.description)}\n" if build.description else "",
        _summary(build),
        _sources(build),
        _splits(build),
        _pairing(build),
        _scenarios(build, manifest),
        _notes(build),
        _left_out(build),
        _columns(build),
        _use(build),
        _citation(build),
    ]
    return "\n".join(part for part in parts if part)


def _front_matter(build: BuildRecord) -> dict[str, object]:
    configs = [
        {
            "config_name": name,
            "data_files": [{"split": split, "path": f"{name}/{split}-*.parquet"} for split in scenario.splits],
        }
        | ({"default": True} if name == CLEAN else {})
        for name, scenario in build.scenarios.items()
    ]
    return {
        "pretty_name": visible(build.title),
        "license": "other",
        "license_name": "see-sources-below",
        "task_categories": [f"{modality}-classification" for modality in build.modalities],
        "tags": [*_kinds(build.modalities), "robustness", "missing-modality", "avbuild"],
        "configs": configs,
    }


def _kinds(modalities: Sequence[str]) -> list[str]:
    """Return what the Hub calls a data set with several modalities."""
    plain = sum(MODALITIES[modality].plain for modality in modalities)
    return ["audio-visual"] * (len(modalities) - plain > 1) + ["multimodal"] * (0 < plain < len(modalities))


def _summary(build: BuildRecord) -> str:
    rows = sum(split.rows for split in build.scenarios[CLEAN].splits.values())
    return (
        f"{rows:,} {build.rows_noun} in {len(build.classes)} classes, from {build.distinct}.\n"
        f"Made by `avbuild make {build.builder}` "
        f"(avbuild {build.versions['avbuild']}, seed {build.recipe['seed']}).\n"
    )


def _sources(build: BuildRecord) -> str:
    rows = [
        (s.role, _link(s.name, s.homepage), in_markdown(s.licence), f"{s.files:,}", in_markdown(s.citation))
        for s in build.sources
    ]
    return "## Sources\n\n" + _table(("modality", "source", "licence", "files used", "please cite"), rows)


def _link(name: str, address: str) -> str:
    shown = in_markdown(name)
    return (
        f"[{shown}]({quote(address, safe=SAFE_IN_ADDRESS)})" if address.startswith(("https://", "http://")) else shown
    )


def _splits(build: BuildRecord) -> str:
    splits = list(build.per_class)
    rows: list[Sequence[str]] = [
        (in_markdown(name), *(f"{build.per_class[split][name]:,}" for split in splits)) for name in build.classes
    ]
    rows.append(("**all**", *(f"**{sum(build.per_class[split].values()):,}**" for split in splits)))
    rows.append((f"{build.group_name}s", *(f"{build.groups[split]:,}" for split in splits)))
    leaks = _leaks(build)
    return f"## Splits\n\n{in_markdown(build.split)}.\n\n{leaks}\n\n" + _table(("class", *splits), rows)


def _leaks(build: BuildRecord) -> str:
    group = build.group_name
    if not build.leaky:
        others = "".join(f", and no {MODALITIES[modality].noun}" for modality in build.modalities[1:])
        return f"Leak report: none of the {sum(build.groups.values()):,} {group}s is in two splits{others}."
    return f"**Leaky split**: clips of one {group} are in train and test."


def _pairing(build: BuildRecord) -> str:
    if len(build.modalities) == 1:
        return ""
    if not build.pairing:
        return f"## Pairing\n\n{build.pair.capitalize()} have the same id.\n"
    rows = [
        (
            in_markdown(name),
            in_markdown(", ".join(match.partners)),
            "class index (no label fits)" if match.by_index else "label",
        )
        for name, match in build.pairing.items()
    ]
    return "## Pairing\n\n" + _table(("class", "partner classes", "matched by"), rows)


def _scenarios(build: BuildRecord, manifest: Manifest) -> str:
    rows = [
        (name, _plan(manifest, name), str(record.seed), _row_counts(record), f"`{record.content[:12]}`")
        for name, record in build.scenarios.items()
    ]
    plugins = "".join(
        f"- {in_markdown(plugin)}: {in_markdown_code(plugin.origin)}, sha256 of its source `{plugin.digest}`\n"
        for plugin in build.all_plugins
    )
    made_with = f"\nFrom plug-ins, without which these cannot be made again:\n\n{plugins}" if plugins else ""
    return "## Scenarios\n\n" + _table(("scenario", "plan", "seed", "rows", "content hash"), rows) + made_with


def _plan(manifest: Manifest, name: str) -> str:
    plan = yaml.safe_dump(manifest.scenarios[name].as_yaml(), default_flow_style=True, sort_keys=False, width=10_000)
    return "clean" if plan.strip() == "{}" else in_markdown_code(plan.strip())


def _row_counts(record: ScenarioRecord) -> str:
    parts = []
    for name in SPLITS:
        if split := record.splits.get(name):
            missing = [f"{m} missing in {count / split.rows:.1%}" for m, count in split.missing.items() if count]
            parts.append(f"{name} {split.rows:,}" + (f" ({', '.join(missing)})" if missing else ""))
    return ", ".join(parts)


def _notes(build: BuildRecord) -> str:
    return "## Notes\n\n" + "".join(f"- {in_markdown(note)}\n" for note in build.notes) if build.notes else ""


def _left_out(build: BuildRecord) -> str:
    if not build.left_out:
        return ""
    files = "".join(f"- {in_markdown_code(file.path)}: {in_markdown(file.what)}\n" for file in build.left_out)
    count = len(build.left_out)
    return f"## Left out\n\n<details><summary>{count:,} files could not be used</summary>\n\n{files}\n</details>\n"


def _columns(build: BuildRecord) -> str:
    """Return what the column of a plain modality holds, which is neither Audio nor Image of `datasets`."""
    plain = [MODALITIES[modality] for modality in build.modalities if MODALITIES[modality].plain]
    lines = [
        f"- `{m.name}`: a string, {m.description}. `{m.name}_missing` says whether it is missing; an empty string is a "
        f"{m.noun} that is there.\n"
        for m in plain
    ]
    return "## Columns\n\n" + "".join(lines) if lines else ""


def _use(build: BuildRecord) -> str:
    place = f'"path/to/{build.name}"'
    stock = [f'data = load_dataset({place}, "{CLEAN}", split="test")']
    audio = "audio" in build.modalities
    if audio:
        stock += [
            'data = data.cast_column("audio", Audio(decode=False))  # unless you have torchcodec',
            'samples, rate = soundfile.read(io.BytesIO(data[0]["audio"]["bytes"]), dtype="float32")',
        ]
    imports = ["import io", "", "import soundfile", "from datasets import Audio, load_dataset"]
    without = "\n".join([*(imports if audio else ["from datasets import load_dataset"]), "", *stock])
    return (
        "## Use\n\n```python\nimport avbuild\n\n"
        f'data = avbuild.load({place}, scenario="{CLEAN}", split="test")'
        f"{'  # decodes audio without torchcodec' if audio else ''}\n```\n\n"
        f"Without avbuild:\n\n```python\n{without}\n```\n\n"
        "Check it with `avbuild verify`. Columns and hashes: docs/data-format.md of avbuild.\n"
    )


def _citation(build: BuildRecord) -> str:
    cited = dict.fromkeys(source.citation for source in build.sources if source.citation)
    lines = "".join(f"- {in_markdown(citation)}\n" for citation in cited)
    tool = f"- avbuild {build.versions['avbuild']}: its CITATION.cff\n"
    return f"## Citation\n\nPlease cite the sources, and the tool that the scenarios were made with:\n\n{lines}{tool}"


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    def line(cells: Sequence[str]) -> str:
        return "| " + " | ".join(cells) + " |\n"

    return line(header) + line(["---"] * len(header)) + "".join(line(row) for row in rows)
