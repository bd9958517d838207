"""Check every row of a user's table, and make a sample of each that has no problem."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from avbuild.dataset.splits import Split
from avbuild.modalities.registry import MODALITIES
from avbuild.sources.aligned import AlignedRow
from avbuild.sources.corpus import LocalFile, Media, Problem
from avbuild.sources.inline import InlineText
from avbuild.sources.label_map import same_name
from avbuild.sources.layout import SPLIT_OF
from avbuild.sources.names import normal
from avbuild.sources.table_columns import FILE_NAME
from avbuild.sources.table_file import NotText, NumberedRow, UserTable
from avbuild.sources.table_paths import TablePaths, article, modality_by_suffix
from avbuild.sources.tables import BadRow, number

LONGEST_ID = 200
LAST_FOLD = 9_999
SPLIT_NAMES = ", ".join(SPLIT_OF)


@contextmanager
def noted(problems: list[str]) -> Iterator[None]:
    """Add to the problems of a row what the block finds wrong."""
    try:
        yield
    except BadRow as bad:
        problems.append(str(bad))


class RowReader:
    """Reads the rows of one table, and remembers what has to agree between them.

    Args:
        table: to read.
        roles: role -> column.
        paths: finds files.
        text_files: whether the text column holds paths.
    """

    def __init__(self, table: UserTable, roles: Mapping[str, str], paths: TablePaths, text_files: bool) -> None:
        self.table, self.roles, self.paths = table, roles, paths
        self.inline = set() if text_files else {"text"}
        self.problems: list[Problem] = []
        self._lines: dict[str, int] = {}  # id -> line of its row
        self._written: dict[str, tuple[str, int]] = {}  # class in its compared form -> as it is written, and where
        self._file_names: tuple[str, int] | None = None  # modality of the column file_name, and the line that says so

    def read(self, row: NumberedRow, id: str) -> AlignedRow | None:
        """Return the sample of a row, or None where the row has a problem, which is remembered.

        Args:
            row: to read.
            id: of the sample, where no column gives it.
        """
        found: list[str] = []
        label, group, fold, split = "", "", 0, None
        with noted(found):
            id = self._id(row, id)
        with noted(found):
            label = self._label(row)
        with noted(found):
            group = self._cell(row, "group") if "group" in self.roles else id
        with noted(found):
            split = self._split(row) if "split" in self.roles else None
        with noted(found):
            fold = self._fold(row) if "fold" in self.roles else 0
        media: dict[str, Media] = {}
        where: dict[str, str] = {}
        for role in (*MODALITIES, FILE_NAME):
            cell = row.cells[self.roles[role]] if role in self.roles else ""
            if cell.strip():
                with noted(found):
                    modality, file, name = self._media(row, role, cell)
                    media[modality], where[modality] = file, f"{self.table.place(row.line)}: {name}"
        if not media and not found:
            found.append("empty: it has no file and no text")
        self.problems += [Problem(self.table.place(row.line), what) for what in found]
        return None if found else AlignedRow(id, label, media, group, fold, split, where)

    def _cell(self, row: NumberedRow, role: str) -> str:
        """Return a cell without spaces around it, which may not be empty."""
        cell = row.cells[self.roles[role]]
        if isinstance(cell, NotText):
            raise BadRow(f"no text: {role} is {cell}")
        if not (text := normal(cell.strip())):
            raise BadRow(f"{role} is empty")
        if not text.isprintable():
            raise BadRow(f"control characters: {role} {text[:60]!r}")
        return text

    def _id(self, row: NumberedRow, id: str) -> str:
        if "id" in self.roles:
            id = self._cell(row, "id")
        if len(id) > LONGEST_ID:
            raise BadRow(f"id too long: {id[:40]!r}... has {len(id):,} characters; {LONGEST_ID} are allowed")
        if (line := self._lines.setdefault(id, row.line)) != row.line:
            raise BadRow(f"duplicate id: {id!r} is also in {self.table.unit} {line}")
        return id

    def _label(self, row: NumberedRow) -> str:
        label = self._cell(row, "label")
        written, line = self._written.setdefault(same_name(label), (label, row.line))
        if written != label:
            raise BadRow(f"label written in two ways: {label!r} here, {written!r} in {self.table.unit} {line}")
        return label

    def _split(self, row: NumberedRow) -> Split:
        split = self._cell(row, "split")
        if split.lower() not in SPLIT_OF:
            raise BadRow(f"unknown split: {split[:40]!r}; allowed: {SPLIT_NAMES}")
        return SPLIT_OF[split.lower()]

    def _fold(self, row: NumberedRow) -> int:
        self._cell(row, "fold")
        return number({"fold": row.cells[self.roles["fold"]].strip()}, "fold", 0, LAST_FOLD)

    def _media(self, row: NumberedRow, role: str, cell: str) -> tuple[str, Media, str]:
        """Return modality, media and the words that problems call it by."""
        if isinstance(cell, NotText):
            raise BadRow(f"no text: {role} is {cell}, where a path or a text is needed")
        if role in self.inline:
            return role, InlineText(self.table.place(row.line), cell), role
        modality = self._modality(row, cell) if role == FILE_NAME else role
        return modality, LocalFile(str(self.paths.find(modality, cell.strip()))), cell.strip()

    def _modality(self, row: NumberedRow, cell: str) -> str:
        """Return the modality of the column file_name, which is one for all rows and no other column's."""
        modality = modality_by_suffix(cell.strip())
        if modality in self.roles:
            column = self.roles[modality]
            raise BadRow(
                f"two files: file_name {cell[:80]!r} and column {column} are both {MODALITIES[modality].nouns}"
            )
        first, line = self._file_names = self._file_names or (modality, row.line)
        if modality != first:
            nouns = article(MODALITIES[modality].noun), article(MODALITIES[first].noun)
            raise BadRow(f"two modalities: file_name is {nouns[0]} here, and {nouns[1]} in {self.table.unit} {line}")
        return modality
