"""UrbanSound8K: 8,732 clips of urban sounds in ten classes and ten folds."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

from avbuild.errors import UsageError, UserError
from avbuild.sources.builder import AnyCorpus, Builder
from avbuild.sources.corpus import Corpus, Credit, LocalFile, Material, Problem, SourceItem
from avbuild.sources.files import contents, file_problem, visible
from avbuild.sources.kaggle import read_kaggle
from avbuild.sources.label_map import match_partners
from avbuild.sources.locate import Download, find_source
from avbuild.sources.options import Options
from avbuild.sources.urbansound8k_table import CLASSES, FOLDS, TableRow, official_table, read_table
from avbuild.sources.whole_folds import advice_on_folds

CREDIT = Credit(
    name="UrbanSound8K",
    licence="CC BY-NC 3.0",
    homepage="https://urbansounddataset.weebly.com/urbansound8k.html",
    citation="J. Salamon, C. Jacoby, J. P. Bello: A Dataset and Taxonomy for Urban Sound Research, ACM MM 2014",
)
DOWNLOAD = Download(
    title="UrbanSound8K",
    folder="UrbanSound8K",
    archive="UrbanSound8K.tar.gz",
    md5="9aa69802bbf37fb986f71ec1483a196e",
    url="https://zenodo.org/records/1203745/files/UrbanSound8K.tar.gz",
    page="https://zenodo.org/records/1203745",
    size="6 GB",
)


def read_urbansound8k(root: Path, folds: Sequence[int] | None = None) -> Corpus:
    """Read the official layout: `audio/fold1..10/*.wav` and `metadata/UrbanSound8K.csv`, or both at the top level.

    Args:
        root: folder of the corpus, or the one around it.
        folds: to read; None: all.

    Raises UserError where root is not UrbanSound8K.
    """
    table, audio = _find_layout(root)
    rows = [row for row in read_table(table) if folds is None or row.fold in folds]
    if not rows:
        raise UserError(f"{table}: lists no clip of fold {', '.join(map(str, folds or ()))}; folds are 1 to 10")
    clips, problems, missing = [], [], []
    for row in rows:
        path = audio / f"fold{row.fold}" / row.file
        if problem := file_problem(path):
            problems.append(problem)
            missing.append(row.fold)
        else:
            clips.append(
                SourceItem("audio", path.stem, row.label, LocalFile(str(path)), group=row.recording, fold=row.fold)
            )
    problems += _unlisted(audio, {(row.fold, row.file) for row in rows}, folds or range(1, FOLDS + 1))
    advice = advice_on_folds((clip.fold for clip in clips), missing)
    return Corpus("audio", CREDIT, CLASSES, tuple(clips), tuple(problems), _notes(rows), advice=advice)


def is_urbansound8k(root: Path) -> bool:
    """Whether a folder has a layout that `read_urbansound8k` reads."""
    return _layout(root) is not None


def _layout(root: Path) -> tuple[Path, Path] | None:
    """Return the table and the folder that holds the fold folders, or None."""
    for base in (root, root / "UrbanSound8K"):
        for table, audio in (
            (base / "metadata" / "UrbanSound8K.csv", base / "audio"),
            (base / "UrbanSound8K.csv", base),
        ):
            if table.is_file() and audio.is_dir():
                return table, audio
    return None


def _find_layout(root: Path) -> tuple[Path, Path]:
    if layout := _layout(root):
        return layout
    raise UserError(
        f"{root}: no UrbanSound8K here, but {contents(root)}; looked for metadata/UrbanSound8K.csv, audio/fold1/"
    )


def recordings_across_folds(rows: Iterable[TableRow] | Iterable[SourceItem]) -> dict[str, list[int]]:
    """Return the recordings with slices in several folds, with those folds; the official table has five.

    Args:
        rows: of the table, or items of the corpus.
    """
    folds: dict[str, set[int]] = defaultdict(set)
    for row in rows:
        folds[row.recording if isinstance(row, TableRow) else row.group].add(row.fold)
    return {recording: sorted(found) for recording, found in sorted(folds.items()) if len(found) > 1}


def _unlisted(audio: Path, listed: set[tuple[int, str]], folds: Sequence[int]) -> list[Problem]:
    """Return a problem for each file in the fold folders that the table does not list."""
    found = ((fold, path) for fold in folds for path in visible(audio / f"fold{fold}"))
    return [Problem(str(path), "not in UrbanSound8K.csv") for fold, path in found if (fold, path.name) not in listed]


def _notes(rows: Sequence[TableRow]) -> tuple[str, ...]:
    crossing = recordings_across_folds(rows)
    if not crossing:
        return ()
    named = ", ".join(f"{recording} (folds {' and '.join(map(str, folds))})" for recording, folds in crossing.items())
    return (
        f"{len(crossing)} recordings have slices in two official folds, so the folds leak a little: {named}. "
        "The grouped split keeps each whole; with official folds their slices outside the test fold are left out.",
    )


def read_urbansound8k_av(options: Options, any_corpus: AnyCorpus) -> Material:
    """Read UrbanSound8K's clips, and images of any corpus or of the release by Guo et al."""
    if options.layout == "kaggle":
        if options.audio_root is None:
            raise UsageError("--layout kaggle needs --audio-root: the folder that holds Dataset_v3_sound/")
        audio, images = read_kaggle(options.audio_root, official_table(options.sources))
        return Material((audio, images), audio.classes)
    root = options.audio_root or find_source(DOWNLOAD, options.sources, options.offline)
    audio, images = read_urbansound8k(root, options.folds or None), any_corpus.images(options)
    match = match_partners(audio.classes, images.classes, "urbansound8k", options.label_map)
    return Material((audio, images), audio.classes, match)


BUILDER = Builder(
    name="urbansound8k-av",
    title="UrbanSound8K-AV",
    needs="UrbanSound8K (6 GB) and images: CIFAR-10 (170 MB), a folder, or a Hugging Face data set",
    licence="CC BY-NC 3.0 (audio); images as their source",
    read=read_urbansound8k_av,
    options=frozenset({"audio_root", "images", "label_map", "layout", "folds", "pair"}),
    examples=(
        "avbuild make urbansound8k-av --out data/",
        "avbuild make urbansound8k-av --images folder:images/ --folds 1,2",
    ),
)
