"""A data set of any table of the user: each row is one sample, with a file or a text of every modality it has."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from avbuild.dataset.splits import SPLITS, SplitKey, shared_groups
from avbuild.errors import UsageError, UserError
from avbuild.modalities.registry import MODALITIES
from avbuild.modalities.video_frames import FPS, require_pyav
from avbuild.scenarios.seeding import digest
from avbuild.sources.aligned import AlignedRow, AlignedSource, aligned_material, join_groups, same_files
from avbuild.sources.builder import AnyCorpus, Builder
from avbuild.sources.corpus import Credit, Material, Problem
from avbuild.sources.names import normal, printable
from avbuild.sources.options import Options
from avbuild.sources.own_folders import group_names
from avbuild.sources.table_columns import FILE_NAME, roles_of
from avbuild.sources.table_file import NotText, UserTable, read_user_table
from avbuild.sources.table_paths import TablePaths
from avbuild.sources.table_rows import RowReader
from avbuild.sources.tables import some

MANY = 20  # rows: of fewer, each may well have a class of its own


def read_table(options: Options, _: AnyCorpus) -> Material:
    """Read the table that --table names.

    Raises UsageError for options that do not fit it, UserError where it cannot be read or holds no sample.
    """
    if options.table is None:
        raise UsageError("table: give the table, such as  avbuild make mine --table metadata.csv")
    if options.name is None:
        raise UsageError("table: give the data set a name, such as  avbuild make mine --table metadata.csv")
    table = read_user_table(options.table)
    roles = roles_of(table.columns, dict(options.columns), str(options.table))
    _check_options(table, roles, options)
    if options.folds:  # the folds then make the splits
        roles.pop("split", None)
    reader = RowReader(table, roles, TablePaths(options.table.parent, options.allow_outside), options.text_files)
    ids, id_note = _ids(table, roles)
    read = [(row.line, sample) for row, id in zip(table.rows, ids, strict=True) if (sample := reader.read(row, id))]
    unwanted = [
        Problem(table.place(line), f"in a fold that is not used: {row.fold}")
        for line, row in read
        if options.folds and row.fold not in options.folds
    ]
    read = [(line, row) for line, row in read if not options.folds or row.fold in options.folds]
    rows = [row for _, row in read]
    faults = _faults(table, read)
    same: list[list[str]] = []
    if not faults:
        if "group" not in roles and options.group_pattern is not None:
            groups = group_names({row.id: Path(row.id).name for row in rows}, options.group_pattern)
            rows = [replace(row, group=groups[row.id]) for row in rows]
        modalities = _modalities(rows)
        same = [ids for modality in modalities if modality not in reader.inline for ids in same_files(rows, modality)]
        rows = join_groups(rows, same)
    return _material(table, roles, rows, options, (*table.problems, *reader.problems), unwanted, faults, same, id_note)


def _material(
    table: UserTable,
    roles: Mapping[str, str],
    rows: Sequence[AlignedRow],
    options: Options,
    problems: tuple[Problem, ...],
    unwanted: Sequence[Problem],
    faults: tuple[Problem, ...],
    same: Sequence[Sequence[str]],
    id_note: str,
) -> Material:
    modalities = _modalities(rows) or tuple(role for role in MODALITIES if role in roles) or ("image",)
    if "video" in modalities:
        require_pyav()
    elif options.fps is not None:
        raise UsageError("--fps goes with a column of videos")
    ignored = [name for name in table.columns if name not in roles.values() and name.strip()]
    used = ", ".join(f"{role}={column}" if role != column else role for role, column in roles.items())
    announcements = [f"columns that are used: {used}" + (f"; ignored: {some(tuple(ignored))}" if ignored else "")]
    notes = [f"Made of the table {printable(table.path.name)}, a sample a row. {id_note}"]
    if lacking := _lacking(rows, modalities):
        announcements.append(lacking)
        notes.append(f"Without some modality by the table itself: {lacking}.")
    if same:
        files = f"{sum(map(len, same)):,} files are copies of one another ({len(same):,} contents)"
        announcements.append(f"{files}; copies count as one group")
    given = "split" in roles
    return aligned_material(
        rows,
        AlignedSource(
            modalities=modalities,
            credit=Credit(f"table {printable(table.path.name)}", options.licence or "not stated", "", ""),
            classes=_classes(rows),
            notes=tuple(notes),
            announcements=tuple(announcements),
            problems=problems,
            unwanted=tuple(unwanted),
            faults=faults,
            split_source=f"given by the column {roles['split']} of the table" if given else "",
            recipe={"columns": digest(dict(roles), sorted(modalities))[:16]},
            fps=options.fps or FPS,
        ),
    )


def _check_options(table: UserTable, roles: Mapping[str, str], options: Options) -> None:
    """Refuse options that contradict the table, and a label or text column that is evidently another one."""
    if "split" in roles and options.split != "grouped":
        raise UsageError(
            f"--split {options.split}: the table gives the splits itself; leave them out: --columns split="
        )
    if options.folds and "fold" not in roles:
        raise UsageError("--folds: the table has no column fold; say which one it is with --columns fold=COLUMN")
    if options.group_pattern is not None and "group" in roles:
        raise UsageError("--group-pattern: the table gives the groups itself; leave them out: --columns group=")
    if options.text_files and "text" not in roles:
        raise UsageError("--text-files: the table has no column text; say which one with --columns text=COLUMN")
    labels = [row.cells[roles["label"]] for row in table.rows]
    if len(set(labels)) == len(labels) > MANY and not any(isinstance(label, NotText) for label in labels):
        raise UserError(
            f"{table.path}: the column {roles['label']} has another value in each of its {len(labels):,} rows, so it "
            "is no label; say which column is with --columns label=COLUMN"
        )
    texts = [row.cells[roles["text"]].strip() for row in table.rows] if "text" in roles else []
    files = [text for text in texts if text.lower().endswith(".txt")]
    if not options.text_files and files and len(files) == sum(map(bool, texts)):
        raise UsageError(
            f"{table.path}: the column {roles['text']} holds names of .txt files, such as {printable(files[0][:80])}; "
            "read them with --text-files"
        )


def _ids(table: UserTable, roles: Mapping[str, str]) -> tuple[list[str], str]:
    """Return the id of each row for a table without a column of ids, and a sentence that says what it is."""
    if "id" in roles:
        return [""] * len(table.rows), f"The ids are those of the column {roles['id']}."
    for role in (*MODALITIES, FILE_NAME):
        paths = [normal(row.cells[roles[role]].strip()) for row in table.rows] if role in roles else []
        if role != "text" and paths and all(paths) and len(set(paths)) == len(paths):
            return paths, f"The id of a sample is its path in the column {roles[role]}."
    return [f"row-{n:06d}" for n in range(1, len(table.rows) + 1)], "The id of a sample is the number of its row."


def _faults(table: UserTable, rows: Sequence[tuple[int, AlignedRow]]) -> tuple[Problem, ...]:
    """Return a problem for each group that is in two splits, and for each split that is needed and absent."""
    shared = shared_groups([SplitKey(row.id, row.label, row.group, row.fold, row.split) for _, row in rows])
    faults, first = [], dict[str, tuple[str | None, int]]()
    for line, row in rows:
        split, there = first.setdefault(row.group, (row.split, line))
        if row.group in shared and row.split != split:
            del shared[row.group]
            what = f"group in two splits: {row.group!r} is in {row.split} here, and in {split} in {table.unit} {there}"
            faults.append(Problem(table.place(line), what))
    counts = Counter(row.split for _, row in rows if row.split)
    present = [split for split in SPLITS if counts[split]]
    lacking = [split for split in ("train", "test") if present and split not in present]
    if lacking:
        has = ", ".join(f"{counts[split]:,} {split}" for split in present)
        faults.append(Problem(printable(table.path.name), f"no {' and no '.join(lacking)} split: it has {has}"))
    return tuple(faults)


def _modalities(rows: Sequence[AlignedRow]) -> tuple[str, ...]:
    """Return the modalities that any row has."""
    return tuple(modality for modality in MODALITIES if any(modality in row.media for row in rows))


def _lacking(rows: Sequence[AlignedRow], modalities: Sequence[str]) -> str:
    counts = {modality: sum(modality not in row.media for row in rows) for modality in modalities}
    parts = [f"{count:,} rows have no {MODALITIES[modality].noun}" for modality, count in counts.items() if count]
    return " and ".join(parts)


def _classes(rows: Sequence[AlignedRow]) -> tuple[str, ...]:
    """Return the classes in order: by number where all are numbers, else by name."""
    names = {row.label for row in rows}
    if all(name.isdecimal() for name in names):
        return tuple(sorted(names, key=lambda name: (int(name), name)))
    return tuple(sorted(names))


BUILDER = Builder(
    name="table",
    title="Own table",
    needs="your own table, a sample a row: avbuild make NAME --table metadata.csv (CSV, TSV, JSON lines, Parquet)",
    licence="as you state with --licence",
    read=read_table,
    group="group",
    options=frozenset(
        {"name", "title", "licence", "description", "table", "columns", "text_files", "allow_outside"}
        | {"group_pattern", "fps", "folds"}
    ),
    examples=(
        "avbuild make mine --table metadata.csv",
        "avbuild make mine --table t.csv --columns text=caption,label=emotion",
    ),
    own_files=True,
    unit="rows",
)
