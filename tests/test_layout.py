"""The layout stays as designed: few rooms, imports that point down, one line that says what belongs in a folder."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY

MOST_ROOMS = 20

# From low to high: a room may import from those before it, never from those after it.
LAYERS = {
    "avbuild": (
        {"errors"}, {"escaping", "places"}, {"frozen", "progress", "command_line", "text_files"},
        {"plugins"}, {"modalities"},
        {"corruptions"}, {"scenarios"}, {"dataset"}, {"sources"}, {"pipeline"}, {"inspect"}, {"api"},
        {"commands"}, {"cli"}, {"__main__"},
    ),
    "avtrain": (
        {"config"}, {"frontends"}, {"data"}, {"distributed"}, {"device"}, {"runs"}, {"backbones"},
        {"methods"}, {"features"}, {"evaluation"}, {"training"}, {"pretraining"}, {"inference"}, {"report"},
        {"reproduction"}, {"commands"}, {"cli"}, {"__main__"},
    ),
}  # fmt: skip


def imports(path: Path) -> Iterator[tuple[int, str]]:
    """Line and dotted name of everything a file imports, also inside functions and for type checkers."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: relative import"
            yield node.lineno, node.module or ""
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)


@pytest.mark.parametrize("package", LAYERS)
def test_imports_point_down(package: str) -> None:
    rank = {room: level for level, rooms in enumerate(LAYERS[package]) for room in rooms}
    wrong = []
    for path in sorted((REPOSITORY / package).rglob("*.py")):
        room = path.relative_to(REPOSITORY / package).parts[0].removesuffix(".py")
        if room == "__init__":
            continue
        assert room in rank, f"{package}/{room} is in no layer: add it to LAYERS in this test"
        for line, name in imports(path):
            other = [*name.split("."), ""][1] if name.startswith(f"{package}.") else ""
            if other != room and rank.get(other, -1) >= rank[room]:
                wrong.append(f"{path.relative_to(REPOSITORY)}:{line} imports {name}")
    assert not wrong, "\n".join(wrong)


def test_avbuild_does_not_need_avtrain() -> None:
    wrong = [
        f"{path}:{line}" for path in (REPOSITORY / "avbuild").rglob("*.py") for line, name in imports(path)
        if name.split(".")[0] == "avtrain"
    ]  # fmt: skip
    assert not wrong


@pytest.mark.parametrize("package", LAYERS)
def test_no_file_imports_itself_by_way_of_others(package: str) -> None:
    files = {
        ".".join(path.relative_to(REPOSITORY).with_suffix("").parts).removesuffix(".__init__"): path
        for path in (REPOSITORY / package).rglob("*.py")
    }
    del files[package]  # it loads the public functions when they are asked for, so all may import the version from it
    needs = {name: {other for _, other in imports(path) if other in files} - {name} for name, path in files.items()}
    left = dict(needs)
    while free := [name for name, others in left.items() if not others & left.keys()]:
        for name in free:
            del left[name]
    assert not left, f"these import one another in a circle, or stand on one: {sorted(left)}"


@pytest.mark.parametrize("package", LAYERS)
def test_a_package_has_few_rooms(package: str) -> None:
    # __init__, __main__ and py.typed are files that Python asks for, not rooms
    names = [path.name for path in (REPOSITORY / package).iterdir()]
    rooms = [name for name in names if not name.startswith("__") and name != "py.typed"]
    assert len(rooms) <= MOST_ROOMS, sorted(rooms)


@pytest.mark.parametrize("package", LAYERS)
def test_every_folder_says_what_belongs_in_it(package: str) -> None:
    for folder in sorted({path.parent for path in (REPOSITORY / package).rglob("*.py")}):
        said = ast.get_docstring(ast.parse((folder / "__init__.py").read_text()))
        assert said, f"{folder}/__init__.py has no docstring"


def test_tests_mirror_the_packages() -> None:
    for package in LAYERS:
        for folder in (REPOSITORY / "tests" / package).rglob("*"):
            if folder.is_dir() and folder.name != "__pycache__":
                assert (REPOSITORY / folder.relative_to(REPOSITORY / "tests")).is_dir(), f"{folder} mirrors nothing"


def definitions(package: str) -> Iterator[tuple[Path, str, str]]:
    """File, name and docstring of every module, class and function that has one."""
    for path in sorted((REPOSITORY / package).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and (said := ast.get_docstring(node)):
                yield path, getattr(node, "name", path.stem), said


@pytest.mark.parametrize("package", LAYERS)
def test_a_docstring_has_a_subject(package: str) -> None:
    dangling = ("Of", "What", "Those", "That", "Where", "Which", "How", "By", "To", "For", "In", "With")
    wrong = [
        f"{path}: {name}: {said.splitlines()[0]}"
        for path, name, said in definitions(package)
        if said.split()[0] in dangling
    ]
    assert not wrong, "\n".join(wrong)


def test_one_name_is_one_thing() -> None:
    homes: dict[str, list[str]] = {}
    for package in LAYERS:
        for path in (REPOSITORY / package).rglob("*.py"):
            for node in ast.parse(path.read_text()).body:
                if isinstance(node, ast.ClassDef):
                    homes.setdefault(node.name, []).append(str(path))
    # the two encoders name their parts as their originals do, which is where the names of their weights come from
    published = {"SelfAttention", "Layer"}
    assert not {name: found for name, found in homes.items() if len(found) > 1 and name not in published}
