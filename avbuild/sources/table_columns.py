"""Decide what each column of a user's table is for: by its name, or as --columns says."""

from collections.abc import Mapping, Sequence

from avbuild.errors import UsageError, nearest
from avbuild.modalities.registry import MODALITIES
from avbuild.sources.tables import some

FILE_NAME = "file_name"  # in the convention of Hugging Face, whose modality its suffix says
OTHERS = ("label", "group", "split", "fold", "id")
ROLES = (*MODALITIES, *OTHERS, FILE_NAME)


def parse_columns(text: str | None) -> tuple[tuple[str, str], ...]:
    """Read the value of --columns: `text=caption,label=emotion`; `split=` leaves a column out.

    Raises UsageError that names what cannot be read.
    """
    if text is None:
        return ()
    pairs = [part.partition("=") for part in text.split(",")]
    roles = [role.strip() for role, _, _ in pairs]
    for role, equals, _ in pairs:
        if not equals or role.strip() not in ROLES:
            hint = nearest(role.strip(), ROLES)
            raise UsageError(
                f"--columns {text}: {role.strip()!r} is no role{hint}; write ROLE=COLUMN,..., such as "
                f"text=caption,label=emotion; roles: {', '.join(ROLES)}"
            )
        if roles.count(role.strip()) > 1:
            raise UsageError(f"--columns {text}: {role.strip()} is given twice")
    return tuple((role.strip(), column.strip()) for role, _, column in pairs)


def roles_of(columns: Sequence[str], chosen: Mapping[str, str], table: str) -> dict[str, str]:
    """Return the column of each role that the table has.

    Args:
        columns: names of all columns.
        chosen: role -> column, as the user says; an empty column leaves the role out.
        table: its path, for errors.

    Raises UsageError that names everything that is unclear or lacking.
    """
    problems = [
        f'no column "{column}" for {role}{nearest(column, columns)}'
        for role, column in chosen.items()
        if column and column not in columns
    ]
    roles = {role: column for role, column in chosen.items() if column}
    problems += [
        f'column "{column}" is given for {" and ".join(r for r, c in roles.items() if c == column)}'
        for column in dict.fromkeys(roles.values())
        if list(roles.values()).count(column) > 1
    ]
    for role in ROLES:
        if role in chosen:
            continue
        wanted = {role, f"{role}_{FILE_NAME}"} if role in MODALITIES else {role}
        found = [name for name in columns if name.strip().lower() in wanted and name not in roles.values()]
        if len(found) > 1:
            problems.append(f"{' and '.join(found)} would both be {role}; say which with --columns {role}={found[0]}")
        elif found:
            roles[role] = found[0]
    if not problems and "label" not in roles:
        problems.append("no column label; say which one it is with --columns label=COLUMN")
    if not problems and not (roles.keys() & {*MODALITIES, FILE_NAME}):
        named = ", ".join(MODALITIES)
        problems.append(f"no column {named} or {FILE_NAME}; say which one it is with --columns image=COLUMN")
    if problems:
        lines = "\n".join(f"  {problem}" for problem in problems)
        raise UsageError(f"{table}: its columns are {some(tuple(columns))}\n{lines}")
    return {role: roles[role] for role in ROLES if role in roles}
