"""`avbuild make NAME --table FILE`: samples as the rows say, and every bad row in one report with its line."""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from avbuild.scenarios.manifest_file import load_manifest
from avbuild.sources.table_file import read_user_table
from tests.conftest import REPOSITORY
from tests.support.commands import fail, rows, succeed, tree
from tests.support.own_files import write_media

SPLITS = ("train", "validation", "test")
Record = dict[str, str]


def records(count: int = 30) -> list[Record]:
    """Rows with all columns: two of each group, two classes, three splits."""
    return [
        {
            "id": f"x{k}",
            "audio": f"a/{k:02d}.wav",
            "image": f"i/{k:02d}.png",
            "text": f'text {k}, with "quotes"\nand two lines',
            "label": ("dog", "cat")[k % 2],
            "group": f"g{k // 2}",
            "split": "train" if k < 16 else "dev" if k < 22 else "test",
        }
        for k in range(count)
    ]


def as_csv(table: Sequence[Mapping[str, str]]) -> str:
    sink = io.StringIO()
    writer = csv.DictWriter(sink, list(table[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(table)
    return sink.getvalue()


@pytest.fixture(scope="module")
def media(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a/00.wav to 29, and i/00.png to 29; add tables, change no file."""
    root = tmp_path_factory.mktemp("table")
    for k in range(30):
        write_media(root / f"a/{k:02d}.wav", k)
        write_media(root / f"i/{k:02d}.png", k)
    return root


def write(media: Path, table: Sequence[Mapping[str, str]], name: str = "metadata.csv") -> Path:
    path = media / name
    path.write_text(as_csv(table), encoding="utf-8")
    return path


def make(table: Path, out: Path, *more: object) -> Path:
    succeed("make", "mine", "--table", table, "--out", out, "--workers", 1, *more)
    return out / "mine"


def samples(folder: Path) -> dict[str, dict[str, Any]]:
    return {row["id"]: row | {"in": split} for split in SPLITS for row in rows(folder, "C", split)}


def test_rows_are_samples_as_the_table_says(media: Path, tmp_path: Path) -> None:
    folder = make(write(media, records()), tmp_path)
    found = samples(folder)
    assert len(found) == 30
    for record in records():
        row = found[record["id"]]
        assert row["text"] == record["text"]
        assert row["image"]["bytes"] == (media / record["image"]).read_bytes()
        assert ["cat", "dog"][row["label"]] == record["label"]
        assert row["group"] == record["group"]
        assert row["in"] == {"dev": "validation"}.get(record["split"], record["split"])
    assert "every hash matches" in succeed("verify", folder)
    card = (folder / "README.md").read_text()
    assert "given by the column split of the table" in card
    assert "none of the 15 groups is in two splits" in card
    build = json.loads((folder / "build.json").read_text())
    assert (build["recipe"]["split"], build["recipe"]["group"], build["leaky"]) == ("given", "group", False)


@pytest.mark.parametrize("name", ["t.tsv", "t.jsonl", "t.parquet"])
def test_other_formats_give_the_same_bytes(name: str, media: Path, tmp_path: Path) -> None:
    path = media / name
    if name.endswith(".tsv"):
        sink = io.StringIO()
        writer = csv.DictWriter(sink, list(records()[0]), delimiter="\t")
        writer.writeheader()
        writer.writerows(records())
        path.write_text(sink.getvalue(), newline="")
    elif name.endswith(".jsonl"):
        path.write_text("\ufeff" + "\n".join(json.dumps(record) for record in records()), encoding="utf-8")
    else:
        pq.write_table(pa.Table.from_pylist(records()), path)
    shards = [tree(make(table, tmp_path / table.name) / "C") for table in (write(media, records()), path)]
    hashes = [
        [pq.read_schema(io.BytesIO(data)).metadata[b"avbuild.content"] for data in found.values()] for found in shards
    ]
    assert hashes[0] == hashes[1]


def test_a_byte_order_mark_and_a_description_of_the_data(media: Path, tmp_path: Path) -> None:
    path = media / "bom.csv"
    path.write_text(as_csv(records()), encoding="utf-8-sig")
    folder = make(path, tmp_path, "--title", "My rows", "--licence", "CC0", "--description", "Made by us.")
    card = (folder / "README.md").read_text()
    assert all(words in card for words in ("# My rows", "CC0", "Made by us.", "avbuild make table"))


def test_without_splits_the_groups_stay_whole_and_copies_join_groups(media: Path, tmp_path: Path) -> None:
    table = [{key: value for key, value in record.items() if key != "split"} for record in records()]
    table[20]["image"] = table[3]["image"]  # g10 and g1 share a picture
    folder = make(write(media, table, "grouped.csv"), tmp_path)
    found = samples(folder)
    assert found["x20"]["group"] == found["x3"]["group"] == found["x21"]["group"]
    split_of: dict[str, str] = {}
    assert all(split_of.setdefault(row["group"], row["in"]) == row["in"] for row in found.values())
    assert set(split_of.values()) == set(SPLITS)
    again = make(media / "grouped.csv", tmp_path / "2", "--seed", 1)
    assert {id: row["in"] for id, row in samples(again).items()} != {id: row["in"] for id, row in found.items()}


def test_copies_in_two_given_splits_make_the_split_leaky(media: Path, tmp_path: Path) -> None:
    table = records()
    table[28]["audio"] = table[0]["audio"]
    folder = make(write(media, table, "leaky.csv"), tmp_path)
    build = json.loads((folder / "build.json").read_text())
    assert build["leaky"]
    assert any("1 groups stand in more than one split" in note for note in build["notes"])


def test_an_empty_cell_is_a_missing_modality(media: Path, tmp_path: Path) -> None:
    table = records()
    table[0]["audio"] = table[25]["audio"] = table[1]["image"] = table[25]["text"] = ""
    folder = make(write(media, table, "missing.csv"), tmp_path)
    found = samples(folder)
    for id, row in found.items():
        gone = {"x0": {"audio"}, "x25": {"audio", "text"}, "x1": {"image"}}.get(id, set())
        assert {m for m in ("audio", "image", "text") if row[m] is None} == gone
        assert {m for m in ("audio", "image", "text") if row[f"{m}_missing"]} == gone
    assert (
        "2 rows have no audio clip and 1 rows have no image and 1 rows have no text"
        in (folder / "README.md").read_text()
    )
    succeed("corrupt", "--scenario", "D", "--data", folder, "--workers", 1)
    (row,) = [row for row in rows(folder, "D") if row["id"] == "x25"]
    assert row["audio"] is None
    assert row["audio_missing"]
    assert not row["image_missing"]
    assert "every hash matches" in succeed("verify", folder)
    build = json.loads((folder / "build.json").read_text())
    assert [source["files"] for source in build["sources"]] == [28, 29, 29]


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


def test_columns_of_other_names_and_the_convention_of_hugging_face(media: Path, tmp_path: Path) -> None:
    table = [
        {"file_name": record["image"], "caption": record["text"], "emotion": record["label"], "stars": "5"}
        for record in records()
    ]
    result = make(write(media, table, "hf.csv"), tmp_path, "--columns", "text=caption,label=emotion")
    found = samples(result)
    assert found.keys() == {record["image"] for record in records()}
    assert all(row["text"] and row["image"] for row in found.values())
    assert "audio" not in next(iter(found.values()))
    build = json.loads((result / "build.json").read_text())
    assert any("its path in the column file_name" in note for note in build["notes"])
    table[7]["file_name"] = "a/07.wav"
    message = fail(
        "make", "other", "--table", write(media, table, "two.csv"), "--columns", "label=emotion", "--out", tmp_path
    )
    assert "two modalities: file_name is an audio clip here, and an image in line 2" in message


def test_texts_from_files_only_on_request(media: Path, tmp_path: Path) -> None:
    table = records()
    for k, record in enumerate(table):
        record["text"] = f"t/{k}.txt"
        (media / "t").mkdir(exist_ok=True)
        (media / record["text"]).write_text(f"from a file {k}")
    path = write(media, table, "texts.csv")
    message = fail("make", "mine", "--table", path, "--out", tmp_path)
    assert "holds names of .txt files, such as t/0.txt; read them with --text-files" in message
    assert samples(make(path, tmp_path, "--text-files"))["x7"]["text"] == "from a file 7"


def test_files_outside_the_folder_and_paths_of_windows(media: Path, tmp_path: Path) -> None:
    table = [
        record | {"image": str(media / record["image"]), "audio": record["audio"].replace("/", "\\")}
        for record in records()
    ]
    assert len(samples(make(write(media, table, "absolute.csv"), tmp_path / "1"))) == 30  # absolute, but inside
    elsewhere = tmp_path / "deep" / "metadata.csv"
    elsewhere.parent.mkdir()
    for record in table:
        record["audio"] = str(media / record["audio"].replace("\\", "/"))
    elsewhere.write_text(as_csv(table))
    assert "60 problems" in fail("make", "mine", "--table", elsewhere, "--out", tmp_path / "2")
    assert len(samples(make(elsewhere, tmp_path / "3", "--allow-outside"))) == 30


def test_folds_of_a_table(media: Path, tmp_path: Path) -> None:
    table = [record | {"fold": str(k // 6 + 1)} for k, record in enumerate(records())]
    path = write(media, table, "folds.csv")
    found = samples(make(path, tmp_path, "--folds", "1,2,5"))
    assert {row["fold"] for row in found.values()} == {1, 2, 5}
    assert all((row["fold"] == 5) == (row["in"] == "test") for row in found.values())
    assert "no column fold" in fail(
        "make", "mine", "--table", write(media, records()), "--folds", "1,2", "--out", tmp_path / "2"
    )


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


def test_a_changed_label_is_another_build(media: Path, tmp_path: Path) -> None:
    table = records()
    path = write(media, table, "labels.csv")
    make(path, tmp_path)
    assert "samples" in succeed("make", "mine", "--table", path, "--out", tmp_path, "--workers", 1)
    table[0]["label"] = "cat"
    write(media, table, "labels.csv")
    assert "holds another build (rows:" in fail("make", "mine", "--table", path, "--out", tmp_path, "--workers", 1)


words = st.text(st.characters(codec="utf-8", exclude_characters="\0\r"), max_size=12)


@settings(max_examples=60)
@given(cells=st.lists(st.lists(words, min_size=3, max_size=3), min_size=1, max_size=6))
def test_csv_cells_come_back_as_they_were(cells: list[list[str]], tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("csv") / "t.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, quoting=csv.QUOTE_ALL).writerows([["a", "b", "c"], *cells])
    assert [list(row.cells.values()) for row in read_user_table(path).rows] == cells


def test_the_manifest_of_emotion_3_equals_the_default_one(media: Path, tmp_path: Path) -> None:
    made = load_manifest(make(write(media, records()), tmp_path) / "manifest.yaml")
    shipped = load_manifest(REPOSITORY / "manifests" / "emotion3.yaml")
    assert Path(shipped.dataset).name == "emotion-3"
    assert {s: shipped.scenario_hash(s) for s in shipped.scenarios} == {
        s: made.scenario_hash(s) for s in made.scenarios
    }


@pytest.mark.pilot
def test_emotion_3_is_made_of_its_table(pilot: Path, tmp_path: Path) -> None:
    succeed("make", "emotion-3", "--table", pilot / "emotion3" / "metadata.csv", "--out", tmp_path)
    folder = tmp_path / "emotion-3"
    build = json.loads((folder / "build.json").read_text())
    assert {split: sum(counts.values()) for split, counts in build["per_class"].items()} == {
        "train": 896, "validation": 224, "test": 224,
    }  # fmt: skip
    assert all(set(counts.values()) <= {128, 32} for counts in build["per_class"].values())
    assert build["groups"] == {"train": 16, "validation": 4, "test": 4}
    assert not build["leaky"]
    assert [source["files"] for source in build["sources"]] == [1_344] * 3
    assert "every hash matches" in succeed("verify", folder)
