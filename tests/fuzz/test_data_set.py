"""Damaged data set folders: each command gives what it gives on the whole folder, or an error that names the file."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from numpy.random import Generator, default_rng

from avbuild.errors import UserError
from tests.fuzz.damage import CASES, damaged, no_hang
from tests.support.commands import avbuild, tree

POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 12345\n"
ODD_JSON = (b"", b"{}", b"[]", b"null", b"1" * 6_000, b'{"build": 1}', b"\xff\xfe{\x00}\x00", b"[" * 5_000, POINTER)
COMMANDS: dict[str, Callable[[Path], tuple[object, ...]]] = {
    "verify": lambda data: ("verify", data),
    "inspect": lambda data: ("inspect", data),
    "card": lambda data: ("card", data),
    "corrupt": lambda data: ("corrupt", "--scenario", "V", "--splits", "train", "--data", data, "--workers", 1),
    "again": lambda data: ("corrupt", "--scenario", "D", "--data", data, "--workers", 1),
    "dry run": lambda data: ("corrupt", "--scenario", "D", "--data", data, "--dry-run"),
    "preview": lambda data: ("preview", data, "--scenario", "V", "--samples", 1, "--out", data.parent / "p.html"),
    "replay": lambda data: ("replay", "--id", "ID", "--scenario", "D", "--data", data),
}
# files that a person may edit, or that other commands do not need: damage there need not stop the command
MAY_DIFFER = {"manifest.yaml"}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a small data set, `data`, in which D is corrupted; `data` is replaced for each case."""
    root = tmp_path_factory.mktemp("damaged")
    for command in (
        ("make", "demo-av", "--limit", 20, "--out", root, "--workers", 1),
        ("corrupt", "--scenario", "D", "--data", root / "demo-av", "--workers", 1),
    ):
        assert avbuild(*command).exit_code == 0
    return Path((root / "demo-av").rename(root / "whole")).parent


def fresh(place: Path) -> Path:
    shutil.rmtree(place / "data", ignore_errors=True)
    (place / "p.html").unlink(missing_ok=True)
    return Path(shutil.copytree(place / "whole", place / "data"))


def arguments(command: str, data: Path) -> list[object]:
    import pyarrow.parquet as pq

    shard = next((data.parent / "whole").glob("D/test-*.parquet"))
    sample = pq.read_table(shard, columns=["id"])["id"][0].as_py()
    return [sample if part == "ID" else part for part in COMMANDS[command](data)]


@pytest.fixture(scope="module")
def expected(place: Path) -> dict[str, tuple[str, dict[str, bytes]]]:
    """What each command prints, without times, and leaves behind, on a whole folder."""
    results = {}
    for command in COMMANDS:
        data = fresh(place)
        result = avbuild(*arguments(command, data))
        assert result.exit_code == 0, (command, result.output, result.exception)
        results[command] = (without_time(result.stdout), tree(data))
    return results


def without_time(text: str) -> str:
    return "\n".join(line.rsplit(", ", 1)[0] if line.endswith(" s") else line for line in text.splitlines())


def damage(path: Path, rng: Generator) -> str:
    """Damage one file, and return what was done."""
    data = path.read_bytes()
    kind = int(rng.integers(8))
    if kind == 0:
        path.unlink()
        path.mkdir()
        return "a folder"
    if kind == 1:
        path.unlink()
        return "missing"
    if kind == 2:
        path.write_bytes(ODD_JSON[rng.integers(len(ODD_JSON))] if rng.integers(2) else POINTER)
        return "other content"
    if kind == 3 and path.name == "build.json":
        return odd_value(path, rng)
    what, changed = damaged(data, rng)
    path.write_bytes(changed)
    return what


def odd_value(path: Path, rng: Generator) -> str:
    """Replace one value somewhere in a JSON file."""
    document = json.loads(path.read_text())
    at, where = document, []
    while isinstance(at, dict | list) and at:
        keys = list(at) if isinstance(at, dict) else range(len(at))
        key = keys[int(rng.integers(len(keys)))]
        where.append(key)
        inner = at[key]
        if not isinstance(inner, dict | list) or not inner or rng.integers(4) == 0:
            odd = (-1, 10**30, 1e308, None, "", "../../x", [], {}, "C/test-00000-of-00002.parquet", True)
            at[key] = odd[int(rng.integers(len(odd)))]
            break
        at = inner
    path.write_text(json.dumps(document))
    return f"other value at {where}"


@pytest.mark.parametrize("seed", range(4))
def test_damaged_folders(place: Path, expected: dict[str, tuple[str, dict[str, bytes]]], seed: int) -> None:
    names = sorted(tree(place / "whole"))
    for number in range(CASES // 4):
        rng = default_rng([seed, number])
        data = fresh(place)
        name = names[rng.integers(len(names))]
        what = damage(data / name, rng)
        command = list(COMMANDS)[rng.integers(len(COMMANDS))]
        before = tree(data)
        with no_hang():
            result = avbuild(*arguments(command, data))
        case = f"{seed}/{number}: {name} {what}, {command}: {result.exception!r} {result.output}"
        if result.exit_code == 0:
            output, files = expected[command]
            if name not in MAY_DIFFER:
                assert without_time(result.stdout) == output, case
                written = {file for file, content in tree(data).items() if before.get(file) != content}
                assert all(tree(data)[file] == files[file] for file in written), case
            assert command != "verify" or before == tree(place / "whole"), f"not noticed: {case}"
        else:
            assert isinstance(result.exception, UserError), case
            assert name in str(result.exception), case
            assert tree(data) == before, f"changed the folder: {case}"
