"""Damaged and odd manifests and label maps: every problem with its line, never a traceback or a hang."""

from pathlib import Path

import pytest
from numpy.random import default_rng

from avbuild.errors import UsageError
from avbuild.scenarios.manifest_file import dump_manifest, load_manifest, parse_manifest
from avbuild.sources.label_map import load_label_map
from tests.conftest import CIFAR10, REPOSITORY, URBANSOUND8K
from tests.fuzz.damage import CASES, cases, no_hang

MANIFESTS = sorted((REPOSITORY / "manifests").glob("*.yaml"))
LABEL_MAPS = sorted((REPOSITORY / "avbuild/sources/label_maps").glob("*.yaml"))
ODD = (
    "off", "no", "yes", "on", "null", "~", "007", "0x1F", "1e400", "-1e-400", ".nan", ".inf", "2024-02-30", "12:30:00",
    "9" * 5_000, "1" * 19, "{}", "[]", "[[[]]]", "&a x", "*a", "<<: {}", "!!python/object:os.system x", "!!binary x",
    "? [a]\n: b", "'", '"', "\t", "\x01", "é", "\U0001f600", "%TAG ! x", "---", "...", "- - -", "a: b: c", "{" * 40,
)  # fmt: skip


def result(text: str) -> None:
    try:
        manifest = parse_manifest(text, "m.yaml")
    except UsageError as error:
        assert str(error).startswith("m.yaml: ")
        assert " problem" in str(error).splitlines()[0]
        assert len(str(error).splitlines()) <= 45
    else:
        assert parse_manifest(dump_manifest(manifest), "again.yaml") == manifest


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.stem)
def test_damaged_manifests(path: Path, tmp_path: Path) -> None:
    for number, (_, data) in enumerate(cases(path.read_bytes(), len(path.stem), CASES // 4)):
        target = tmp_path / f"{number}.yaml"
        target.write_bytes(data)
        with no_hang():
            try:
                load_manifest(target)
            except UsageError as error:
                assert str(target) in str(error)


@pytest.mark.parametrize("seed", range(4))
def test_odd_words_in_place_of_others(seed: int) -> None:
    for number in range(CASES):
        rng = default_rng([seed, number])
        lines = MANIFESTS[rng.integers(len(MANIFESTS))].read_text().splitlines()
        for _ in range(int(rng.integers(1, 4))):
            row = int(rng.integers(len(lines)))
            words = lines[row].split(" ")
            words[rng.integers(len(words))] = ODD[rng.integers(len(ODD))]
            lines[row] = " ".join(words)
        with no_hang():
            result("\n".join(lines))


def test_bombs_are_refused_at_once() -> None:
    laughs = "a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12))
    for text in (laughs, "a: " + "[" * 5_000, "a: " + "{b: " * 2_000, "x: &x [*x]", "9" * 100_000, "a: 1\n" * 300_000):
        with no_hang(), pytest.raises(UsageError):
            parse_manifest(text, "m.yaml")


@pytest.mark.parametrize("path", LABEL_MAPS, ids=lambda path: path.stem)
def test_damaged_label_maps(path: Path, tmp_path: Path) -> None:
    for number, (_, data) in enumerate(cases(path.read_bytes(), len(path.stem), CASES // 4)):
        target = tmp_path / f"{number}.yaml"
        target.write_bytes(data)
        with no_hang():
            try:
                load_label_map(target, URBANSOUND8K, CIFAR10)
            except UsageError as error:
                assert str(target) in str(error)
