"""Names that people chose, on a terminal: neither control characters nor the markup of Rich act."""

from rich.markup import escape


def without_controls(text: str) -> str:
    """Return a text with control characters written out, such as \\x1b, which would change colours or the cursor."""
    return "".join(character if character.isprintable() else repr(character)[1:-1] for character in text)


def plain(text: object) -> str:
    """Return a text that Rich prints as it is."""
    escaped = escape(without_controls(str(text)))
    return f"{escaped} " if escaped.endswith("\\") else escaped  # a backslash at the end would act on what follows
