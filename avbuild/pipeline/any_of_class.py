"""Pair the user's own files by class: any file of a class fits any other of its class and split."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from avbuild.dataset.splits import SPLITS, Split
from avbuild.errors import UserError
from avbuild.modalities.registry import MODALITIES
from avbuild.pipeline.partners import PairedSample, Splits
from avbuild.scenarios.seeding import digest
from avbuild.sources.corpus import SourceItem
from avbuild.sources.label_map import ClassMatch


@dataclass(frozen=True, slots=True)
class Pool:
    """The items of one modality that partners are chosen from."""

    items: Sequence[SourceItem]
    match: Mapping[str, ClassMatch]  # class of the samples -> classes of these items
    splits: Splits

    def of(self, name: str, split: Split, seed: int) -> list[SourceItem]:
        """Return the items of a class and split in the order in which they are used."""
        fitting = [i for i in self.items if i.label in self.match[name].partners and self.splits[i.id] == split]
        return sorted(fitting, key=lambda item: digest(seed, "picture", item.id))


def any_of_class(
    first: Sequence[SourceItem], splits: Splits, pools: Sequence[Pool], classes: Sequence[str], seed: int
) -> list[PairedSample]:
    """Combine each item with one of its class and split of every other modality, each as often as the others.

    Args:
        first: items of the first modality; one sample is made of each.
        splits: id of such an item -> its split.
        pools: one for each other modality.
        classes: in the order of their index.
        seed: of the order.

    Raises UserError for a class and split without an item of another modality.
    """
    samples = []
    for label, name in enumerate(classes):
        for split in SPLITS:
            own = [item for item in first if item.label == name and splits[item.id] == split]
            own.sort(key=lambda item: digest(seed, "pair", item.id))
            partners = [pool.of(name, split, seed) if own else [] for pool in pools]
            for pool, found in zip(pools, partners, strict=True):
                if own and not found:
                    raise UserError(_none_left(name, split, len(own), own[0].modality, pool))
            samples += [
                PairedSample(item.id, (item, *(found[index % len(found)] for found in partners)), label, split)
                for index, item in enumerate(own)
            ]
    return samples


def _none_left(name: str, split: Split, count: int, modality: str, pool: Pool) -> str:
    nouns = MODALITIES[pool.items[0].modality].nouns if pool.items else "partners"
    there = sum(item.label in pool.match[name].partners for item in pool.items)
    return (
        f"class {name}: none of its {there:,} {nouns} is in the {split} split, which has {count:,} "
        f"{MODALITIES[modality].nouns} of it; every class needs some in each split: add files, or leave the class out"
    )
