"""Tables: every row that breaks a rule is named with its line, and nothing is read from such a table."""

from pathlib import Path

import pytest

from avbuild.errors import UserError
from avbuild.sources import esc50, urbansound8k_table
from avbuild.sources.crema_d_lists import read_lists

US8K = ("1-3-0-0.wav", "1", "0", "4", "1", "5", "3", "dog_bark")
US8K_COLUMNS = urbansound8k_table.COLUMNS
ESC50 = ("1-100-A-0.wav", "1", "0", "dog", "True", "100", "A")
ESC50_COLUMNS = ("filename", "fold", "target", "category", "esc10", "src_file", "take")


def written(path: Path, *rows: tuple[str, ...]) -> Path:
    path.write_text("\n".join(",".join(row) for row in rows) + "\n")
    return path


def changed(row: tuple[str, ...], columns: tuple[str, ...], **cells: str) -> tuple[str, ...]:
    return tuple(cells.get(column, cell) for column, cell in zip(columns, row, strict=True))


@pytest.mark.parametrize(
    ("cells", "what"),
    [
        ({"classID": "-1"}, "classID '-1'; expected a number from 0 to 9"),
        ({"classID": "10"}, "classID '10'; expected a number from 0 to 9"),
        ({"classID": "\N{SUPERSCRIPT TWO}"}, "expected a number from 0 to 9"),
        ({"fold": "0"}, "fold '0'; expected a number from 1 to 10"),
        ({"fold": "\N{FULLWIDTH DIGIT THREE}"}, "expected a number from 1 to 10"),
        ({"fold": "9" * 5_000}, "expected a number from 1 to 10"),
        ({"fold": ""}, "fold ''; expected a number from 1 to 10"),
        ({"class": "siren"}, "classID 3 is dog_bark, but class says 'siren'"),
        ({"fsID": ""}, "fsID is empty"),
        ({"fsID": "2"}, "is of recording 1 and class 3, but the row says 2, 3"),
        ({"slice_file_name": ""}, "slice_file_name is empty"),
        ({"slice_file_name": "../1-3-0-0.wav"}, "is no plain file name, but a path"),
        ({"slice_file_name": "/etc/passwd"}, "is no plain file name, but a path"),
        ({"slice_file_name": "a\\b.wav"}, "is no plain file name, but a path"),
        ({"slice_file_name": ".."}, "is no plain file name, but a path"),
        ({"slice_file_name": "c:x.wav"}, "is no plain file name, but a path"),
        ({"slice_file_name": "\N{HANGUL SYLLABLE GA}" * 86}, "is longer than 255 bytes"),
        ({"slice_file_name": "a\x1b.wav"}, "holds control characters"),
    ],
)
def test_a_bad_row_of_urbansound8k_is_named(tmp_path: Path, cells: dict[str, str], what: str) -> None:
    other = changed(US8K, US8K_COLUMNS, slice_file_name="1-3-0-1.wav")
    table = written(tmp_path / "t.csv", US8K_COLUMNS, other, changed(US8K, US8K_COLUMNS, **cells))
    with pytest.raises(UserError) as caught:
        urbansound8k_table.read_table(table)
    assert "line 3 " in str(caught.value)
    assert what in str(caught.value)


@pytest.mark.parametrize(
    ("cells", "what"),
    [
        ({"fold": "6"}, "fold '6'; expected a number from 1 to 5"),
        ({"fold": "2"}, "is of fold 1, recording 100, target 0, but the row says 2, 100, 0"),
        ({"target": "dog"}, "target 'dog'; expected a number from 0 to 49"),
        ({"filename": "x.wav", "category": "cat"}, "target 0 is 'cat' here, but a row above has 0 as 'dog'"),
        ({"filename": "x.wav", "target": "7"}, "target 7 is 'dog' here, but a row above has 0 as 'dog'"),
        ({"category": ""}, "category is ''"),
        ({"src_file": ""}, "src_file is ''"),
        ({"filename": "../../x.wav"}, "is no plain file name, but a path"),
    ],
)
def test_a_bad_row_of_esc50_is_named(tmp_path: Path, cells: dict[str, str], what: str) -> None:
    other = changed(ESC50, ESC50_COLUMNS, filename="1-100-B-0.wav")
    table = written(tmp_path / "t.csv", ESC50_COLUMNS, other, changed(ESC50, ESC50_COLUMNS, **cells))
    with pytest.raises(UserError) as caught:
        esc50.read_table(table)
    assert "line 3 " in str(caught.value)
    assert what in str(caught.value)


def test_all_bad_rows_are_in_one_error(tmp_path: Path) -> None:
    same_id = changed(US8K, US8K_COLUMNS, slice_file_name="1-3-0-0.flac")
    rows = (US8K, US8K, same_id, US8K[:4], (*US8K, "x"), changed(US8K, US8K_COLUMNS, fold="x"))
    with pytest.raises(UserError) as caught:
        urbansound8k_table.read_table(written(tmp_path / "t.csv", US8K_COLUMNS, *rows))
    assert str(caught.value).splitlines() == [
        f"{tmp_path}/t.csv: 5 problems; repair these lines",
        "  line 3      the name '1-3-0-0' is already in a row above",
        "  line 4      the name '1-3-0-0' is already in a row above",
        "  line 5      4 columns; the first line has 8",
        "  line 6      9 columns; the first line has 8",
        "  line 7      fold 'x'; expected a number from 1 to 10",
    ]


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (",".join(US8K_COLUMNS).encode("utf-16"), "is UTF-16; a table is UTF-8: save it so"),
        (",".join(US8K_COLUMNS).encode() + "\n가".encode("cp949"), "line 2 is not UTF-8"),
        (b"a\0b", "line 1 holds a null byte"),
        (b"", "columns are none"),
        (b"\n\n", "columns are none"),
        (",".join(US8K_COLUMNS).encode(), "holds no rows"),
        (",".join(US8K_COLUMNS).encode() + b'\n"a', "unexpected end of data"),
        (b'"a', "is not CSV"),
        (b"a" * 200_000, "is not CSV"),
    ],
)
def test_a_table_in_another_encoding_or_form_is_one_line(tmp_path: Path, data: bytes, what: str) -> None:
    (tmp_path / "t.csv").write_bytes(data)
    for read in (urbansound8k_table.read_table, esc50.read_table):
        with pytest.raises(UserError) as caught:
            read(tmp_path / "t.csv")
        assert str(tmp_path / "t.csv") in str(caught.value)
        if read is urbansound8k_table.read_table:
            assert what in str(caught.value)


def test_esc50_is_found_one_level_up_and_names_what_its_table_lacks(tmp_path: Path) -> None:
    root = tmp_path / "ESC-50-master"
    (root / "audio").mkdir(parents=True)
    (root / "meta").mkdir()
    written(root / "meta" / "esc50.csv", ESC50_COLUMNS, ESC50)
    for name in ("1-100-A-0.wav", "stray.wav", ".DS_Store"):
        (root / "audio" / name).write_bytes(b"x")
    corpus = esc50.read_esc50(tmp_path)
    assert [clip.id for clip in corpus.items] == ["1-100-A-0"]
    assert [(Path(p.path).name, p.what) for p in corpus.problems] == [("stray.wav", "not in esc50.csv")]
    with pytest.raises(UserError, match="lists no clip of fold 3; folds are 1 to 5"):
        esc50.read_esc50(tmp_path, (3,))


def test_crema_d_lists_in_another_encoding_or_with_a_damaged_first_clip(tmp_path: Path) -> None:
    (tmp_path / "test.csv").write_text("1001_DFA_ANG_XX,ANG\n")
    (tmp_path / "train.csv").write_bytes("1002_DFA_ANG_XX,ANG\n".encode("utf-16"))
    with pytest.raises(UserError, match=r"train.csv: is UTF-16; a list is UTF-8"):
        read_lists(tmp_path)
    for first in ("?002_DFA_ANG_XX,ANG", "\N{FULLWIDTH DIGIT ONE}002_DFA_ANG_XX,ANG"):
        (tmp_path / "train.csv").write_text(f"{first}\n1003_DFA_ANG_XX,ANG\n")
        with pytest.raises(UserError, match=r"train.csv: line 1: .* is not a clip"):
            read_lists(tmp_path)
