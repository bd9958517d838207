"""Pair the items of a data set into samples: limit their number, split, and choose partners."""

from collections.abc import Collection, Mapping, Sequence

from avbuild.dataset.splits import FRACTIONS, Split, SplitKey, by_folds, grouped, random70
from avbuild.errors import UserError
from avbuild.modalities.registry import MODALITIES
from avbuild.pipeline.any_of_class import Pool, any_of_class
from avbuild.pipeline.partners import PairedSample, clips_for_images, equal_ids, images_for_clips
from avbuild.scenarios.seeding import digest
from avbuild.sources.builder import Builder
from avbuild.sources.corpus import Material, SourceItem
from avbuild.sources.label_map import ClassMatch
from avbuild.sources.names import printable
from avbuild.sources.options import Options

FRACTIONS_WITHOUT_TEST: Mapping[Split, float] = {"train": 0.9, "validation": 0.1}  # where test is the publisher's


def pair_samples(builder: Builder, material: Material, options: Options) -> list[PairedSample]:
    """Make one sample of every item of the builder's anchor modality.

    Args:
        builder: of the data set.
        material: items of all modalities; two where classes are matched, any number where ids are equal.
        options: limit, split and seed.
    """
    audio, *others = (corpus.items for corpus in material.corpora)
    if MODALITIES[builder.anchor].visual:
        return _one_per_image(material, others[0], audio, options)
    clips = _limited(audio, options)
    given = builder.follows(material)
    splits = _given_splits(clips, options.seed) if given else _clip_splits(clips, options)
    if material.partner_classes:
        by_modality = zip(material.partner_classes.values(), others, strict=True)
        pools = [
            Pool(items, match, _given_splits(items, options.seed) if given else _grouped_splits(items, options.seed))
            for match, items in by_modality
        ]
        return any_of_class(clips, splits, pools, material.classes, options.seed)
    clips = [clip for clip in clips if clip.id in splits]
    if not material.match:
        return equal_ids(clips, others, splits, material.classes)
    return images_for_clips(clips, others[0], splits, material.match, material.classes, options.seed)


def refuse_pairs_by_index_alone(match: Mapping[str, ClassMatch], options: Options) -> None:
    """Refuse to pair classes by their order alone, unless the user asks for it.

    Args:
        match: class -> partner classes.
        options: of the user.

    Raises UserError where no class has a partner by name or label map, and --pair index is not given.
    """
    if match and options.pair != "index" and all(found.by_index for found in match.values()):
        partners = list(dict.fromkeys(partner for found in match.values() for partner in found.partners))
        raise UserError(
            f"no class fits any class of the other modality: {_some(match)}; and {_some(partners)}. Give the class "
            "folders equal names, say with --label-map which classes fit, or ask for pairs in the order of the classes "
            "with --pair index"
        )


def _some(names: Collection[str], most: int = 6) -> str:
    shown = printable(", ".join(list(names)[:most]))
    return shown + (f" and {len(names) - most:,} more" if len(names) > most else "")


def index_notice(match: Mapping[str, ClassMatch], most: int = 5) -> str | None:
    """Return a line that says which classes are paired by their index alone, or None where all fit by name or map.

    Args:
        match: class -> partner classes.
        most: number of classes that are named.
    """
    pairs = [f"{name} with {', '.join(found.partners)}" for name, found in match.items() if found.by_index]
    if not pairs:
        return None
    named = printable("; ".join(pairs[:most])) + (f"; and {len(pairs) - most:,} more" if len(pairs) > most else "")
    return (
        f"note: {len(pairs):,} of {len(match):,} classes have no partner of their own and are paired by class index "
        f"alone: {named}. Say with --label-map which classes fit"
    )


def _one_per_image(
    material: Material, images: Sequence[SourceItem], audio: Sequence[SourceItem], options: Options
) -> list[PairedSample]:
    images = _limited(images, options)
    used = {partner for match in material.match.values() for partner in match.partners}
    clips = [clip for clip in audio if clip.label in used]
    return clips_for_images(
        images,
        clips,
        _image_splits(images, options.seed),
        _clip_splits(clips, options),
        material.match,
        material.classes,
        options.seed,
    )


def _clip_splits(clips: Sequence[SourceItem], options: Options) -> dict[str, Split]:
    """Return the split of each clip by id; clips that cannot be in any split are left out."""
    rows = [SplitKey(clip.id, clip.label, clip.group, clip.fold) for clip in clips]
    if options.folds:
        splits = by_folds(rows, options.folds[-1], None, options.seed)
    elif options.lists is not None:
        rest = [row for row, clip in zip(rows, clips, strict=True) if clip.split == "train"]
        split_of = dict(zip(rest, grouped(rest, options.seed, FRACTIONS_WITHOUT_TEST), strict=True))
        splits = [split_of.get(row, "test") for row in rows]
    elif options.split == "random70":
        splits = list(random70(rows, options.seed))
    else:
        splits = list(grouped(rows, options.seed))
    return {clip.id: split for clip, split in zip(clips, splits, strict=True) if split is not None}


def _given_splits(items: Sequence[SourceItem], seed: int) -> dict[str, Split]:
    """Keep the given splits; without a validation split, a tenth of train, whole groups, validates."""
    splits: dict[str, Split] = {item.id: item.split for item in items if item.split is not None}
    if "validation" not in splits.values():
        rest = [SplitKey(item.id, item.label, item.group, item.fold) for item in items if item.split == "train"]
        splits |= dict(zip((row.id for row in rest), grouped(rest, seed, FRACTIONS_WITHOUT_TEST), strict=True))
    return splits


def _grouped_splits(items: Sequence[SourceItem], seed: int) -> dict[str, Split]:
    rows = [SplitKey(item.id, item.label, item.group, item.fold) for item in items]
    return dict(zip((row.id for row in rows), grouped(rows, seed), strict=True))


def _image_splits(images: Sequence[SourceItem], seed: int) -> dict[str, Split]:
    """Keep the publisher's test images and use a tenth of the others for validation; else split 70 / 10 / 20."""
    has_test_images = any(image.split == "test" for image in images)
    splits: dict[str, Split] = {image.id: "test" for image in images if image.split == "test"}
    rest = [SplitKey(p.id, p.label, group=p.id, fold=0) for p in images if p.split != "test"]
    fractions = FRACTIONS_WITHOUT_TEST if has_test_images else FRACTIONS
    return splits | dict(zip((row.id for row in rest), grouped(rest, seed, fractions), strict=True))


def _limited(items: Sequence[SourceItem], options: Options) -> list[SourceItem]:
    """Return at most `limit` items, evenly over the classes, chosen by the seed."""
    if options.limit is None or options.limit >= len(items):
        return list(items)
    by_class: dict[str, list[SourceItem]] = {}
    for item in sorted(items, key=lambda item: digest(options.seed, "limit", item.id)):
        by_class.setdefault(item.label, []).append(item)
    rank = {item.id: position for members in by_class.values() for position, item in enumerate(members)}
    return sorted(items, key=lambda item: (rank[item.id], item.label))[: options.limit]
