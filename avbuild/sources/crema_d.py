"""CREMA-D: 7,442 clips of 91 actors who say a sentence in one of six emotions, heard and seen."""

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from avbuild.errors import UserError
from avbuild.sources.corpus import AudioCorpus, Clip, Credit, LocalFile, PictureCorpus, Problem, Video
from avbuild.sources.urbansound8k import file_problem

EMOTIONS = {"ANG": "anger", "DIS": "disgust", "FEA": "fear", "HAP": "happy", "NEU": "neutral", "SAD": "sad"}
# ActorID_Sentence_EMO_LEVEL; one published name ends in X alone
NAME = re.compile(rf"(\d{{4}})_([A-Z]{{3}})_({'|'.join(EMOTIONS)})_([A-Z]{{1,2}})")
SIDES = {"AudioWAV": ".wav", "VideoFlash": ".flv"}
POINTER = b"version https://git-lfs.github.com/spec/"
CREDIT = Credit(
    name="CREMA-D",
    licence="ODbL 1.0 (data base), DbCL 1.0 (contents)",
    homepage="https://github.com/CheyneyComputerScience/CREMA-D",
    citation="H. Cao et al.: CREMA-D: Crowd-sourced Emotional Multimodal Actors Dataset, IEEE TAC 5(4), 2014",
)
NOTE = "The label is the emotion that the actor was asked for, not what listeners heard."


def read_crema_d(root: Path, fps: float) -> tuple[AudioCorpus, PictureCorpus]:
    """Read the published tree: sounds in AudioWAV/*.wav, videos of the same names in VideoFlash/*.flv.

    root: that tree, or the folder around it.  fps: frames to take of a second.  Raises UserError where root is no
    CREMA-D, or holds Git-LFS pointers in place of its media.
    """
    root = _tree(root)
    names, problems = _names(root)
    _refuse_pointers(root, names)
    clips, videos = [], []
    for name in names:
        sound, video = _paths(root, name)
        if wrong := [problem for path in (sound, video) if (problem := _problem(path))]:
            problems += wrong
            continue
        actor, _, emotion, _ = name.split("_")
        clips.append(Clip(name, EMOTIONS[emotion], actor, 0, LocalFile(str(sound))))
        videos.append(Video(name, EMOTIONS[emotion], None, LocalFile(str(video)), fps))
    classes = tuple(EMOTIONS.values())
    return (
        AudioCorpus(CREDIT, classes, tuple(clips), tuple(problems), (NOTE,)),
        PictureCorpus(CREDIT, classes, tuple(videos), notes=(f"{fps:g} frames a second are taken of each video.",)),
    )


def _tree(root: Path) -> Path:
    for folder in (root, root / "CREMA-D"):
        if all((folder / side).is_dir() for side in SIDES):
            return folder
    there = ", ".join(sorted(path.name for path in root.iterdir())[:8]) if root.is_dir() else "no such folder"
    raise UserError(f"{root}: no CREMA-D here, but {there or 'nothing'}; looked for AudioWAV/ and VideoFlash/")


def _names(root: Path) -> tuple[list[str], list[Problem]]:
    """Names of clips that stand on either side, and the files that are no clips."""
    names, problems = set(), []
    for side, suffix in SIDES.items():
        for path in sorted((root / side).iterdir()):
            if path.name.startswith("."):
                continue
            if path.suffix != suffix:
                problems.append(Problem(str(path), f"not a {suffix} file"))
            elif not NAME.fullmatch(path.stem):
                problems.append(Problem(str(path), f"not named ActorID_Sentence_EMO_LEVEL{suffix}"))
            else:
                names.add(path.stem)
    return sorted(names), problems


def _paths(root: Path, name: str) -> list[Path]:
    return [root / side / f"{name}{suffix}" for side, suffix in SIDES.items()]


def _problem(path: Path) -> Problem | None:
    pointer = Problem(str(path), "a Git-LFS pointer, not the file it stands for")
    return file_problem(path) or (pointer if _is_pointer(path) else None)


def _is_pointer(path: Path) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(len(POINTER)) == POINTER


def _refuse_pointers(root: Path, names: Sequence[str]) -> None:
    """One error in place of thousands where nine tenths of a side, or more, were never fetched."""
    pointers = Counter(path.parent.name for name in names for path in _paths(root, name) if _is_pointer(path))
    unfetched = {side: pointers[side] for side in SIDES if pointers[side] and pointers[side] >= 0.9 * len(names)}
    if unfetched:
        counts = " and ".join(f"{count:,} of {len(names):,} files in {side}/" for side, count in unfetched.items())
        wanted = ",".join(f"{side}/*" for side in unfetched)
        raise UserError(
            f"{root}: {counts} are Git-LFS pointers of some hundred bytes, which stand for the media. Fetch them with\n"
            f'  cd {root} && git lfs install && git lfs pull --include "{wanted}"'
        )
