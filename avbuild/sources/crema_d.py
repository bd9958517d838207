"""CREMA-D: 7,442 clips of 91 actors who say a sentence in one of six emotions, heard and seen."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from avbuild.errors import UserError
from avbuild.modalities.video_frames import FPS, require_pyav
from avbuild.sources.builder import AnyCorpus, Builder
from avbuild.sources.corpus import Corpus, Credit, LocalFile, Material, Problem, SourceItem
from avbuild.sources.crema_d_lists import follow, read_lists
from avbuild.sources.crema_d_names import EMOTIONS, NAME
from avbuild.sources.files import contents, file_problem, is_lfs_pointer
from avbuild.sources.locate import Repository, find_source
from avbuild.sources.options import Options

SIDES = {"AudioWAV": ".wav", "VideoFlash": ".flv"}
CREDIT = Credit(
    name="CREMA-D",
    licence="ODbL 1.0 (data base), DbCL 1.0 (contents)",
    homepage="https://github.com/CheyneyComputerScience/CREMA-D",
    citation="H. Cao et al.: CREMA-D: Crowd-sourced Emotional Multimodal Actors Dataset, IEEE TAC 5(4), 2014",
)
REPOSITORY = Repository("CREMA-D", "https://github.com/CheyneyComputerScience/CREMA-D")
NOTE = "The label is the emotion that the actor was asked for, not what listeners heard."


def read_crema_d(root: Path, fps: float) -> tuple[Corpus, Corpus]:
    """Read the published tree: audio in AudioWAV/*.wav, videos of the same names in VideoFlash/*.flv.

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
        clips.append(SourceItem("audio", name, EMOTIONS[emotion], LocalFile(str(sound)), actor))
        videos.append(SourceItem("video", name, EMOTIONS[emotion], LocalFile(str(video)), actor, fps=fps))
    classes = tuple(EMOTIONS.values())
    return (
        Corpus("audio", CREDIT, classes, tuple(clips), tuple(problems), (NOTE,)),
        Corpus("video", CREDIT, classes, tuple(videos), notes=(f"{fps:g} frames a second are taken of each video.",)),
    )


def _tree(root: Path) -> Path:
    for folder in (root, root / "CREMA-D"):
        if all((folder / side).is_dir() for side in SIDES):
            return folder
    raise UserError(f"{root}: no CREMA-D here, but {contents(root)}; looked for AudioWAV/ and VideoFlash/")


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
    return file_problem(path) or (pointer if is_lfs_pointer(path) else None)


def _refuse_pointers(root: Path, names: Sequence[str]) -> None:
    """One error in place of thousands where nine tenths of a side, or more, were never fetched."""
    pointers = Counter(path.parent.name for name in names for path in _paths(root, name) if is_lfs_pointer(path))
    unfetched = {side: pointers[side] for side in SIDES if pointers[side] and pointers[side] >= 0.9 * len(names)}
    if unfetched:
        counts = " and ".join(f"{count:,} of {len(names):,} files in {side}/" for side, count in unfetched.items())
        wanted = ",".join(f"{side}/*" for side in unfetched)
        raise UserError(
            f"{root}: {counts} are Git-LFS pointers of some hundred bytes, which stand for the media. Fetch them with\n"
            f'  cd {root} && git lfs install && git lfs pull --include "{wanted}"'
        )


def read_crema_d_av(options: Options, _: AnyCorpus) -> Material:
    """Read CREMA-D's audio, each clip with its own video."""
    require_pyav()  # before anything is read
    root = options.audio_root or find_source(REPOSITORY, options.sources, options.offline)
    audio, videos = read_crema_d(root, options.fps or FPS)
    if options.lists is not None:
        audio = follow(read_lists(options.lists), audio)
    return Material((audio, videos), audio.classes)


BUILDER = Builder(
    name="crema-d",
    title="CREMA-D",
    needs="CREMA-D, cloned with Git LFS (AudioWAV/ and VideoFlash/), and the extra video, which is PyAV",
    licence="ODbL 1.0 (data base), DbCL 1.0 (contents)",
    read=read_crema_d_av,
    modalities=("audio", "video"),
    group="actor",
    options=frozenset({"audio_root", "fps", "lists"}),
    examples=("avbuild make crema-d --audio-root CREMA-D/ --fps 2",),
    rows_per_shard=64,  # frames are large
)
