"""What a builder read, and how its clips and pictures find each other and their splits."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TypeVar

from avbuild.dataset.splits import FRACTIONS, SplitKey, by_folds, grouped, random70
from avbuild.pipeline.pairing import Pair, clips_for_pictures, equal_ids, pictures_for_clips
from avbuild.scenarios.seeding import digest
from avbuild.sources.corpus import AudioCorpus, Clip, Picture, PictureCorpus, Split
from avbuild.sources.labelmap import ClassMatch
from avbuild.sources.options import Options

KEPT: Mapping[Split, float] = {"train": 0.9, "validation": 0.1}  # of what a publisher does not test on
Item = TypeVar("Item", Clip, Picture)


@dataclass(frozen=True, slots=True)
class Material:
    """What a builder read, before clips and pictures are paired."""

    audio: AudioCorpus
    pictures: PictureCorpus
    classes: tuple[str, ...]
    match: Mapping[str, ClassMatch]  # class -> classes of the other modality; empty where ids pair

    def without(self, clips: set[str], pictures: set[str]) -> "Material":
        """The same without some clips and pictures, by id."""
        return replace(
            self,
            audio=replace(self.audio, clips=tuple(c for c in self.audio.clips if c.id not in clips)),
            pictures=replace(self.pictures, pictures=tuple(p for p in self.pictures.pictures if p.id not in pictures)),
        )


def pair_by_clip(material: Material, options: Options) -> list[Pair]:
    """Every clip gets a picture, or has one of its id already."""
    clips = _limited(material.audio.clips, options)
    splits = _clip_splits(clips, options)
    clips = [clip for clip in clips if clip.id in splits]
    if not material.match:
        return equal_ids(clips, material.pictures.pictures, splits, material.classes)
    pictures = material.pictures.pictures
    return pictures_for_clips(clips, pictures, splits, material.match, material.classes, options.seed)


def pair_by_picture(material: Material, options: Options) -> list[Pair]:
    """Every picture gets a clip."""
    pictures = _limited(material.pictures.pictures, options)
    picture_splits = _picture_splits(pictures, options.seed)
    used = {partner for match in material.match.values() for partner in match.partners}
    clips = [clip for clip in material.audio.clips if clip.label in used]
    return clips_for_pictures(
        pictures,
        clips,
        picture_splits,
        _clip_splits(clips, options),
        material.match,
        material.classes,
        options.seed,
    )


def _clip_splits(clips: list[Clip], options: Options) -> dict[str, Split]:
    """Split of every clip by id; without those that cannot be in any."""
    rows = [SplitKey(clip.id, clip.label, clip.group, clip.fold) for clip in clips]
    if options.folds:
        splits = by_folds(rows, options.folds[-1], None, options.seed)
    elif options.lists is not None:
        rest = [row for row, clip in zip(rows, clips, strict=True) if clip.split == "train"]
        carved = dict(zip(rest, grouped(rest, options.seed, KEPT), strict=True))
        splits = [carved.get(row, "test") for row in rows]
    elif options.split == "random70":
        splits = list(random70(rows, options.seed))
    else:
        splits = list(grouped(rows, options.seed))
    return {clip.id: split for clip, split in zip(clips, splits, strict=True) if split is not None}


def _picture_splits(pictures: list[Picture], seed: int) -> dict[str, Split]:
    """The publisher's test pictures test; of the others a tenth validates. No split published: 70 / 10 / 20."""
    own = any(picture.split == "test" for picture in pictures)
    splits: dict[str, Split] = {picture.id: "test" for picture in pictures if picture.split == "test"}
    rest = [SplitKey(p.id, p.label, group=p.id, fold=0) for p in pictures if p.split != "test"]
    return splits | dict(zip((row.id for row in rest), grouped(rest, seed, KEPT if own else FRACTIONS), strict=True))


def _limited(items: tuple[Item, ...], options: Options) -> list[Item]:
    """At most `limit` items, evenly over the classes, chosen by the seed."""
    if options.limit is None or options.limit >= len(items):
        return list(items)
    by_class: dict[str, list[Item]] = {}
    for item in sorted(items, key=lambda item: digest(options.seed, "limit", item.id)):
        by_class.setdefault(item.label, []).append(item)
    rank = {item.id: position for members in by_class.values() for position, item in enumerate(members)}
    return sorted(items, key=lambda item: (rank[item.id], item.label))[: options.limit]
