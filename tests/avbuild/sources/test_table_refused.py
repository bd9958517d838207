"""`avbuild make NAME --table FILE`: every bad row in one report with its line, and other tables refused in words."""

import json
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.support.commands import fail, succeed
from tests.support.user_tables import Record, as_csv, make, records, samples, write

BAD: Sequence[tuple[int, Record, str]] = (
    (1, {"audio": "a/99.wav"}, "no such file: audio 'a/99.wav'"),
    (2, {"label": " "}, "label is empty"),
    (3, {"id": "x0"}, "duplicate id: 'x0' is also in line 2"),
    (4, {"split": "trian"}, "unknown split: 'trian'; allowed: train, val, validation, valid, dev, test"),
    (5, {"group": ""}, "group is empty"),
    (6, {"image": "../elsewhere.png"}, "outside the table's folder: image '../elsewhere.png'"),
    (7, {"label": "Cat"}, "label written in two ways: 'Cat' here, 'cat' in line"),
    (8, {"audio": "", "image": "", "text": ""}, "empty: it has no file and no text"),
    (9, {"audio": "i/09.png"}, "another modality: audio 'i/09.png' is an image by its suffix"),
    (10, {"image": "https://host/a.png"}, "an address: image"),
    (11, {"audio": "broken.wav"}, "broken.wav: unreadable: "),
    (12, {"image": "empty.png"}, "empty: image 'empty.png'"),
    (13, {"id": "a\x07b"}, "control characters: id"),
)


def test_every_bad_row_is_in_one_report_with_its_line(media: Path, tmp_path: Path) -> None:
    (media / "broken.wav").write_bytes(b"no audio")
    (media / "empty.png").write_bytes(b"")
    table = [{key: value.replace("\n", " ") for key, value in record.items()} for record in records()]  # a row a line
    for index, changes, _ in BAD:
        table[index] |= changes
    path = write(media, table, "bad.csv")
    path.write_text(path.read_text() + "x30,too,few\n")
    message = fail("make", "mine", "--table", path, "--out", tmp_path, "--workers", 1)
    listing = (tmp_path / "mine.unusable.txt").read_text()
    for index, _, what in BAD:
        assert f"bad.csv line {index + 2}: {what}" in listing
    assert "bad.csv line 32: wrong number of columns: 3; the first line has 7" in listing
    assert len(listing.splitlines()) == len(BAD) + 1
    assert len([line for line in message.splitlines() if line.startswith("  bad.csv line")]) == 10
    assert "14 problems" in message
    assert f"The whole list: {tmp_path}/mine.unusable.txt" in message
    assert [path.name for path in tmp_path.iterdir()] == ["mine.unusable.txt"]
    folder = make(path, tmp_path, "--skip-bad")
    assert samples(folder).keys() == {f"x{k}" for k in range(30)} - {f"x{index}" for index, _, _ in BAD}
    left_out = json.loads((folder / "build.json").read_text())["left_out"]
    assert {f"bad.csv line {index + 2}" for index, _, _ in BAD} <= {entry["path"].split(":")[0] for entry in left_out}
    assert not (tmp_path / "mine.unusable.txt").exists()


def test_lines_are_those_of_the_file_where_cells_hold_line_ends(media: Path, tmp_path: Path) -> None:
    table = records()  # each row takes two lines
    table[3]["label"] = ""
    assert "lines.csv line 8: label is empty" in fail(
        "make", "mine", "--table", write(media, table, "lines.csv"), "--out", tmp_path
    )


def test_a_group_in_two_splits_cannot_be_left_out(media: Path, tmp_path: Path) -> None:
    table = [{key: value.replace("\n", " ") for key, value in record.items()} for record in records()]
    table[27]["group"], table[5]["label"] = "g1", ""
    path = write(media, table, "groups.csv")
    for more in ((), ("--skip-bad",)):
        message = fail("make", "mine", "--table", path, "--out", tmp_path, *more)
        assert "groups.csv line 29: group in two splits: 'g1' is in test here, and in train in line 4" in message
        assert "--skip-bad cannot leave these out: group in two splits" in message
        assert ("line 7: label is empty" in message) == (not more)
    assert not (tmp_path / "mine").exists()
    make(path, tmp_path, "--columns", "split=", "--skip-bad")  # avbuild then splits by group


def test_a_table_needs_train_and_test(media: Path, tmp_path: Path) -> None:
    table = [record | {"split": "val" if record["split"] == "dev" else "train"} for record in records()]
    message = fail("make", "mine", "--table", write(media, table, "no_test.csv"), "--out", tmp_path)
    assert "no_test.csv: no test split: it has 24 train, 6 validation" in message


@pytest.mark.parametrize(
    ("name", "data", "what"),
    [
        ("u16.csv", as_csv(records()).encode("utf-16"), "is UTF-16; a table is UTF-8: save it so, or run  iconv"),
        ("ko.csv", "text,label\n안녕,가\n".encode("cp949"), "not UTF-8, which a table is. It looks like CP949"),
        ("semi.csv", as_csv(records()).replace(",", ";").encode(), "its columns are separated by ';'"),
        ("empty.csv", b"", "holds no rows"),
        ("header.csv", b"audio,label\n", "holds no rows"),
        ("twice.csv", b"audio,label,label\na,b,c\n", "two columns are called label"),
        ("none.csv", b"name,label\na,b\n", "no column audio, image, video, text or file_name"),
        ("unclear.csv", b"image,Image,label\na,b,c\n", "image and Image would both be image"),
        ("bad.jsonl", b'{"audio": "a", "label": 1}\n[1]\n', "bad.jsonl line 2: not a JSON object"),
        ("again.jsonl", b'{"audio": "a", "audio": "b", "label": 1}\n', "'audio' is given twice"),
        ("list.jsonl", b'{"audio": ["a"], "label": "x"}\n', "no text: audio is a list"),
        ("not.parquet", b"PAR1", "is not a readable Parquet file"),
        ("t.json", b"[]", ".json is no format of a table; write one object a line, and call it .jsonl"),
        ("t.xlsx", b"", "save it from the program as CSV UTF-8"),
    ],
)  # fmt: skip
def test_other_tables_are_refused_in_words(name: str, data: bytes, what: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(data)
    message = fail("make", "mine", "--table", tmp_path / name, "--out", tmp_path / "out")
    assert what in message
    assert not (tmp_path / "out" / "mine").exists()


def test_embedded_media_of_parquet_are_refused(tmp_path: Path) -> None:
    rows = [
        {"image": {"bytes": b"x", "path": "a.png"}, "label": "a"},
        {"image": {"bytes": b"y", "path": "b"}, "label": "b"},
    ]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "t.parquet")
    message = fail("make", "mine", "--table", tmp_path / "t.parquet", "--out", tmp_path)
    assert "t.parquet row 1: no text: image is struct<bytes: binary, path: string>, where a path" in message


def test_names_that_are_taken_and_options_that_do_not_fit(media: Path, tmp_path: Path) -> None:
    path = write(media, records())
    for name, more, what in (
        ("mvsa-single", (), "is a data set of avbuild"),
        ("a/b", (), "is no name"),
        ("table", (), "give the data set a name"),
        ("mine", ("--name", "other"), "already has a name"),
        ("mine", ("--columns", "txt=caption"), "'txt' is no role; did you mean \"text\"?"),
        ("mine", ("--columns", "label=lable"), 'no column "lable" for label; did you mean "label"?'),
        ("mine", ("--columns", "label=id"), "has another value in each of its 30 rows"),
        ("mine", ("--audio", "a/"), "does not use --audio"),
        ("mine", ("--split", "random70"), "the table gives the splits itself"),
        ("mine", ("--split", "published"), "has no --split published"),
        ("mine", ("--group-pattern", "(.)"), "the table gives the groups itself"),
        ("mine", ("--fps", "2"), "--fps goes with a column of videos"),
    ):
        assert what in fail("make", name, "--table", path, "--out", tmp_path, *more), (name, more)
    assert "give --table FILE" in fail("make", "mine", "--out", tmp_path)
    succeed("make", "table", "--name", "mine", "--table", path, "--out", tmp_path, "--workers", 1)
