"""WordPiece vocabularies: read from a file, kept as the text of a tokenizer.json, applied by the library tokenizers."""

import functools
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from avbuild.errors import UserError
from avbuild.scenarios.seeding import digest

if TYPE_CHECKING:
    from tokenizers import Tokenizer

PAD, UNKNOWN, START, END, MASK = "[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"
NEEDED = (PAD, UNKNOWN, START, END)
LIBRARY = "text needs the library tokenizers: pip install 'avbuild[text]'"
BRACKETED = re.compile(r"\[.*\]")  # special tokens, which say nothing of upper and lower case


class WordPiece:
    """A WordPiece tokenizer, defined by the text of its tokenizer.json alone.

    Two with the same definition are equal, and their repr, a digest of it, is part of the keys of the feature cache.

    Args:
        definition: JSON as the library tokenizers writes it.
    """

    def __init__(self, definition: str) -> None:
        self.definition = definition

    def __repr__(self) -> str:
        return f"WordPiece({digest(self.definition)[:16]})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, WordPiece) and other.definition == self.definition

    def __hash__(self) -> int:
        return hash(self.definition)

    def __len__(self) -> int:
        """Return the number of ids, from 0 to the largest one."""
        return 1 + max(_all_ids(json.loads(self.definition)).values())

    @property
    def padding(self) -> int:
        """Return the id of [PAD]."""
        return _all_ids(json.loads(self.definition))[PAD]

    def fitted(self, tokens: int) -> str:
        """Return the definition of a tokenizer that cuts or pads every text to a number of tokens.

        Args:
            tokens: of every text, with [CLS] in front and [SEP] at the end of what is left of it.
        """
        written = json.loads(self.definition)
        written["truncation"] = {
            "direction": "Right",
            "max_length": tokens,
            "strategy": "LongestFirst",
            "stride": 0,
        }
        written["padding"] = {
            "strategy": {"Fixed": tokens},
            "direction": "Right",
            "pad_to_multiple_of": None,
            "pad_id": self.padding,
            "pad_type_id": 0,
            "pad_token": PAD,
        }
        return _as_json(written)

    def ids(self, text: str, tokens: int) -> list[int]:
        """Return the ids of a text: [CLS], its pieces, [SEP], then [PAD]; a longer text is cut before its [SEP].

        Args:
            text: of any length.
            tokens: length of the result, at least 3.

        Raises:
            UserError: the library tokenizers is not installed.
        """
        found: list[int] = _tokenizer(self, tokens).encode(text).ids
        return found

    def is_cut(self, text: str, tokens: int) -> bool:
        """Return whether a text has more tokens than fit.  tokens: as for `ids`."""
        return bool(_tokenizer(self, tokens).encode(text).overflowing)


@functools.lru_cache(maxsize=8)
def _tokenizer(vocabulary: WordPiece, tokens: int) -> "Tokenizer":
    """Return the library's object; it is made once in each process, and never pickled."""
    try:
        from tokenizers import Tokenizer
    except ImportError as error:
        raise UserError(LIBRARY) from error
    return Tokenizer.from_str(vocabulary.fitted(tokens))


def read_wordpiece(path: Path) -> WordPiece:
    """Read a vocabulary.

    Args:
        path: a tokenizer.json of the library tokenizers; or a text file with one token a line, whose texts are put into
            lower case and lose their accents unless a token has a capital letter.

    Raises:
        UserError: there is no such file, or it holds something else.
    """
    try:
        text = path.read_bytes().decode("utf-8")
    except OSError as error:
        raise UserError(f"{path}: cannot be read as a vocabulary: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: no vocabulary: it is not UTF-8 (byte {error.start:,})") from error
    if path.suffix == ".json":
        return _from_json(text, path)
    # other line ends, such as U+2028, are tokens
    return wordpiece_of([line.removesuffix("\r") for line in text.removesuffix("\n").split("\n")], str(path))


def wordpiece_of(tokens: Sequence[str], source: str) -> WordPiece:
    """Return the tokenizer of a BERT model from its vocabulary.

    Args:
        tokens: in the order of their ids; pieces inside a word begin with ##.
        source: where they come from, for the error.

    Raises:
        UserError: a token is there twice, or a special token is not there.
    """
    ids = {token: index for index, token in enumerate(tokens)}
    if len(ids) < len(tokens):
        double = next(token for index, token in enumerate(tokens) if ids[token] != index)
        raise UserError(f"{source}: no vocabulary: the token {double!r} stands in two lines; one token a line")
    _require_special(ids, source)
    cased = any(token != token.lower() for token in tokens if not BRACKETED.fullmatch(token))
    written = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [_special(ids[token], token) for token in (*NEEDED, MASK) if token in ids],
        "normalizer": {
            "type": "BertNormalizer",
            "clean_text": True,
            "handle_chinese_chars": True,
            "strip_accents": None,  # as lowercase says
            "lowercase": not cased,
        },
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": {"type": "BertProcessing", "sep": [END, ids[END]], "cls": [START, ids[START]]},
        "decoder": None,
        "model": {
            "type": "WordPiece",
            "unk_token": UNKNOWN,
            "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 100,
            "vocab": ids,
        },
    }
    return WordPiece(_as_json(written))


def _from_json(text: str, path: Path) -> WordPiece:
    try:
        written: dict[str, Any] = json.loads(text)
        kind = written["model"]["type"]
        ids = _all_ids(written)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise UserError(f"{path}: no tokenizer.json of the library tokenizers ({error})") from error
    if kind != "WordPiece":
        raise UserError(f"{path}: its model is {kind}; text encoders here are BERT models, which read WordPiece")
    _require_special(ids, str(path))
    vocabulary = WordPiece(_as_json({**written, "truncation": None, "padding": None}))
    try:
        _tokenizer(vocabulary, 3)
    except UserError:
        raise
    except Exception as error:  # the library has no class of its own for what it cannot read
        raise UserError(f"{path}: the library tokenizers cannot read it ({error})") from error
    return vocabulary


def _all_ids(written: dict[str, Any]) -> dict[str, int]:
    """Return the ids of all tokens of a parsed tokenizer.json."""
    added = {str(token["content"]): int(token["id"]) for token in written.get("added_tokens") or ()}
    return {**written["model"]["vocab"], **added}


def _require_special(ids: dict[str, int], source: str) -> None:
    if lacking := [token for token in NEEDED if token not in ids]:
        raise UserError(f"{source}: no vocabulary of a BERT model: it lacks {', '.join(lacking)}")


def _special(index: int, token: str) -> dict[str, Any]:
    return {
        "id": index,
        "content": token,
        "single_word": False,
        "lstrip": False,
        "rstrip": False,
        "normalized": False,
        "special": True,
    }


def _as_json(written: dict[str, Any]) -> str:
    return json.dumps(written, ensure_ascii=False, separators=(",", ":"))
