"""Kinetics-Sounds: clips of Kinetics whose class can be heard and seen; a list says which clips and classes."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

from avbuild.errors import UsageError
from avbuild.modalities.video_frames import FPS, require_pyav
from avbuild.sources.aligned import AlignedRow, AlignedSource, aligned_material
from avbuild.sources.builder import AnyCorpus, Builder
from avbuild.sources.corpus import Credit, LocalFile, Material, Media, Problem
from avbuild.sources.files import file_problem
from avbuild.sources.folders import AUDIO, VIDEOS
from avbuild.sources.kinetics_lists import ListedClip, read_clips
from avbuild.sources.options import Options
from avbuild.sources.video_audio import AudioOfVideo
from avbuild.sources.walk import walk

CREDIT = Credit(
    name="Kinetics-Sounds",
    licence="lists: as their publishers state; videos: of their uploaders on YouTube, terms not stated",
    homepage="https://github.com/cvdfoundation/kinetics-dataset",
    citation="R. Arandjelovic and A. Zisserman: Look, Listen and Learn, ICCV 2017",
)


def read_kinetics_sounds(options: Options, _: AnyCorpus) -> Material:
    """Read the videos that the list names, wherever they are below --root, and the audio of each.

    The audio is that of the file beside the video with its name, such as .wav, or else the video's own audio track.
    """
    if options.root is None or options.list is None:
        raise UsageError(
            "kinetics-sounds: give the folder of your Kinetics videos and the list of clips and classes: "
            "--root kinetics/ --list FILE, or --list FOLDER with a train list and a test list"
        )
    if not options.root.is_dir():
        raise UsageError(f"--root {options.root}: no such folder")
    require_pyav()
    follow = options.split == "published"
    clips, problems = read_clips(options.list, follow)
    videos, sounds = _files(options.root)
    rows: list[AlignedRow] = []
    for clip in clips:
        row = _row(clip, videos.get(clip.name, []), sounds.get(clip.name, []), follow)
        if isinstance(row, Problem):
            problems.append(row)
        else:
            rows.append(row)
    classes = tuple(sorted({clip.label for clip in clips}))
    missing = Counter(problem.what for problem in problems)["not there"]
    tracks = sum(isinstance(row.media["audio"], AudioOfVideo) for row in rows)
    both = {clip.video for clip in clips if clip.split == "test"} & {c.video for c in clips if c.split == "train"}
    leak = (f"The published lists leak: {len(both):,} videos have clips in both.",) * bool(both)
    return aligned_material(
        rows,
        AlignedSource(
            modalities=("audio", "video"),
            credit=CREDIT,
            classes=classes,
            notes=(
                f"{len(classes)} classes, as the list has them (published lists have 31 to 34): {', '.join(classes)}.",
                f"{options.fps or FPS:g} frames a second are taken of each video; the audio of {tracks:,} of "
                f"{len(rows):,} clips is the audio track of the video, of the others a file beside it.",
                *leak,
            ),
            announcements=(f"{len(classes)} classes and {len(clips):,} clips in the list", *leak),
            problems=tuple(problems),
            split_source="published train and test list" if follow else "",
            advice=(
                f"{missing:,} of {len(clips):,} listed clips are not there: videos vanish from YouTube, so few copies "
                "are whole"
            )
            * bool(missing),
            fps=options.fps or FPS,
        ),
    )


def _files(root: Path) -> tuple[Mapping[str, list[Path]], Mapping[str, list[Path]]]:
    """Return the videos and the audio files below a folder by their stem."""
    videos: dict[str, list[Path]] = defaultdict(list)
    sounds: dict[str, list[Path]] = defaultdict(list)
    for path in walk(root, set())[0]:
        if path.suffix.lower() in VIDEOS:
            videos[path.stem].append(path)
        elif path.suffix.lower() in AUDIO:
            sounds[path.stem].append(path)
    return videos, sounds


def _row(clip: ListedClip, videos: Sequence[Path], sounds: Sequence[Path], follow: bool) -> AlignedRow | Problem:
    """Return the sample of a clip, or its problem."""
    place = f"{clip.place} ({clip.name})"
    if not videos:
        return Problem(place, "not there")
    for found in (videos, sounds):
        if len(found) > 1:
            return Problem(place, f"more than one file: {', '.join(map(str, found[:3]))}")
    if problem := file_problem(videos[0]) or next((p for path in sounds if (p := file_problem(path))), None):
        return problem
    audio: Media = LocalFile(str(sounds[0])) if sounds else AudioOfVideo(str(videos[0]))
    media: dict[str, Media] = {"audio": audio, "video": LocalFile(str(videos[0]))}
    return AlignedRow(clip.name, clip.label, media, group=clip.video, split=clip.split if follow else None)


BUILDER = Builder(
    name="kinetics-sounds",
    title="Kinetics-Sounds",
    needs="your own Kinetics videos, a list of clips and classes (--list), and the extra video, which is PyAV",
    licence="videos of their uploaders; terms not stated",
    read=read_kinetics_sounds,
    modalities=("audio", "video"),
    group="video",
    options=frozenset({"root", "list", "fps"}),
    examples=("avbuild make kinetics-sounds --root kinetics/ --list lists/",),
    rows_per_shard=64,  # frames are large
    splits=frozenset({"grouped", "random70", "published"}),
)
