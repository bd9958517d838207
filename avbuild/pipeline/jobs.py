"""The work of one shard, as a function of a picklable job: what every engine runs."""

import json
from dataclasses import dataclass
from typing import cast

from avbuild.corruptions.registry import Signal
from avbuild.dataset.shards import (
    Cell,
    Encoded,
    ShardRecord,
    StoredSample,
    cells_of,
    encoded_files,
    finished_shard,
    read_samples,
    with_media,
    write_shard,
)
from avbuild.dataset.storage import Folder
from avbuild.modalities.media import decode_audio, decode_image, decode_video, encode_audio, encode_image, read_audio
from avbuild.modalities.video import read_frames
from avbuild.pipeline.pairing import Pair
from avbuild.scenarios.apply import Condition, corrupt, plan_sample
from avbuild.sources.corpus import Picture, Video

UNTOUCHED = "{}"  # the `corruption` column of a sample nothing was done to


@dataclass(frozen=True, slots=True)
class CleanJob:
    """Write these pairs as they came, to one shard."""

    folder: str
    name: str
    pairs: tuple[Pair, ...]
    classes: tuple[str, ...]
    job: str
    scenario_hash: str


@dataclass(frozen=True, slots=True)
class CorruptJob:
    """Write one clean shard under a condition."""

    folder: str
    source: str
    rows: int
    name: str
    classes: tuple[str, ...]
    condition: Condition
    job: str
    scenario_hash: str


def write_clean(job: CleanJob) -> ShardRecord:
    """Decode, resample and store; a shard that is finished already is left alone."""
    folder = Folder(job.folder)
    if done := finished_shard(folder, job.name, job.job):
        return done
    clip, sound = None, b""
    samples = []
    for pair in job.pairs:
        if pair.clip != clip:  # pairs of one clip stand side by side
            clip, sound = pair.clip, encode_audio(read_audio(pair.clip.media.read()))
        samples.append(_clean_sample(pair, sound))
    return write_shard(folder, job.name, samples, job.classes, job.job, job.scenario_hash)


def _clean_sample(pair: Pair, sound: bytes) -> StoredSample:
    seen = pair.picture.modality
    row = {
        "id": pair.id,
        "audio": {"bytes": sound, "path": f"{pair.clip.id}.flac"},
        seen: picture_cell(pair.picture),
        "label": pair.label,
        "group": pair.clip.group,
        "fold": pair.clip.fold,
        "audio_missing": False,
        f"{seen}_missing": False,
        "corruption": UNTOUCHED,
    }
    return cast(StoredSample, row)


def picture_cell(picture: Picture) -> Cell:
    """A picture as it came, or the frames taken from a video, as they stand in a data set."""
    if isinstance(picture, Video):
        frames = read_frames(picture.media.read(), picture.fps)
        return [{"bytes": encode_image(frame), "path": f"{picture.id}-{k}.png"} for k, frame in enumerate(frames)]
    data = picture.media.read()
    return {"bytes": data, "path": f"{picture.id}{_suffix(data)}"}


def _suffix(picture: bytes) -> str:
    magic = {b"\x89PNG": ".png", b"\xff\xd8\xff": ".jpg", b"GIF8": ".gif", b"RIFF": ".webp", b"BM": ".bmp"}
    return next((suffix for start, suffix in magic.items() if picture.startswith(start)), "")


def write_corrupted(job: CorruptJob) -> ShardRecord:
    """Corrupt every sample of a clean shard; a shard that is finished already is left alone."""
    folder = Folder(job.folder)
    if done := finished_shard(folder, job.name, job.job):
        return done
    samples = [corrupt_sample(sample, job.condition) for sample in read_samples(folder.read(job.source))]
    return write_shard(folder, job.name, samples, job.classes, job.job, job.scenario_hash)


def corrupt_sample(sample: StoredSample, condition: Condition) -> StoredSample:
    """One clean row under a condition. An untouched modality keeps its bytes."""
    cells = cells_of(sample)
    plan = plan_sample(condition, sample["id"], cells)
    # decode only what will change
    signals = {modality: decoded(modality, cell) for modality, cell in cells.items() if plan.reads(modality)}
    results, record = corrupt(plan, signals)
    for modality, result in results.items():
        if result is None:
            del cells[modality]
        elif result is not signals[modality]:
            cells[modality] = _encoded(modality, result, cells[modality])
    return with_media(sample, cells, plan.missing, json.dumps(record, separators=(",", ":")))


def decoded(modality: str, cell: Cell) -> Signal:
    """The signal in a cell: audio float32 [samples], image uint8 [H, W, 3], video uint8 [F, H, W, 3]."""
    files = [file["bytes"] for file in encoded_files(cell)]
    if modality == "video":
        return decode_video(files)
    return decode_audio(files[0]) if modality == "audio" else decode_image(files[0])


def _encoded(modality: str, signal: Signal, before: Cell) -> Cell:
    paths = [file["path"] for file in encoded_files(before)]
    if modality == "video":
        return [_png(frame, path) for frame, path in zip(signal, paths, strict=True)]
    return {"bytes": encode_audio(signal), "path": paths[0]} if modality == "audio" else _png(signal, paths[0])


def _png(image: Signal, path: str) -> Encoded:
    stem = path.rsplit(".", 1)[0] if "." in path.rsplit("/", 1)[-1] else path
    return {"bytes": encode_image(image), "path": f"{stem}.png"}
