"""Label maps: classes are matched by map, by name, or by index, one to one where possible."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
from PIL import Image

from avbuild.errors import UsageError
from avbuild.pipeline.pairing import index_notice
from avbuild.scenarios.yaml_lines import parse
from avbuild.sources.label_map import SHIPPED, load_label_map, match_classes, shipped_label_map
from tests.conftest import CIFAR10, URBANSOUND8K
from tests.support.commands import avbuild


def test_classes_without_a_fitting_label_are_matched_by_index() -> None:
    match = match_classes(URBANSOUND8K, CIFAR10, shipped_label_map("urbansound8k", CIFAR10))
    assert (match["dog_bark"].partners, match["dog_bark"].by_index) == (("dog",), False)
    assert (match["air_conditioner"].partners, match["air_conditioner"].by_index) == (("airplane",), True)
    used = [partner for found in match.values() for partner in found.partners]
    assert sorted(used) == sorted(CIFAR10)  # one to one


def test_equal_names_match_without_a_map() -> None:
    match = match_classes(("siren", "Dog Bark"), ("x", "dog_bark", "siren"), {})
    assert match["siren"].partners == ("siren",)
    assert match["Dog Bark"].partners == ("dog_bark",)
    assert not match["siren"].by_index


def test_imagenet_classes_are_matched_by_any_of_their_synonyms() -> None:
    names = (
             "electric fan, blower", "cab, hack, taxi, taxicab", "Labrador retriever", "power drill",
             "revolver, six-gun", "ambulance", "accordion, piano accordion, squeeze box", "swing", "beagle",
             "tow truck, tow car, wrecker",
             "rifle", "fire engine, fire truck", "cello, violoncello", "convertible", "pug, pug-dog", "banjo", "drum",
             "minibus", "police van, police wagon, paddy wagon", "sax, saxophone", "violin, fiddle", "flute", "collie",
             "boxer", "chow, chow chow", "golden retriever", "trombone", "tractor", "school bus",
             "pickup, pickup truck",
             "jeep, landrover", "limousine, limo")  # fmt: skip
    match = match_classes(URBANSOUND8K, names, shipped_label_map("urbansound8k", names))
    assert match["air_conditioner"].partners == ("electric fan, blower",)
    assert "pug, pug-dog" in match["dog_bark"].partners
    assert match["jackhammer"].by_index


@pytest.mark.parametrize("path", sorted(SHIPPED.glob("*.yaml")), ids=lambda path: path.stem)
def test_no_shipped_map_uses_a_partner_twice(path: Path) -> None:
    written = parse(path.read_text()).data
    partners = [partner for listed in written.values() for partner in listed]
    assert len(partners) == len(set(partners))
    assert tuple(written) in (URBANSOUND8K, CIFAR10)


def test_all_mistakes_in_a_map_are_reported_with_their_lines(tmp_path: Path) -> None:
    path = tmp_path / "map.yaml"
    path.write_text("dog_bark: [dgo]\nsirn: [ship]\ncar_horn: automobile\ndog_bark: [dog]\n")
    with pytest.raises(UsageError) as caught:
        load_label_map(path, URBANSOUND8K, CIFAR10)
    message = str(caught.value)
    for expected in (
        'line 1  no class "dgo" to serve dog_bark; did you mean "dog"?',
        'line 2  no class "sirn"; did you mean "siren"?',
        "line 3  car_horn: give a list of classes",
        "line 4  duplicate key",
    ):
        assert expected in message


def test_a_valid_map_is_read(tmp_path: Path) -> None:
    path = tmp_path / "map.yaml"
    path.write_text("dog_bark: [dog, cat]\nsiren: []\n")
    assert load_label_map(path, URBANSOUND8K, CIFAR10) == {"dog_bark": ("dog", "cat"), "siren": ()}


def test_classes_that_share_only_an_index_are_announced_in_one_line(tmp_path: Path) -> None:
    names = [f"a{number}" for number in range(12)]
    assert index_notice(match_classes(names, names, {})) is None
    notice = index_notice(match_classes([*names, "[x]\x1b"], [f"b{number}" for number in range(13)], {}))
    assert notice is not None
    assert notice.startswith(
        "note: 13 of 13 classes have no partner of their own and are paired by class index alone: "
    )
    assert "a0 with b0; a1 with b1; " in notice
    assert notice.endswith("; and 8 more. Say with --label-map which classes fit")
    assert notice.isprintable()
    for side, word in (("a", "dog"), ("p", "cat")):
        for kind in (word, "both"):
            (tmp_path / side / kind).mkdir(parents=True)
            for number in range(10):
                path = tmp_path / side / kind / f"{number}.{'wav' if side == 'a' else 'png'}"
                if side == "a":
                    soundfile.write(path, np.full(1_600, 0.1), 16_000)
                else:
                    Image.new("RGB", (4, 4)).save(path)
    roots = ("--audio-root", tmp_path / "a", "--images", f"folder:{tmp_path / 'p'}", "--out", tmp_path)
    assert "note: 1 of 2 classes" in avbuild("make", "cifar10-av", *roots, "--workers", 1).output
