"""Text: Unicode in NFC, stored whole as a string column."""

import unicodedata

import pyarrow as pa
from numpy.random import Generator

from avbuild.errors import UserError
from avbuild.modalities.base import Modality, Unreadable

UTF8 = "utf-8"
BYTE_ORDER_MARK = "\ufeff"


def nfc(text: str) -> str:
    """Return a text in Unicode's normalisation form C, in which data sets store it.

    >>> len(nfc("e\u0301"))
    1
    """
    return unicodedata.normalize("NFC", text)


def read_text(data: bytes, encoding: str = UTF8) -> str:
    """Read a text file: all of it, in NFC, without a byte order mark; line ends stay as they are.

    Args:
        data: the file; no bytes are the empty text.
        encoding: that its source declares; any that Python knows.

    Raises Unreadable for bytes that are not in this encoding, and for a text with NUL characters.
    """
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        raise Unreadable(
            f"not {encoding.upper()}: byte 0x{data[error.start]:02x} at byte {error.start:,}; save it as UTF-8"
        ) from error
    except UnicodeError as error:  # such as UTF-16 without a byte order mark
        raise Unreadable(f"not {encoding.upper()}: {error}; save it as UTF-8") from error
    if "\0" in text:
        raise Unreadable(f"holds NUL characters, so it is no text, or not in {encoding.upper()}; save it as UTF-8")
    return nfc(text.removeprefix(BYTE_ORDER_MARK))


def decode_text(data: bytes) -> str:
    """Decode a cell of the `text` column."""
    return data.decode(UTF8)


def encode_text(text: str) -> bytes:
    """Encode a text as UTF-8."""
    return text.encode(UTF8)


def as_stored(text: str) -> tuple[str, float]:
    """Return a text as a data set holds it, in NFC, and a gain of 1.

    Raises UserError for a text that UTF-8 cannot hold, which a corruption of a plug-in could return.
    """
    try:
        text.encode(UTF8)
    except UnicodeEncodeError as error:
        raise UserError(
            f"a text holds half of a surrogate pair at character {error.start:,}, which is not Unicode; "
            "replace it where the text is made"
        ) from error
    return nfc(text), 1.0


def stored_problem(data: bytes) -> str:
    """Return what is wrong with a stored text, or nothing where it is as `read_text` leaves it."""
    text = decode_text(data)
    if not unicodedata.is_normalized("NFC", text):
        return "not in Unicode's form NFC"
    return "with NUL characters" if "\0" in text else ""


def fill_text(text: str, what: str, rng: Generator) -> str:
    """Return what replaces a missing text: the empty text, whatever the fill is called."""
    return ""


TEXT = Modality(
    name="text",
    noun="text",
    family="text",
    letter="T",
    visual=False,
    suffix=".txt",
    arrow_type=pa.string(),
    feature={"dtype": "string", "_type": "Value"},
    croissant_type="sc:Text",
    description="the whole text, UTF-8 in NFC; null when missing",
    read=lambda data, _: read_text(data),
    store=lambda data, _: [encode_text(read_text(data))],
    decode=lambda files: decode_text(files[0]),
    encode=lambda text: [encode_text(text)],
    fill_one=fill_text,
    quantise=as_stored,
    plain=True,
    may_be_empty=True,
    equal=lambda one, other: bool(one == other),
    finite=lambda _: True,
    stored_problem=lambda files: stored_problem(files[0]),
)
