"""MVSA-Single: tweets of a picture and a text, each labelled positive, neutral or negative."""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

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
from avbuild.sources.corpus import Credit, LocalFile, Material, Problem
from avbuild.sources.files import file_problem
from avbuild.sources.mvsa_lists import LABELS, combined, published_splits, read_labels
from avbuild.sources.options import Options
from avbuild.sources.published import PublishedTree, find_tree

TABLE = "labelResultAll.txt"
PUBLISHED_TABLE = "371d2c41ceb7cc12e66888e791acbaf5dcabd13fa0112eb60b226c482a12378f"  # sha256
ENCODINGS = ("utf-8", "gb18030")  # tried in this order; the published texts have ellipses in GB 18030
TREE = PublishedTree(
    title="MVSA-Single",
    folders=("MVSA_Single", "MVSA-Single", "mvsa_single"),
    looked_for=f"{TABLE} and data/",
    page="https://mcrlab.net/research/mvsa-sentiment-analysis-on-multi-view-social-data/",
    fits=lambda folder: (folder / TABLE).is_file() and (folder / "data").is_dir(),
)
CREDIT = Credit(
    name="MVSA-Single",
    licence="terms unknown: its authors state none; do not redistribute",
    homepage=TREE.page,
    citation="T. Niu et al.: Sentiment Analysis on Multi-View Social Data, MMM 2016",
)
RULES = {
    "equal": "Posts whose text and image have one label are used, as in the published split.",
    "polar": "Where text or image is neutral, the other label counts; posts of opposite labels are left out.",
}


def read_mvsa_single(options: Options, _: AnyCorpus) -> Material:
    """Read `data/ID.jpg`, `data/ID.txt` and labelResultAll.txt; and QMF's lists where they are beside them."""
    root = find_tree(TREE, options.root, options.sources)
    rule = options.label_rule or "equal"
    labels, problems = read_labels(root / TABLE)
    rows: list[AlignedRow] = []
    unwanted = []
    for id, pair in labels.items():
        label = combined(pair, rule)
        if label is None:
            unwanted.append(Problem(str(root / "data" / id), f"labels differ: text {pair[0]}, image {pair[1]}"))
        elif isinstance(row := _row(root, id, label), Problem):
            problems.append(row)
        else:
            rows.append(row)
    lists = published_splits(root, {row.id: row.label for row in rows}, options.split == "published")
    same = {"pictures": same_files(rows, "image"), "texts": same_texts(rows)}
    rows = join_groups(rows, [ids for sets in same.values() for ids in sets])
    if options.split == "published":
        unlisted = [row for row in rows if row.id not in lists.splits]
        unwanted += [Problem(str(root / "data" / row.id), "in no published list") for row in unlisted]
        rows = [replace(row, split=lists.splits[row.id]) for row in rows if row.id in lists.splits]
    leak = _leak(rows, same, lists.splits)
    return aligned_material(
        rows,
        AlignedSource(
            modalities=("image", "text"),
            credit=CREDIT,
            classes=LABELS,
            notes=(RULES[rule], *_encodings(rows), *_table_note(root / TABLE), *leak),
            announcements=(*_table_note(root / TABLE), *leak),
            problems=tuple(problems),
            unwanted=tuple(unwanted),
            faults=lists.faults,
            split_source="published lists of QMF (train, dev, test)" if options.split == "published" else "",
            recipe={"label_rule": rule},
        ),
    )


def _row(root: Path, id: str, label: str) -> AlignedRow | Problem:
    """Return the sample of a post, or the problem of its first file that cannot be used."""
    image, text = (root / "data" / f"{id}{suffix}" for suffix in (".jpg", ".txt"))
    if problem := file_problem(image) or file_problem(text):
        return problem
    data = text.read_bytes()
    for encoding in ENCODINGS:
        try:
            data.decode(encoding)
        except UnicodeDecodeError:
            continue
        media = {"image": LocalFile(str(image)), "text": LocalFile(str(text))}
        return AlignedRow(id, label, media, group=id, encoding=encoding)
    return Problem(str(text), "unreadable: neither UTF-8 nor GB 18030")


def _encodings(rows: Sequence[AlignedRow]) -> tuple[str, ...]:
    count = Counter(row.encoding for row in rows)["gb18030"]
    rule = "a text that is not UTF-8 is read as GB 18030, since most of these hold its ellipsis (bytes A1 AD)"
    return (f"{count:,} of {len(rows):,} texts are not UTF-8: {rule}.",) if count else ()


def _table_note(table: Path) -> tuple[str, ...]:
    if hashlib.sha256(table.read_bytes()).hexdigest() == PUBLISHED_TABLE:
        return ()
    return (f"{TABLE} is not the published one (sha256 {PUBLISHED_TABLE[:12]}...); its labels are used as they are.",)


def _leak(
    rows: Sequence[AlignedRow], same: Mapping[str, Sequence[Sequence[str]]], splits: Mapping[str, str]
) -> tuple[str, ...]:
    """Return a sentence on the contents that are in more than one list of the published split."""
    if not splits:
        return ()
    there = {row.id for row in rows}
    counts = {}
    for what, sets in same.items():
        listed = [[id for id in ids if id in splits and id in there] for ids in sets]
        counts[what] = len(crossing([ids for ids in listed if ids], splits))
    if not any(counts.values()):
        return ()
    found = " and ".join(f"{count:,} identical {what}" for what, count in counts.items())
    kept = "" if any(row.split for row in rows) else "; here, posts of one picture or text are in one split"
    return (f"The published split leaks: {found} are in more than one of its lists{kept}.",)


BUILDER = Builder(
    name="mvsa-single",
    title="MVSA-Single",
    needs="MVSA-Single (data/ and labelResultAll.txt); for --split published also QMF's train, dev and test.jsonl",
    licence="terms unknown",
    read=read_mvsa_single,
    modalities=("image", "text"),
    group="post",
    options=frozenset({"root", "label_rule"}),
    examples=("avbuild make mvsa-single --root MVSA_Single/",),
    splits=frozenset({"grouped", "random70", "published"}),
)
