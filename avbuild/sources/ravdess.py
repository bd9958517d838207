"""RAVDESS: 24 actors who speak and sing two sentences in eight emotions, as audio and, where it is there, video."""

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from avbuild.errors import UserError
from avbuild.modalities.video_frames import FPS, require_pyav
from avbuild.sources.aligned import AlignedRow, AlignedSource, aligned_material, used_classes
from avbuild.sources.builder import AnyCorpus, Builder
from avbuild.sources.corpus import Credit, LocalFile, Material, Problem
from avbuild.sources.files import file_problem, visible
from avbuild.sources.options import Options
from avbuild.sources.published import PublishedTree, find_tree
from avbuild.sources.walk import walk

EMOTIONS = {
    "01": "neutral", "02": "calm", "03": "happy", "04": "sad", "05": "angry", "06": "fearful", "07": "disgust",
    "08": "surprised",
}  # fmt: skip
VOCALS = {"01": "speech", "02": "song"}
CLIPS = {"speech": 1_440, "song": 1_012}  # published: 60 a speaker, and 44 a singer but actor 18
AUDIO, AUDIO_VIDEO, VIDEO = "03", "01", "02"  # the first field of a name
# modality-vocal-emotion-intensity-statement-repetition-actor
NAME = re.compile(r"(0[1-3])-(0[12])-(0[1-8])-(0[12])-(0[12])-(0[12])-(0[1-9]|1[0-9]|2[0-4])")
SUFFIX = {AUDIO: ".wav", AUDIO_VIDEO: ".mp4", VIDEO: ".mp4"}
ACTOR_FOLDER = re.compile("Actor_[0-9]{2}")
CREDIT = Credit(
    name="RAVDESS",
    licence="CC BY-NC-SA 4.0",
    homepage="https://zenodo.org/records/1188976",
    citation="S. R. Livingstone and F. A. Russo: The Ryerson Audio-Visual Database of Emotional Speech and Song, "
    "PLoS ONE 13(5), 2018",
)


def _has_actors(folder: Path) -> bool:
    """Whether a folder holds Actor_01/ and so on, directly or in the folders of the published archives."""
    below = [path for path in visible(folder) if path.is_dir()]
    return any(
        ACTOR_FOLDER.fullmatch(path.name) for place in (folder, *below) for path in visible(place) if path.is_dir()
    )


TREE = PublishedTree(
    title="RAVDESS",
    folders=("RAVDESS", "ravdess"),
    looked_for="Actor_01/, or the folders of its archives with Actor_01/ in them",
    page="https://zenodo.org/records/1188976",
    fits=_has_actors,
)


@dataclass(frozen=True, slots=True)
class Take:
    """The files of one clip: its audio, its video with sound, and its video without."""

    fields: tuple[str, ...]  # of the name, but for the first
    files: dict[str, Path]  # by the first field

    @property
    def id(self) -> str:
        """The name of the clip without its first field."""
        return "-".join(self.fields)

    @property
    def video(self) -> Path | None:
        """The video with sound or, where that is absent, the one without, which shows the same frames."""
        return self.files.get(AUDIO_VIDEO) or self.files.get(VIDEO)


def read_ravdess(options: Options, _: AnyCorpus) -> Material:
    """Read `Actor_NN/03-01-05-01-02-01-12.wav`, and the videos `01-...` or `02-...` of the same clips."""
    root = find_tree(TREE, options.root, options.sources)
    takes, problems = _takes(root)
    vocal = options.vocal or "speech"
    named = set(VOCALS) if vocal == "both" else {code for code, name in VOCALS.items() if name == vocal}
    wanted = [take for take in takes if take.fields[0] in named]
    unwanted = [
        Problem(str(path), f"not used: {VOCALS[take.fields[0]]}, which --vocal {VOCALS[take.fields[0]]} or both adds")
        for take in takes
        if take.fields[0] not in named
        for path in take.files.values()
    ]
    videos = any(take.video for take in wanted)
    if videos:
        require_pyav()
    elif options.fps is not None:
        raise UserError(f"--fps: no video of {vocal} is in {root}")
    rows = []
    for take in wanted:
        row, wrong = _row(take, videos, root)
        rows += [row] if row else []
        problems += wrong
    if not rows and not problems:
        raise UserError(f"{root}: no clip of {vocal} is there")
    counts = _count_note(rows, vocal)
    media = "audio and video" if videos else "audio"
    twice = sum({AUDIO_VIDEO, VIDEO} <= take.files.keys() for take in wanted)
    silent = (f"Of {twice:,} clips the video without sound (02-...) is there too, and not needed.",) * bool(twice)
    fps = (f"{options.fps or FPS:g} frames a second are taken of each video.",) * videos
    return aligned_material(
        rows,
        AlignedSource(
            modalities=("audio", "video") if videos else ("audio",),
            credit=CREDIT,
            classes=used_classes(EMOTIONS.values(), rows),
            notes=(f"Clips of {'speech and song' if vocal == 'both' else vocal}: {media}.", *fps, *silent, *counts),
            announcements=counts,
            problems=tuple(problems),
            unwanted=tuple(unwanted),
            recipe={"vocal": vocal},
            fps=options.fps or FPS,
        ),
    )


def _takes(root: Path) -> tuple[list[Take], list[Problem]]:
    """Return all clips, and the files below the root that are not named like clips, or have the name of another."""
    files, problems = walk(root, set())
    takes: dict[tuple[str, ...], dict[str, Path]] = defaultdict(dict)
    for path in files:
        named = NAME.fullmatch(path.stem)
        if named is None or SUFFIX[named[1]] != path.suffix.lower():
            if path.suffix.lower() in SUFFIX.values():
                problems.append(Problem(str(path), "not named like a clip, such as 03-01-05-01-02-01-12.wav"))
        elif other := takes[named.groups()[1:]].get(named[1]):
            # the archive of audio is published with all actors in it a second time
            if other.stat().st_size != path.stat().st_size:
                problems.append(Problem(str(path), f"another file of this name: {other}"))
        elif not path.parent.name.endswith(named[7]):
            problems.append(Problem(str(path), f"not in the folder of its actor: {path.parent.name}"))
        else:
            takes[named.groups()[1:]][named[1]] = path
    return [Take(fields, files) for fields, files in sorted(takes.items()) if files], problems


def _row(take: Take, videos: bool, root: Path) -> tuple[AlignedRow | None, list[Problem]]:
    """Return the sample of a clip, or None and its problems."""
    audio, video = take.files.get(AUDIO), take.video
    there = next(iter(take.files.values()))
    problems = []
    if audio is None:
        problems.append(Problem(str(there), "no audio: the clip's .wav is missing"))
    elif problem := file_problem(audio):
        problems.append(problem)
    if videos and video is None:
        problems.append(Problem(str(there), "no video: the clip's .mp4 is missing"))
    elif video is not None and (problem := file_problem(video)):
        problems.append(problem)
    if problems or audio is None:
        return None, problems
    media = {"audio": LocalFile(str(audio))} | ({"video": LocalFile(str(video))} if videos else {})
    return AlignedRow(take.id, EMOTIONS[take.fields[1]], media, group=f"actor{take.fields[-1]}"), []


def _count_note(rows: Sequence[AlignedRow], vocal: str) -> tuple[str, ...]:
    """Return a line where other clips are there than were published."""
    parts = []
    for code, name in VOCALS.items():
        count = sum(row.id.startswith(f"{code}-") for row in rows)
        if vocal in ("both", name) and count != CLIPS[name]:
            parts.append(f"{count:,} of {CLIPS[name]:,} published clips of {name}")
    return (f"Not all of RAVDESS is there: {' and '.join(parts)}.",) if parts else ()


BUILDER = Builder(
    name="ravdess",
    title="RAVDESS",
    needs="RAVDESS (Actor_01/ to Actor_24/): audio; and video where it is there, with the extra video, which is PyAV",
    licence="CC BY-NC-SA 4.0",
    read=read_ravdess,
    modalities=("audio", "video"),
    group="actor",
    options=frozenset({"root", "vocal", "fps"}),
    examples=("avbuild make ravdess --root RAVDESS/ --vocal both",),
    rows_per_shard=64,  # frames are large
)
