"""Choose the partner of every item, such that no audio clip and no image is in two splits."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from avbuild.dataset.splits import SPLITS, Split
from avbuild.errors import UserError
from avbuild.scenarios.seeding import digest
from avbuild.sources.corpus import SourceItem
from avbuild.sources.label_map import ClassMatch


@dataclass(frozen=True, slots=True)
class PairedSample:
    """A sample to write: one item per modality in the order of the columns, its class index and split."""

    id: str
    items: tuple[SourceItem, ...]
    label: int
    split: Split

    @property
    def first(self) -> SourceItem:
        """The item that group and fold are taken from."""
        return self.items[0]


Splits = Mapping[str, Split]  # item id -> split


def images_for_clips(
    clips: Sequence[SourceItem],
    images: Sequence[SourceItem],
    splits: Splits,
    match: Mapping[str, ClassMatch],
    classes: Sequence[str],
    seed: int,
) -> list[PairedSample]:
    """Pair every clip with an image of its class and split; an image is reused only when all others have been used.

    Args:
        clips: one sample is made of each.
        images: to choose from.
        splits: clip id -> split.
        match: class of the clips -> classes of the images.
        classes: of the clips, in the order of their index.
        seed: of the order.

    Raises UserError for a split with clips of a class, but no images.
    """
    pairs = []
    for label, name in enumerate(classes):
        own = [clip for clip in clips if clip.label == name]
        dealt = _deal([p for p in images if p.label in match[name].partners], own, splits, name, seed)
        for split in SPLITS:
            members = sorted((c for c in own if splits[c.id] == split), key=lambda c: digest(seed, "pair", c.id))
            pairs += [
                PairedSample(clip.id, (clip, dealt[split][index % len(dealt[split])]), label, split)
                for index, clip in enumerate(members)
            ]
    return pairs


def _deal(
    images: Sequence[SourceItem], clips: Sequence[SourceItem], splits: Splits, name: str, seed: int
) -> dict[Split, list[SourceItem]]:
    """Distribute the images of a class over the splits: the publisher's test images to test, others in proportion."""
    wanted = {split: sum(splits[clip.id] == split for clip in clips) for split in SPLITS}
    order = sorted(images, key=lambda image: digest(seed, "picture", image.id))
    dealt: dict[Split, list[SourceItem]] = {split: [] for split in SPLITS}
    dealt["test"] = [image for image in order if image.split == "test"]
    rest = [image for image in order if image.split != "test"]
    receivers = [split for split in SPLITS if wanted[split] and not (split == "test" and dealt["test"])]
    total, start = sum(wanted[split] for split in receivers), 0.0
    for split in receivers:
        end = start + len(rest) * wanted[split] / total
        dealt[split] = rest[round(start) : round(end)]
        start = end
    for split in SPLITS:
        if wanted[split] and not dealt[split]:
            raise UserError(
                f"class {name}: none of its {len(images)} images is left for the {wanted[split]} clips of the {split} "
                f"split; give more images with --images, or another --label-map"
            )
    return dealt


def clips_for_images(
    images: Sequence[SourceItem],
    clips: Sequence[SourceItem],
    image_splits: Splits,
    clip_splits: Splits,
    match: Mapping[str, ClassMatch],
    classes: Sequence[str],
    seed: int,
) -> list[PairedSample]:
    """Pair every image with a clip of its class and split, using all clips equally often as far as possible.

    Args:
        images: one sample is made of each.
        clips: to choose from.
        image_splits: image id -> split.
        clip_splits: clip id -> split.
        match: class of the images -> classes of the clips.
        classes: of the images, in the order of their index.
        seed: of the order.

    Raises UserError for a split with images of a class, but no clips.
    """
    pairs = []
    for label, name in enumerate(classes):
        pool: dict[Split, list[SourceItem]] = defaultdict(list)
        for clip in sorted(clips, key=lambda clip: digest(seed, "pair", clip.id)):
            if clip.label in match[name].partners and clip.id in clip_splits:
                pool[clip_splits[clip.id]].append(clip)
        for split in SPLITS:
            members = [p for p in images if p.label == name and image_splits[p.id] == split]
            if members and not pool[split]:
                raise UserError(
                    f"class {name}: the {split} split has {len(members)} images, but no clip of class "
                    f"{', '.join(match[name].partners)}; a class needs recordings in every split"
                )
            members.sort(key=lambda image: digest(seed, "picture", image.id))
            pairs += [
                PairedSample(image.id, (pool[split][index % len(pool[split])], image), label, split)
                for index, image in enumerate(members)
            ]
    return pairs


def equal_ids(
    clips: Sequence[SourceItem], others: Sequence[Sequence[SourceItem]], splits: Splits, classes: Sequence[str]
) -> list[PairedSample]:
    """Combine each clip with the items of the same id, where the publisher has paired them.

    Args:
        clips: one sample is made of each that has a partner in every other modality.
        others: items of each other modality, in the order of the columns.
        splits: clip id -> split.
        classes: in the order of their index.
    """
    by_id = [{item.id: item for item in items} for items in others]
    return [
        PairedSample(clip.id, (clip, *(items[clip.id] for items in by_id)), classes.index(clip.label), splits[clip.id])
        for clip in clips
        if all(clip.id in items for items in by_id)
    ]


def shard_order(samples: Sequence[PairedSample]) -> list[PairedSample]:
    """Return the samples in the order in which they are stored.

    Samples of one clip follow each other, so that a shard stores it once; the order of the clips mixes the classes.
    """
    return sorted(samples, key=lambda sample: (digest("order", sample.first.id), sample.id))
