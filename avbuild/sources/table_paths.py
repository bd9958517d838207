"""Paths in the cells of a user's table: relative to the table, and inside its folder unless the user allows more."""

import os
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath

from avbuild.modalities.registry import MODALITIES
from avbuild.sources.files import file_problem
from avbuild.sources.folders import SUFFIXES
from avbuild.sources.tables import BadRow


@dataclass(frozen=True, slots=True)
class TablePaths:
    """The folder of a table, and what its cells may name."""

    folder: Path
    allow_outside: bool

    def find(self, modality: str, cell: str) -> Path:
        """Return the file that a cell names.

        Args:
            modality: of the file.
            cell: as it is in the table; Windows writes folders with backslashes.

        Raises BadRow where it leads out of the folder, is no usable file, or is one of another modality by its suffix.
        """
        shown = f"{modality} {cell[:120]!r}"
        if "://" in cell:
            raise BadRow(f"an address: {shown}; only files on this machine are read: download it")
        if "\0" in cell:
            raise BadRow(f"no path: {shown} holds a null character")
        path = self._path(cell)
        below = os.path.normpath(path)
        if not self.allow_outside and not Path(below).is_relative_to(os.path.normpath(self.folder)):
            raise BadRow(f"outside the table's folder: {shown}; move the file, or allow it with --allow-outside")
        other = next((name for name, known in SUFFIXES.items() if path.suffix.lower() in known), modality)
        if other != modality and path.suffix.lower() not in SUFFIXES.get(modality, ()):
            raise BadRow(f"another modality: {shown} is {article(MODALITIES[other].noun)} by its suffix")
        try:
            problem = file_problem(path, MODALITIES[modality].may_be_empty)
        except ValueError as error:
            raise BadRow(f"no path: {shown} ({error})") from None
        if problem is not None:
            what = "no such file" if problem.what == "missing" else problem.what.replace(":", ",")
            raise BadRow(f"{what}: {shown}")
        return path

    def _path(self, cell: str) -> Path:
        path = self.folder / cell
        if "\\" in cell and not os.path.exists(path):
            return self.folder / PureWindowsPath(cell).as_posix()
        return path


def article(noun: str) -> str:
    """Return a noun with a or an."""
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"


def modality_by_suffix(cell: str) -> str:
    """Return the modality of a file by its suffix.

    Raises BadRow where no modality has it.
    """
    suffix = PureWindowsPath(cell).suffix.lower()
    for modality, known in SUFFIXES.items():
        if suffix in known:
            return modality
    raise BadRow(
        f"unknown suffix: file_name {cell[:120]!r}; name its column with --columns audio=file_name or the like"
    )
