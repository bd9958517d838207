"""CREMA-D: 7,442 clips with audio and video of 91 actors who say a sentence in one of six emotions."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from avbuild.errors import UserError
from avbuild.modalities.video_frames import FPS, require_pyav
from avbuild.sources.builder import AnyCorpus, Builder
from avbuild.sources.corpus import Corpus, Credit, LocalFile, Material, Problem, SourceItem
from avbuild.sources.crema_d_lists import follow, read_lists
from avbuild.sources.crema_d_names import EMOTIONS, NAME
from avbuild.sources.files import contents, file_problem, is_lfs_pointer, visible
from avbuild.sources.locate import Repository, find_source
from avbuild.sources.options import Options

FOLDERS = {"AudioWAV": ".wav", "VideoFlash": ".flv"}
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

    Args:
        root: that tree, or the folder around it.
        fps: frames per second to take of each video.

    Raises UserError where root is not CREMA-D, or holds Git-LFS pointers in place of its media.
    """
    root = _tree(root)
    names, problems = _names(root)
    _refuse_pointers(root, names)
    clips, videos = [], []
    for name in names:
        audio, video = _paths(root, name)
        if found := [problem for path in (audio, video) if (problem := file_problem(path))]:
            problems += found
            continue
        actor, _, emotion, _ = name.split("_")
        clips.append(SourceItem("audio", name, EMOTIONS[emotion], LocalFile(str(audio)), actor))
        videos.append(SourceItem("video", name, EMOTIONS[emotion], LocalFile(str(video)), actor, fps=fps))
    classes = tuple(EMOTIONS.values())
    return (
        Corpus("audio", CREDIT, classes, tuple(clips), tuple(problems), (NOTE,)),
        Corpus("video", CREDIT, classes, tuple(videos), notes=(f"{fps:g} frames a second are taken of each video.",)),
    )


def _tree(root: Path) -> Path:
    for folder in (root, root / "CREMA-D"):
        if all((folder / name).is_dir() for name in FOLDERS):
            return folder
    raise UserError(f"{root}: no CREMA-D here, but {contents(root)}; looked for AudioWAV/ and VideoFlash/")


def _names(root: Path) -> tuple[list[str], list[Problem]]:
    """Return the names of all clips in either folder, and the files that are not named like clips."""
    names, problems = set(), []
    for folder, suffix in FOLDERS.items():
        for path in visible(root / folder):
            if path.suffix != suffix:
                problems.append(Problem(str(path), f"not a {suffix} file"))
            elif not NAME.fullmatch(path.stem):
                problems.append(Problem(str(path), f"not named ActorID_Sentence_EMO_LEVEL{suffix}"))
            else:
                names.add(path.stem)
    return sorted(names), problems


def _paths(root: Path, name: str) -> list[Path]:
    return [root / folder / f"{name}{suffix}" for folder, suffix in FOLDERS.items()]


def _refuse_pointers(root: Path, names: Sequence[str]) -> None:
    """Raise one error, in place of thousands, where at least 90 % of the files of a folder are Git-LFS pointers."""
    pointers = Counter(path.parent.name for name in names for path in _paths(root, name) if is_lfs_pointer(path))
    least = max(1, 0.9 * len(names))
    unfetched = {folder: pointers[folder] for folder in FOLDERS if pointers[folder] >= least}
    if unfetched:
        counts = " and ".join(f"{count:,} of {len(names):,} files in {folder}/" for folder, count in unfetched.items())
        wanted = ",".join(f"{folder}/*" for folder in unfetched)
        raise UserError(
            f"{root}: {counts} are Git-LFS pointers in place of the media. Fetch the media with\n"
            f'  cd {root} && git lfs install && git lfs pull --include "{wanted}"'
        )


def read_crema_d_av(options: Options, _: AnyCorpus) -> Material:
    """Read CREMA-D: each audio clip with its own video."""
    require_pyav()  # fail before reading anything
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
