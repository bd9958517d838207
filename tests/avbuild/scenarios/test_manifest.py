"""Manifests: every problem is reported with its line, and a written manifest reads back equal."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from avbuild.corruptions import CORRUPTIONS
from avbuild.errors import UsageError
from avbuild.modalities.registry import FAMILIES, MODALITIES
from avbuild.scenarios.manifest import Manifest
from avbuild.scenarios.manifest_file import dump_manifest, load_manifest, parse_manifest
from avbuild.scenarios.spec import Scenario
from tests.conftest import REPOSITORY

ALL_MISSING = ", ".join(f"{modality}: missing" for modality in FAMILIES)
GOOD = """\
manifest: 1
name: mine
dataset: ../data/mine
split: {protocol: default}
seed: 0
scenarios:
  C: {}
  A: {audio: {any_of: [gaussian_noise, time_shift, time_mask], severity: 3}}
  V: {image: {any_of: [gaussian_noise, {box_blur: 5}, {pixelate: {scale: 0.2}}], severity: 3}}
  M: {image: missing}
  N: {audio: [{time_shift: 1}, {gaussian_noise: {snr_db: 7.5}}], image: {missing_rate: 0.3}}
"""


def problems(text: str) -> list[str]:
    with pytest.raises(UsageError) as caught:
        parse_manifest(text, "mine.yaml")
    assert caught.value.exit_code == 2
    return str(caught.value).splitlines()


def test_all_problems_are_reported_at_once_with_their_lines() -> None:
    text = GOOD.replace("[gaussian_noise, time_shift", "[gausian_noise, time_shift").replace("seed: 0", "sed: 0")
    text = text.replace("scale: 0.2}}], severity: 3", "scale: 0.2}}], severity: 6").replace("M: {image", "M: {imag")
    assert problems(text) == [
        "mine.yaml: 4 problems",
        "  line 5   sed: unknown key; did you mean \"seed\"?; "
        "allowed: manifest, name, dataset, split, seed, scenarios",
        '  line 8   scenarios.A.audio.any_of[0]: no corruption "gausian_noise"; did you mean "gaussian_noise"? '
        f"(avbuild scenarios lists all {len(CORRUPTIONS['audio'])})",
        "  line 9   scenarios.V.image.severity: 6 is outside 1 to 5",
        '  line 10  scenarios.M.imag: no such modality; did you mean "image"?; '
        f"allowed: {', '.join(MODALITIES)}, missing, seed, draws_as",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("  C: {}", "  C: {}\n  C: {}", "line 8  scenarios.C: duplicate key, first given in line 7"),
        ("manifest: 1", "manifest: 2", "line 1  manifest: 2 is not allowed; allowed: 1"),
        ("name: mine\n", "", "line 1  name: required, but missing"),
        ("{snr_db: 7.5}", "{snr: 7.5}", "gaussian_noise takes snr_db, not snr"),
        ("scale: 0.2", "scale: 2", "2 is outside 0.001 to 1"),
        ("missing_rate: 0.3", "missing_rate: 1.5", "missing_rate: 1.5 is outside 0 to 1"),
        ("time_mask], severity: 3", "time_mask]", "gaussian_noise needs a severity (1 to 5) or a level, {snr_db: ...}"),
        ("M: {image: missing}", f"M: {{{ALL_MISSING}}}", "nothing is left to classify"),
        ("protocol: default", "fold: {test: 3, validation: 3}", "fold 3 cannot both test and validate"),
        ("severity: 3}}\n  V", "severity: 3, chain: [time_shift]}}\n  V", "any_of and chain exclude each other"),
        ("C: {}", "C: [", "not YAML"),
        ("time_shift, time_mask]", "snow]", 'no corruption "snow", it acts on image'),
        ("{time_shift: 1}", "{reverberation: {rt60: 0.5}}", "reverberation takes rt60 and direct_db, not rt60"),
        ("{time_shift: 1}", "{time_shift: {most: 0.1, severity: 2}}", "a severity and most exclude each other"),
        ("{time_shift: 1}", "{time_shift: {clips: here, severity: 2}}", "time_shift takes no clips"),
        (
            "M: {image: missing}",
            "M: {image: [{feature_blank: 1}, {jpeg: 3}]}",
            "features cannot come before an op on the signal",
        ),
        ("M: {image: missing}", "M: {missing: {protocol: cpm, rat: 1}}", "allowed: protocol, rate, fill"),
        ("missing_rate: 0.3", "missing_rate: 0.3, fill: grey", "'grey' is not allowed"),
    ],
)
def test_each_mistake_has_a_message_of_its_own(old: str, new: str, expected: str) -> None:
    assert old in GOOD
    assert expected in "\n".join(problems(GOOD.replace(old, new)))


def test_numbers_that_yaml_parses_as_strings_are_accepted() -> None:
    manifest = parse_manifest(GOOD.replace("missing_rate: 0.3", "missing_rate: 1e-1"), "mine.yaml")
    assert manifest.scenarios["N"].plans["image"].missing_rate == 0.1


def test_fill_may_be_written_as_a_bare_null() -> None:
    manifest = parse_manifest(GOOD.replace("missing_rate: 0.3", "missing_rate: 0.3, fill: null"), "mine.yaml")
    assert manifest.scenarios["N"].plans["image"].fill == "null"


def test_a_written_manifest_reads_back_equal() -> None:
    manifest = parse_manifest(GOOD, "mine.yaml")
    assert parse_manifest(dump_manifest(manifest), "again.yaml") == manifest


def test_the_data_set_path_is_relative_to_the_manifest(tmp_path: Path) -> None:
    (tmp_path / "manifests").mkdir()
    path = tmp_path / "manifests" / "mine.yaml"
    path.write_text(GOOD)
    assert load_manifest(path).dataset == str(tmp_path / "data" / "mine")
    path.write_text(GOOD.replace("../data/mine", "memory://bucket/mine"))
    assert load_manifest(path).dataset == "memory://bucket/mine"


def test_a_manifest_that_does_not_exist_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such manifest"):
        load_manifest(tmp_path / "none.yaml")


@pytest.mark.parametrize("path", sorted((REPOSITORY / "manifests").glob("*.yaml")), ids=lambda p: p.stem)
def test_every_shipped_manifest_is_valid(path: Path) -> None:
    assert load_manifest(path).scenarios


def manifest_with(scenario: dict[str, object], seed: int = 0) -> Manifest:
    return Manifest(manifest=1, name="m", dataset=".", seed=seed, scenarios={"X": Scenario.model_validate(scenario)})


@given(seed=st.integers(0, 2**31), severity=st.integers(1, 4))
def test_the_scenario_hash_depends_on_seed_and_spec(seed: int, severity: int) -> None:
    def spec(level: int) -> dict[str, object]:
        return {"audio": {"any_of": ["gaussian_noise"], "severity": level}}

    original = manifest_with(spec(severity), seed).scenario_hash("X")
    assert original == manifest_with(spec(severity), seed).scenario_hash("X")
    assert original != manifest_with(spec(severity + 1), seed).scenario_hash("X")
    assert original != manifest_with(spec(severity), seed + 1).scenario_hash("X")
