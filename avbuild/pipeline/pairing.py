"""Which clip goes with which picture. Neither a clip nor a picture ever serves two splits."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from avbuild.errors import UserError
from avbuild.scenarios.seeding import digest
from avbuild.sources.corpus import SPLITS, Clip, Picture, Split
from avbuild.sources.labelmap import ClassMatch


@dataclass(frozen=True, slots=True)
class Pair:
    """One sample to be: a clip, a picture, and where they go."""

    id: str
    clip: Clip
    picture: Picture
    label: int
    split: Split


Splits = Mapping[str, Split]  # clip id -> split


def pictures_for_clips(
    clips: Sequence[Clip],
    pictures: Sequence[Picture],
    splits: Splits,
    match: Mapping[str, ClassMatch],
    classes: Sequence[str],
    seed: int,
) -> list[Pair]:
    """A picture for every clip: one of its class and split, reused only when all of those have been used."""
    pairs = []
    for label, name in enumerate(classes):
        own = [clip for clip in clips if clip.label == name]
        choice = _share_out([p for p in pictures if p.label in match[name].partners], own, splits, name, seed)
        for split in SPLITS:
            members = sorted((c for c in own if splits[c.id] == split), key=lambda c: digest(seed, "pair", c.id))
            pairs += [
                Pair(clip.id, clip, choice[split][index % len(choice[split])], label, split)
                for index, clip in enumerate(members)
            ]
    return pairs


def _share_out(
    pictures: Sequence[Picture], clips: Sequence[Clip], splits: Splits, name: str, seed: int
) -> dict[Split, list[Picture]]:
    """The pictures of one class, dealt to the splits: the publisher's test pictures to test, else in proportion."""
    wanted = {split: sum(splits[clip.id] == split for clip in clips) for split in SPLITS}
    order = sorted(pictures, key=lambda picture: digest(seed, "picture", picture.id))
    dealt: dict[Split, list[Picture]] = {split: [] for split in SPLITS}
    dealt["test"] = [picture for picture in order if picture.split == "test"]
    rest = [picture for picture in order if picture.split != "test"]
    receivers = [split for split in SPLITS if wanted[split] and not (split == "test" and dealt["test"])]
    total, start = sum(wanted[split] for split in receivers), 0.0
    for split in receivers:
        end = start + len(rest) * wanted[split] / total
        dealt[split] = rest[round(start) : round(end)]
        start = end
    for split in SPLITS:
        if wanted[split] and not dealt[split]:
            raise UserError(
                f"class {name}: no picture is left for the {wanted[split]} clips of the {split} split, "
                f"of {len(pictures)} in all; give more with --images, or another --label-map"
            )
    return dealt


def clips_for_pictures(
    pictures: Sequence[Picture],
    clips: Sequence[Clip],
    picture_splits: Splits,
    clip_splits: Splits,
    match: Mapping[str, ClassMatch],
    classes: Sequence[str],
    seed: int,
) -> list[Pair]:
    """A clip for every picture: one of its class and split, each clip serving equally many as nearly as can be."""
    pairs = []
    for label, name in enumerate(classes):
        pool: dict[Split, list[Clip]] = defaultdict(list)
        for clip in sorted(clips, key=lambda clip: digest(seed, "pair", clip.id)):
            if clip.label in match[name].partners and clip.id in clip_splits:
                pool[clip_splits[clip.id]].append(clip)
        for split in SPLITS:
            members = [p for p in pictures if p.label == name and picture_splits[p.id] == split]
            if members and not pool[split]:
                raise UserError(
                    f"class {name}: {len(members)} pictures of the {split} split, but no clip of "
                    f"{', '.join(match[name].partners)} is left for them; a class needs recordings for every split"
                )
            members.sort(key=lambda picture: digest(seed, "picture", picture.id))
            pairs += [
                Pair(picture.id, pool[split][index % len(pool[split])], picture, label, split)
                for index, picture in enumerate(members)
            ]
    return pairs


def equal_ids(clips: Sequence[Clip], pictures: Sequence[Picture], splits: Splits, classes: Sequence[str]) -> list[Pair]:
    """Each clip with the picture of the same id, where the publisher has paired them already."""
    by_id = {picture.id: picture for picture in pictures}
    return [
        Pair(clip.id, clip, by_id[clip.id], classes.index(clip.label), splits[clip.id])
        for clip in clips
        if clip.id in by_id
    ]


def shard_order(pairs: Sequence[Pair]) -> list[Pair]:
    """Pairs of one clip side by side, so that a shard stores it once; clips in an order that mixes the classes."""
    return sorted(pairs, key=lambda pair: (digest("order", pair.clip.id), pair.id))
