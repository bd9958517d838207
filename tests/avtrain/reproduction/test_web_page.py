"""The HTML of a reproduction: the Markdown with nothing of it run as HTML, in the frame of a report."""

from avtrain.reproduction.web_page import as_html


def test_a_page_has_a_title_tables_that_scroll_and_no_foreign_html() -> None:
    page = as_html(
        "# *Prompt*, again\n\n## my<script>1</script>\n\n| a | b |\n| --- | --- |\n| **x** | 1 |\n\n1. why\n"
    )
    assert "<title>Prompt, again</title>" in page
    assert "<script>" not in page
    assert "&lt;script&gt;" in page
    assert page.count("<div class=scroll><table>") == page.count("</table></div>") == 1
    assert "<td><strong>x</strong></td>" in page
    assert "overflow-wrap: anywhere" in page
