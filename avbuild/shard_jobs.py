"""The work of one shard, as a function of a picklable job: what every engine runs."""

import json
from dataclasses import dataclass

from avbuild.corruptions.registry import Signal
from avbuild.media import decode_audio, decode_image, encode_audio, encode_image, read_audio
from avbuild.pairing import Pair
from avbuild.scenarios import Condition, corrupt, plan_sample
from avbuild.shards import Encoded, Sample, ShardRecord, finished_shard, read_samples, write_shard
from avbuild.storage import Folder

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


def _clean_sample(pair: Pair, sound: bytes) -> Sample:
    picture = pair.picture.media.read()
    return Sample(
        id=pair.id,
        audio={"bytes": sound, "path": f"{pair.clip.id}.flac"},
        image={"bytes": picture, "path": f"{pair.picture.id}{_suffix(picture)}"},
        label=pair.label,
        group=pair.clip.group,
        fold=pair.clip.fold,
        audio_missing=False,
        image_missing=False,
        corruption=UNTOUCHED,
    )


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


def corrupt_sample(sample: Sample, condition: Condition) -> Sample:
    """One clean row under a condition. An untouched modality keeps its bytes."""
    cells: dict[str, Encoded] = {
        modality: cell for modality, cell in (("audio", sample["audio"]), ("image", sample["image"])) if cell
    }
    plan = plan_sample(condition, sample["id"], cells)
    # decode only what will change
    signals = {modality: _decoded(modality, cell) for modality, cell in cells.items() if plan.reads(modality)}
    results, record = corrupt(plan, signals)
    for modality, result in results.items():
        if result is None:
            del cells[modality]
        elif result is not signals[modality]:
            cells[modality] = _encoded(modality, result, cells[modality]["path"])
    return Sample(
        id=sample["id"],
        audio=cells.get("audio"),
        image=cells.get("image"),
        label=sample["label"],
        group=sample["group"],
        fold=sample["fold"],
        audio_missing=sample["audio_missing"] or "audio" in plan.missing,
        image_missing=sample["image_missing"] or "image" in plan.missing,
        corruption=json.dumps(record, separators=(",", ":")),
    )


def _decoded(modality: str, cell: Encoded) -> Signal:
    return decode_audio(cell["bytes"]) if modality == "audio" else decode_image(cell["bytes"])


def _encoded(modality: str, signal: Signal, path: str) -> Encoded:
    if modality == "audio":
        return {"bytes": encode_audio(signal), "path": path}
    stem = path.rsplit(".", 1)[0] if "." in path.rsplit("/", 1)[-1] else path
    return {"bytes": encode_image(signal), "path": f"{stem}.png"}
