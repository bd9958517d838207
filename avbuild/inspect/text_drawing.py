"""Draw a text into a box of a contact sheet, with what changed marked."""

from PIL import ImageDraw, ImageFont

from avbuild.escaping import visible
from avbuild.inspect.text_changes import ShownText

LINES, LINE, SIZE = 7, 11, 9  # lines of a box, and pixels of a line and of its letters
HEIGHT = LINES * LINE + 2
COLOURS = {"same": "black", "changed": "#c03a00", "lost": "#9a9a9a"}


def draw_text(draw: ImageDraw.ImageDraw, shown: ShownText, x: int, y: int, width: int) -> None:
    """Draw the beginning of a text, as much as the box holds: changes underlined, losses struck out.

    Args:
        draw: on the sheet.
        shown: the text; letters that Pillow's own font lacks become boxes.
        x: left edge, pixels.
        y: upper edge.
        width: of the box.
    """
    font = ImageFont.load_default(SIZE)
    left, line = float(x), 0
    for piece in shown.pieces:
        for character in visible(" ".join(piece.text.splitlines()) if "\n" in piece.text else piece.text):
            wide = font.getlength(character)
            if left + wide > x + width:
                left, line = float(x), line + 1
            if line == LINES:
                return
            top, colour = y + line * LINE, COLOURS[piece.kind]
            draw.text((left, top), character, fill=colour, font=font)
            if piece.kind != "same":
                bar = top + (LINE - 1 if piece.kind == "changed" else LINE // 2 + 1)
                draw.line((left, bar, left + wide, bar), fill=colour)
            left += wide
