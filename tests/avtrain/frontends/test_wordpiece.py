"""WordPiece: the ids of a text, vocabularies in both kinds of file, and the front end on them."""

import json
import sys
from pathlib import Path

import pytest
import torch

from avbuild.errors import UserError
from avtrain.backbones.registry import build_backbone
from avtrain.frontends.base import dtype_of, version_of
from avtrain.frontends.wordpiece import read_wordpiece, wordpiece_of

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
WORDS = (*SPECIAL, "the", "cafe", "play", "##ing", "!", "\u2028", "한", "##국")


def test_words_are_split_into_pieces_and_cut_or_padded() -> None:
    vocabulary = wordpiece_of(WORDS, "test")
    assert vocabulary.ids("The CAFÉ, playing!", 10) == [2, 5, 6, 1, 7, 8, 9, 3, 0, 0]
    assert vocabulary.ids("The CAFÉ, playing!", 5) == [2, 5, 6, 1, 3]
    assert vocabulary.ids("", 4) == [2, 3, 0, 0]
    assert vocabulary.is_cut("the the the", 4)
    assert not vocabulary.is_cut("the the", 4)
    assert len(vocabulary) == len(WORDS)


def test_a_vocabulary_with_capitals_keeps_them() -> None:
    cased = wordpiece_of((*SPECIAL, "The", "the", "é"), "test")
    assert cased.ids("The the é", 6) == [2, 5, 6, 7, 3, 0]


def test_both_files_give_the_same(tmp_path: Path) -> None:
    (tmp_path / "vocab.txt").write_bytes("\r\n".join(WORDS).encode())
    plain = read_wordpiece(tmp_path / "vocab.txt")
    assert plain == wordpiece_of(WORDS, "test")
    (tmp_path / "tokenizer.json").write_text(plain.fitted(7), encoding="utf-8")  # its own length is not used
    assert read_wordpiece(tmp_path / "tokenizer.json") == plain
    assert repr(plain) == repr(read_wordpiece(tmp_path / "tokenizer.json"))
    assert repr(plain) != repr(wordpiece_of((*WORDS, "more"), "test"))


def test_the_library_alone_gives_the_same_ids(tmp_path: Path) -> None:
    from tokenizers import Tokenizer

    vocabulary = wordpiece_of(WORDS, "test")
    (tmp_path / "t.json").write_text(vocabulary.fitted(6), encoding="utf-8")
    alone = Tokenizer.from_file(str(tmp_path / "t.json"))
    for text in ("the cafe", "play " * 9, "", "[SEP] x"):
        assert alone.encode(text).ids == vocabulary.ids(text, 6)


def test_the_original_gives_the_same_ids(tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    (tmp_path / "vocab.txt").write_text("\n".join(WORDS), encoding="utf-8")
    original = transformers.BertTokenizer(str(tmp_path / "vocab.txt"))
    for text in ("The CAFÉ, playing!", "한국 the", "the " * 20, "\x00 ok\ttab"):
        expected = original(text, truncation=True, max_length=8, padding="max_length")["input_ids"]
        assert wordpiece_of(WORDS, "test").ids(text, 8) == expected


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("v.txt", b"[PAD]\n[UNK]\n[CLS]\n[PAD]\n[SEP]", r"the token '\[PAD\]' stands in two lines"),
        ("v.txt", b"[PAD]\n[UNK]\nword", r"it lacks \[CLS\], \[SEP\]"),
        ("v.txt", b"\xff\xfe", "it is not UTF-8"),
        ("t.json", b"{}", "no tokenizer.json of the library tokenizers"),
        ("t.json", json.dumps({"model": {"type": "BPE", "vocab": {}}}).encode(), "its model is BPE"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=message):
        read_wordpiece(tmp_path / name)


def test_without_the_library_an_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    with pytest.raises(UserError, match=r"pip install 'avbuild\[text\]'"):
        wordpiece_of((*WORDS, "never seen before"), "test").ids("the", 4)


def test_the_front_end_leaves_other_modalities_alone() -> None:
    size = {"width": 16, "layers": 1, "heads": 2, "image_size": 8, "audio_seconds": 0.25, "text_tokens": 9}
    with_text = build_backbone("tiny", size, None, ("audio", "text")).frontend
    without = build_backbone("tiny", size, None, ("audio", "image")).frontend
    clip = torch.linspace(-0.5, 0.5, 5_000)
    assert torch.equal(with_text.prepare("audio", clip), without.prepare("audio", clip))
    assert with_text.shapes == {**without.shapes, "text": (9,)}
    assert (dtype_of(with_text, "text"), dtype_of(with_text, "audio")) == (torch.int64, torch.float32)
    assert version_of(with_text) == version_of(without)
    assert "WordPiece(" in repr(with_text)
    assert len(repr(with_text)) < 300
