"""Items of equal id become one sample."""

from pathlib import Path

from avbuild.pipeline.partners import equal_ids
from avbuild.sources.corpus import LocalFile, SourceItem


def item(modality: str, id: str) -> SourceItem:
    return SourceItem(modality, id, "dog", LocalFile(str(Path(modality) / id)), group=id)


def test_items_of_any_number_of_modalities_are_combined() -> None:
    clips = [item("audio", id) for id in "abc"]
    others = [[item("image", id) for id in "cba"], [item("video", id) for id in "ac"]]
    samples = equal_ids(clips, others, {"a": "train", "b": "train", "c": "test"}, ("cat", "dog"))
    assert [(s.id, s.label, s.split) for s in samples] == [("a", 1, "train"), ("c", 1, "test")]
    assert all([i.modality for i in s.items] == ["audio", "image", "video"] for s in samples)
    assert all({i.id for i in s.items} == {s.id} for s in samples)
