"""Tables in LaTeX, for the package booktabs."""

from collections.abc import Iterable, Sequence

from avtrain.report.terminal import without_controls

SPECIAL = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#", "_": r"\_", "%": r"\%",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}", '"': r"\textquotedbl{}", "±": r"$\pm$", "†": r"$^{\dagger}$", "–": "--", "−": "$-$",
    "≥": r"$\geq$", "≤": r"$\leq$", "’": "'",
}  # fmt: skip
USES = r"% needs \usepackage{booktabs} and, for double quotes, \usepackage[T1]{fontenc}"


def latex_text(value: object) -> str:
    """Return plain text as LaTeX, in which nothing is a command."""
    return "".join(SPECIAL.get(character, character) for character in without_controls(str(value)))


def bold(latex: str) -> str:
    """Return LaTeX in bold."""
    return rf"\textbf{{{latex}}}"


def latex_table(
    caption: str,
    label: str,
    text_columns: Sequence[str],
    number_columns: Sequence[str],
    rows: Iterable[Sequence[str]],
) -> str:
    """Return a floating table.

    Args:
        caption: plain text.
        label: for `\\ref`; letters, digits and hyphens are kept.
        text_columns: names of the columns aligned left; plain text.
        number_columns: names of the columns after them, aligned right; plain text.
        rows: cells of each row, as LaTeX.
    """
    head = " & ".join(map(latex_text, (*text_columns, *number_columns)))
    key = "".join(character if character.isascii() and character.isalnum() else "-" for character in label)
    lines = [
        USES,
        r"\begin{table}",
        r"\centering",
        rf"\caption{{{latex_text(caption)}}}",
        rf"\label{{tab:{key}}}",
        rf"\begin{{tabular}}{{{'l' * len(text_columns)}{'r' * len(number_columns)}}}",
        r"\toprule",
        rf"{head} \\",
        r"\midrule",
        *(rf"{' & '.join(cells)} \\" for cells in rows),
        r"\bottomrule",
        r"\end{tabular}",
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"
