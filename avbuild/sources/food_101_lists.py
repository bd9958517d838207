"""Lists of UPMC Food-101: the published titles (CSV), or the JSON lines of MMBT and of QMF."""

import csv
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from avbuild.dataset.splits import Split
from avbuild.sources.corpus import Problem
from avbuild.sources.published import LIST_SPLITS, json_lines
from avbuild.text_files import read_text

TITLES: Mapping[str, Split] = {"texts/train_titles.csv": "train", "texts/test_titles.csv": "test"}
JSON_LISTS: Mapping[str, Split] = {f"{name}.jsonl": split for name, split in LIST_SPLITS.items()}
NEEDED = ("id", "label", "text", "img")


@dataclass(frozen=True, slots=True)
class Picture:
    """One line of a list."""

    id: str
    label: str
    title: str
    split: Split
    path: Path
    place: str  # of the line, for problems


def read_pictures(root: Path) -> tuple[list[Picture], list[Problem]]:
    """Read the JSON lines where they are in the corpus's folder, else the titles.

    Args:
        root: folder with images/.

    Returns every picture once, and a problem for each line that is none or names a picture again.
    """
    lists = JSON_LISTS if any((root / name).is_file() for name in JSON_LISTS) else TITLES
    found: dict[str, Picture] = {}
    problems = []
    for name, split in lists.items():
        if not (root / name).is_file():
            if split != "validation":
                problems.append(Problem(str(root / name), "missing"))
            continue
        read = _from_json(root, root / name, split) if lists is JSON_LISTS else _from_titles(root, root / name, split)
        for picture in read:
            if isinstance(picture, Problem):
                problems.append(picture)
            elif picture.id in found:
                other = found[picture.id].place
                problems.append(Problem(picture.place, f"listed twice: {picture.id} is also in {other}"))
            else:
                found[picture.id] = picture
    return list(found.values()), problems


def _from_titles(root: Path, path: Path, split: Split) -> Iterator[Picture | Problem]:
    """Yield the pictures of a list `image,title,class`; commas in a title that is not quoted belong to it."""
    reader = csv.reader(io.StringIO(read_text(path, "list"), newline=""))
    start = 1
    try:
        for cells in reader:
            place, start = f"{path} line {start}", reader.line_num + 1
            if not cells:
                continue
            image, label = cells[0].strip(), cells[-1].strip()
            if len(cells) < 3 or not label or Path(image).name != image or not image.startswith(f"{label}_"):
                yield Problem(place, "not a picture: expected image,title,class, and the image named CLASS_NUMBER.jpg")
                continue
            candidates = (root / "images" / split / label / image, root / "images" / label / image)
            yield Picture(Path(image).stem, label, ",".join(cells[1:-1]), split, _first(*candidates), place)
    except csv.Error as error:
        yield Problem(f"{path} line {start}", f"not CSV: {error}")


def _from_json(root: Path, path: Path, split: Split) -> Iterator[Picture | Problem]:
    """Yield the pictures of a list of objects with id, label, text and img."""
    for place, entry in json_lines(path, NEEDED):
        if isinstance(entry, Problem):
            yield entry
            continue
        image = Path(str(entry["img"]))
        if image.is_absolute() or ".." in image.parts:
            yield Problem(place, f"not a picture: img {str(image)[:80]!r} leads out of the corpus's folder")
            continue
        label = str(entry["label"])
        places = (root / image, root / "images" / image, root / "images" / split / label / image.name)
        path_of = _first(*places, root / "images" / "train" / label / image.name, root / "images" / label / image.name)
        yield Picture(str(entry["id"]), label, str(entry["text"]), split, path_of, place)


def _first(*candidates: Path) -> Path:
    """Return the first path that is there, or the first of all."""
    return next((path for path in candidates if path.is_file()), candidates[0])
