"""The page of a reproduction as one HTML file, made of its Markdown with the template of `avtrain report`."""

from pathlib import Path

from markdown_it import MarkdownIt

from avbuild.dataset.storage import write_whole
from avtrain.report.page import whole_page

# lists as wide as paragraphs
STYLE = "<style>li { max-width: 60em }</style>"


def write_web_page(markdown: Path, text: str, charts: str = "") -> Path:
    """Write the HTML of a page beside its Markdown.

    Args:
        markdown: file of the Markdown.
        text: its content, whose first line is the title.
        charts: HTML that follows it.

    Returns the path of the HTML file.
    """
    web = markdown.with_suffix(".html")
    write_whole(web, as_html(text, charts))
    return web


def as_html(text: str, charts: str = "") -> str:
    """Return a whole HTML page.

    Args:
        text: Markdown whose first line is the title; HTML in it is shown as text.
        charts: HTML that follows it.
    """
    heading, _, rest = text.partition("\n")
    title = heading.removeprefix("# ").replace("*", "")
    body = MarkdownIt("commonmark", {"html": False}).enable("table").render(rest)
    body = body.replace("<table>", "<div class=scroll><table>").replace("</table>", "</table></div>")
    return whole_page(title, f"{STYLE}\n{body}{charts}")
