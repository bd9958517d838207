"""Text that somebody else wrote, made safe for where it is shown: a terminal, Markdown, or a file name.

Names of classes, files and ids can hold anything: markup, escape sequences, line ends.  HTML uses `html.escape` on
`visible` text.
"""

import html
import re
import unicodedata
from collections.abc import Sequence

from rich.text import Text

# characters that reverse or isolate the direction of the text after them, and so can disguise it
DIRECTIONS = frozenset("\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
MARKDOWN = re.compile(r"[\\`*<>\[\]|~]|&(?=#?\w+;)|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])")


def visible(text: object, keep: str = "") -> str:
    r"""Return text with control characters, line ends and the like written out, as `\u001b`.

    Args:
        text: to show.
        keep: characters that stay as they are.
    """
    return "".join(_written_out(c) if _hidden(c) and c not in keep else c for c in str(text))


def in_terminal(text: object) -> Text:
    """Return text for Rich, in which square brackets are no markup."""
    return Text(visible(text))


def in_html(text: object, keep: str = "") -> str:
    """Return text for HTML, in attributes too.

    Args:
        text: to show.
        keep: control characters that stay as they are, such as line ends.
    """
    return html.escape(visible(text, keep))


def in_markdown(text: object) -> str:
    """Return text for a line or a table of Markdown, in which nothing is markup."""
    return MARKDOWN.sub(_entity, visible(text))


def in_markdown_code(text: object) -> str:
    """Return text as a code span of Markdown."""
    shown = visible(text)
    if not re.search(r"[`|\\]", shown):
        return f"`{shown}`"
    return f"<code>{MARKDOWN.sub(_entity, shown)}</code>"


def as_file_name(text: object) -> str:
    """Return text as a part of a file name: without separators, and of a length that every file system takes."""
    return re.sub(r'[/\\:*?"<>|]', "_", visible(text)).lstrip(".").encode()[:150].decode(errors="ignore") or "_"


def in_words(items: Sequence[str]) -> str:
    """Return items as a sentence lists them.

    >>> in_words(["audio clip", "image", "text"])
    'audio clip, image and text'
    """
    *others, last = items
    return f"{', '.join(others)} and {last}" if others else last


def _entity(match: re.Match[str]) -> str:
    return f"&#{ord(match[0])};"


def _hidden(character: str) -> bool:
    return unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") or character in DIRECTIONS


def _written_out(character: str) -> str:
    return f"\\u{ord(character):04x}"
