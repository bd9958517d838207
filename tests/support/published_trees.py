"""Small corpora in the layouts of their publishers, of made-up content."""

import csv
import io
import json
from fractions import Fraction
from pathlib import Path

import numpy as np

from tests.support.crema_d import RATE, moving_square
from tests.support.own_files import write_media

ELLIPSIS = b"\xa1\xad"  # in GB 18030


def write_mvsa_single(root: Path, posts: int = 40) -> Path:
    """Write data/, labelResultAll.txt and QMF's lists; every tenth post has labels that differ, and no list.

    Post 2 (train) and post 3 (dev) have one picture; posts 4 (test), 5 (train) and 6 (dev) have one text.  Every
    seventh text is in GB 18030.
    """
    labels = ("positive", "negative", "neutral")
    lines, lists = ["ID\ttext,image"], {"train": [], "dev": [], "test": []}  # type: ignore[var-annotated]
    for id in range(1, posts + 1):
        label, other = labels[id % 3], labels[(id + 1) % 3] if id % 10 == 0 else labels[id % 3]
        write_media(root / "data" / f"{id}.jpg", 2 if id == 3 else id)
        text = f"RT @user: post {5 if id in (4, 5, 6) else id} #tag ".encode()
        (root / "data" / f"{id}.txt").write_bytes(text + (ELLIPSIS + b" \n" if id % 7 == 0 else b"\n"))
        lines.append(f"{id}\t{label},{other}")
        split = {2: "train", 3: "dev", 4: "test", 5: "train", 6: "dev"}.get(
            id, ("train", "train", "dev", "test")[id % 4]
        )
        if label == other:
            lists[split].append(json.dumps({"id": str(id), "label": label, "img": f"data/{id}.jpg"}))
    (root / "labelResultAll.txt").write_text("\n".join(lines) + "\n")
    for name, entries in lists.items():
        (root / f"{name}.jsonl").write_text("\n".join(entries) + "\n")
    return root


def write_food_101(root: Path, classes: tuple[str, ...] = ("apple_pie", "sushi"), count: int = 12) -> Path:
    """Write images/SPLIT/CLASS/CLASS_N.jpg and texts/*_titles.csv; every fourth picture is for test."""
    rows: dict[str, list[tuple[str, str, str]]] = {"train": [], "test": []}
    for number, name in enumerate(classes):
        for index in range(count):
            split, image = "test" if index % 4 == 0 else "train", f"{name}_{index}.jpg"
            write_media(root / "images" / split / name / image, 100 * number + index)
            rows[split].append((image, f'{name}, "the best" of {index}', name))
    for split, entries in rows.items():
        sink = io.StringIO()
        csv.writer(sink).writerows(entries)
        path = root / "texts" / f"{split}_titles.csv"
        path.parent.mkdir(exist_ok=True)
        path.write_text(sink.getvalue())
    return root


def write_iemocap(
    root: Path, sessions: int = 5, emotions: tuple[str, ...] = ("neu", "ang", "sad", "hap", "exc", "fru")
) -> Path:
    """Write SessionN/ with one dialog each, in which both speakers show every emotion."""
    for session in range(1, sessions + 1):
        dialog = f"Ses{session:02d}F_impro01"
        place = root / f"Session{session}"
        turns, words = ["% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]", ""], []
        for index, emotion in enumerate(emotions):
            for speaker in "FM":
                name = f"{dialog}_{speaker}{index:03d}"
                turns += [
                    f"[{index}.2901 - {index}.9000]\t{name}\t{emotion}\t[2.5000, 2.5000, 2.5000]",
                    "C-E2:\tNeutral;\t()",
                    "",
                ]
                words.append(f"{name} [00{index}.2901-00{index}.9000]: Secret words {session} {speaker} {index}.")
                write_media(place / "sentences" / "wav" / dialog / f"{name}.wav", 100 * session + index)
        for folder, lines in (("EmoEvaluation", turns), ("transcriptions", [*words, "M: not a turn"])):
            path = place / "dialog" / folder / f"{dialog}.txt"
            path.parent.mkdir(parents=True)
            path.write_text("\n".join(lines) + "\n")
    return root


def write_ravdess(root: Path, actors: tuple[int, ...] = tuple(range(1, 11)), videos: bool = False) -> Path:
    """Write Actor_NN/ with one spoken clip of each emotion, and one sung clip; videos with and without sound."""
    for actor in actors:
        names = [f"01-0{emotion}-01-01-01-{actor:02d}" for emotion in range(1, 9)] + [f"02-03-01-01-01-{actor:02d}"]
        for index, name in enumerate(names):
            folder = root / "Audio_Speech_Actors_01-24" / f"Actor_{actor:02d}"
            write_media(folder / f"03-{name}.wav", 10 * actor + index)
            if videos:
                for kind in ("01", "02"):
                    path = root / f"Video_Speech_Actor_{actor:02d}" / f"Actor_{actor:02d}" / f"{kind}-{name}.mp4"
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_bytes(film(name))
    return root


def film(name: str, seconds: float = 1.0, sound: bool = False) -> bytes:
    """Return an MP4 file of a moving square; with a tone whose pitch depends on the name, if it has sound."""
    import av

    sink = io.BytesIO()
    with av.open(sink, "w", format="mp4") as file:
        stream = file.add_stream("mpeg4", rate=Fraction(RATE))
        stream.height, stream.width, stream.pix_fmt = 48, 64, "yuv420p"
        track = file.add_stream("aac", rate=16_000, layout="mono") if sound else None
        for frame in moving_square(name, round(seconds * RATE)):
            file.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        file.mux(stream.encode())
        if track is not None:
            tone = 0.4 * np.sin(np.arange(round(16_000 * seconds)) * (0.1 + sum(map(ord, name)) % 7 / 10))
            samples = av.AudioFrame.from_ndarray(tone.astype(np.float32)[None], format="fltp", layout="mono")
            samples.rate = 16_000
            file.mux(track.encode(samples))
            file.mux(track.encode(None))
    return sink.getvalue()
