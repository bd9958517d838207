"""UPMC Food-101: pictures of dishes from web pages, each with the title of its page, in 101 classes."""

from collections import Counter
from collections.abc import Sequence

from avbuild.errors import UserError
from avbuild.sources.aligned import (
    AlignedRow,
    AlignedSource,
    aligned_material,
    crossing,
    join_groups,
    same_files,
    same_texts,
)
from avbuild.sources.builder import AnyCorpus, Builder
from avbuild.sources.corpus import Credit, LocalFile, Material, Media
from avbuild.sources.files import file_problem
from avbuild.sources.food_101_lists import JSON_LISTS, TITLES, Picture, read_pictures
from avbuild.sources.inline import InlineText
from avbuild.sources.options import Options
from avbuild.sources.published import PublishedTree, find_tree

CLASSES = 101
TREE = PublishedTree(
    title="UPMC Food-101",
    folders=("UPMC_Food101", "UPMC-Food-101", "food101", "food-101"),
    looked_for="images/, and texts/train_titles.csv and test_titles.csv or train.jsonl and test.jsonl",
    page="https://visiir.isir.upmc.fr (often down) or a mirror",
    fits=lambda folder: (
        (folder / "images").is_dir() and any((folder / name).is_file() for name in (*TITLES, *JSON_LISTS))
    ),
)
CREDIT = Credit(
    name="UPMC Food-101",
    licence="terms unknown: pictures and titles of web pages; do not redistribute",
    homepage="https://visiir.isir.upmc.fr",
    citation="X. Wang et al.: Recipe recognition with large multimodal food dataset, ICME Workshops 2015",
)


def read_food_101(options: Options, _: AnyCorpus) -> Material:
    """Read the pictures that the lists name, each with the title of its page."""
    root = find_tree(TREE, options.root, options.sources)
    pictures, problems = read_pictures(root)
    follow = options.split == "published"
    rows: list[AlignedRow] = []
    for picture in pictures:
        if problem := file_problem(picture.path):
            problems.append(problem)
        else:
            rows.append(_row(picture, follow))
    if not rows and not problems:
        raise UserError(f"{root}: its lists name no picture")
    listed = {picture.id: picture.split for picture in pictures}
    same = {"pictures": same_files(rows, "image"), "titles": same_texts(rows)}
    rows = join_groups(rows, [ids for sets in same.values() for ids in sets])
    classes = tuple(sorted({row.label for row in rows}))
    leaks = {what: len(crossing(sets, listed)) for what, sets in same.items()}
    kept = "" if follow else "; here, pages of one picture or title are in one split"
    found = " and ".join(f"{count:,} identical {what}" for what, count in leaks.items())
    leak = (f"The published split leaks: {found} are in more than one of its lists{kept}.",) * any(leaks.values())
    return aligned_material(
        rows,
        AlignedSource(
            modalities=("image", "text"),
            credit=CREDIT,
            classes=classes,
            notes=(*_counts(rows, classes), *leak),
            announcements=(*_counts(rows, classes), *leak),
            problems=tuple(problems),
            split_source="published lists of UPMC Food-101" if follow else "",
            advice="Copies of this corpus differ by some 150 pictures",
        ),
    )


def _row(picture: Picture, follow: bool) -> AlignedRow:
    media: dict[str, Media] = {"image": LocalFile(str(picture.path))}
    if picture.title.strip():
        media["text"] = InlineText(picture.place, picture.title)
    return AlignedRow(
        picture.id,
        picture.label,
        media,
        group=picture.id,
        split=picture.split if follow else None,
        where={"text": picture.place},
    )


def _counts(rows: Sequence[AlignedRow], classes: Sequence[str]) -> tuple[str, ...]:
    """Return what is unlike the published corpus, and the size of the largest group, if it is large."""
    notes = []
    if len(classes) != CLASSES:
        notes.append(f"{len(classes)} classes are there; the published corpus has {CLASSES}.")
    if lacking := sum("text" not in row.media for row in rows):
        notes.append(f"{lacking:,} pictures have an empty title, so their text is missing.")
    groups = Counter(row.group for row in rows)
    largest = max(groups.values(), default=0)
    if largest > max(10, len(rows) // 100):
        notes.append(f"The largest group of pages that share pictures or titles has {largest:,} of {len(rows):,} rows.")
    return tuple(notes)


BUILDER = Builder(
    name="food-101",
    title="UPMC Food-101",
    needs="UPMC Food-101 (images/ and texts/*_titles.csv, or the JSON lines of MMBT or QMF)",
    licence="terms unknown",
    read=read_food_101,
    modalities=("image", "text"),
    group="page",
    options=frozenset({"root"}),
    examples=("avbuild make food-101 --root UPMC_Food101/",),
    splits=frozenset({"grouped", "random70", "published"}),
)
