"""`avbuild make NAME --table FILE`: samples as the rows say."""

import csv
import io
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from avbuild.scenarios.manifest_file import load_manifest
from avbuild.sources.table_file import read_user_table
from tests.conftest import REPOSITORY
from tests.support.commands import fail, rows, succeed, tree
from tests.support.user_tables import SPLITS, as_csv, make, records, samples, write


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
