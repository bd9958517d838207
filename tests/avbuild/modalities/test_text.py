"""The `text` modality through all of avbuild."""

import json
import shutil
import unicodedata
from pathlib import Path
from typing import Any

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import avbuild
from avbuild.corruptions import CORRUPTIONS
from avbuild.dataset.build_record import read_build
from avbuild.dataset.rows import content_hash
from avbuild.dataset.storage import Folder
from avbuild.dataset.verify import _row as verify_row
from avbuild.errors import UsageError, UserError
from avbuild.modalities.base import Unreadable
from avbuild.modalities.text import TEXT, nfc, read_text
from avbuild.pipeline.engines import Engine
from avbuild.pipeline.make import write
from avbuild.scenarios.manifest_file import load_manifest
from avbuild.sources.corpus import SourceItem
from avtrain.data.shards import read_rows
from tests.support.commands import fail, rows, succeed, tree
from tests.support.text_data import TEXTS, Bytes, items_of, prepared, write_three


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set with T and D on disk; do not change it."""
    folder = tmp_path_factory.mktemp("three") / "three"
    write_three(folder)
    succeed("corrupt", "--scenario", "T,D", "--data", folder, "--workers", 1)
    return folder


def test_a_text_is_stored_whole_in_nfc(data: Path) -> None:
    stored = {row["id"]: row["text"] for row in rows(data, "C", "train") + rows(data, "C")}
    for id, text in stored.items():
        number = int(id[1:])
        expected = f"{TEXTS[number % 4]} ({number})" if number % 4 < 3 else ""
        assert text == unicodedata.normalize("NFC", expected)


def test_an_intact_data_set_verifies_and_stock_datasets_loads_it(data: Path, tmp_path: Path) -> None:
    assert "intact" in succeed("verify", data)
    loaded = datasets.load_dataset(str(data), "D", split="test", cache_dir=str(tmp_path))
    assert loaded.features["text"] == datasets.Value("string")
    assert loaded.features["text_missing"] == datasets.Value("bool")
    assert all(isinstance(text, str) for text in loaded["text"])


def test_the_default_scenarios_are_every_set_of_the_modalities(data: Path) -> None:
    assert list(load_manifest(data / "manifest.yaml").scenarios) == ["C", "A", "V", "T", "AV", "AT", "VT", "D"]
    assert read_build(Folder(data)).modalities == ("audio", "image", "text")


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ("caf\u00e9".encode("latin-1"), "not UTF-8: byte 0xe9 at byte 3"),
        ("hello".encode("utf-16"), "not UTF-8: byte 0xff at byte 0"),
        ("hello".encode("utf-16-le"), "holds NUL characters"),
    ],
)
def test_bytes_that_are_not_utf8_are_refused(data: bytes, expected: str) -> None:
    with pytest.raises(Unreadable, match=expected):
        TEXT.read(data, 1.0)


def test_a_source_may_declare_another_encoding() -> None:
    assert read_text("caf\u00e9".encode("cp1252"), "cp1252") == "caf\u00e9"
    assert read_text("hello".encode("utf-16"), "utf-16") == "hello"


def test_a_byte_order_mark_is_dropped_and_line_ends_stay() -> None:
    assert TEXT.read("\ufeffone\r\ntwo\n".encode(), 1.0) == "one\r\ntwo\n"
    assert TEXT.read(b"", 1.0) == ""


def test_every_scenario_changes_what_it_names_and_nothing_else(data: Path) -> None:
    clean = {row["id"]: row for row in rows(data, "C")}
    changed = 0
    for row in rows(data, "T"):
        assert (row["audio"], row["image"]) == (clean[row["id"]]["audio"], clean[row["id"]]["image"])
        (step,) = json.loads(row["corruption"])["text"]
        assert step["op"] in ("typos", "ocr", "word_drop")
        assert ("unchanged" in step) == (row["text"] == clean[row["id"]]["text"])
        assert unicodedata.is_normalized("NFC", row["text"])
        changed += row["text"] != clean[row["id"]]["text"]
    assert changed == sum(bool(row["text"]) for row in clean.values())
    for row in rows(data, "D"):
        assert {"audio", "image", "text"} <= json.loads(row["corruption"]).keys()


def test_texts_go_missing_as_null_or_as_the_empty_text(data: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(data, tmp_path / "data"))
    manifest = tmp_path / "m.yaml"
    plans = {
        "M": "{text: missing}",
        "Z": "{text: {missing_rate: 1.0, fill: noise}}",
        "P": "{missing: {protocol: map_text, rate: 0.5}}",
        "Q": "{missing: {protocol: cpm, rate: 0.7}}",
        "AV0": "{audio: missing, image: missing}",
    }
    lines = "".join(f"  {name}: {plan}\n" for name, plan in plans.items())
    manifest.write_text(f"manifest: 1\nname: m\ndataset: .\nscenarios:\n  C: {{}}\n{lines}")
    names = ",".join(plans)
    succeed("corrupt", "--scenario", names, "--manifest", manifest, "--data", folder, "--workers", 1)
    assert {(row["text"], row["text_missing"]) for row in rows(folder, "M")} == {(None, True)}
    assert {(row["text"], row["text_missing"]) for row in rows(folder, "Z")} == {("", True)}
    assert {row["text_missing"] for row in rows(folder, "P")} == {True, False}
    assert all(row["text_missing"] == (row["text"] is None) for row in rows(folder, "P"))
    for row in rows(folder, "Q"):  # from a rate of 2/3 on one of the three is left
        assert [row[f"{modality}_missing"] for modality in ("audio", "image", "text")].count(False) == 1
    assert all(row["text"] is not None and row["audio"] is None for row in rows(folder, "AV0"))
    assert "intact" in succeed("verify", folder)
    assert "text missing in 100.0%" in (folder / "README.md").read_text()


@pytest.mark.parametrize(
    ("plan", "expected"),
    [
        ("{text: {chain: [typo], severity: 2}}", 'no corruption "typo"; did you mean "typos"?'),
        ("{text: {chain: [jpeg], severity: 2}}", 'no corruption "jpeg", it acts on image'),
        ("{audio: {chain: [ocr], severity: 2}}", 'no corruption "ocr", it acts on text'),
        ("{text: {chain: [{typos: {rate: 1.5}}]}}", "rate: 1.5 is outside 0 to 1"),
        ("{txt: missing}", 'no such modality; did you mean "text"?'),
        ("{audio: missing, image: missing, text: missing}", "every modality is missing"),
        ("{video: {chain: [jpeg], severity: 2}}", "X acts on video, but this data set has audio, image, text"),
    ],
)
def test_mistakes_in_scenarios_for_texts_are_named(data: Path, tmp_path: Path, plan: str, expected: str) -> None:
    manifest = tmp_path / "m.yaml"
    manifest.write_text(f"manifest: 1\nname: m\ndataset: .\nscenarios:\n  C: {{}}\n  X: {plan}\n")
    assert expected in fail("corrupt", "--data", data, "--scenario", "X", "--manifest", manifest)


def test_a_scenario_for_text_or_that_leaves_nothing_is_refused_for_a_data_set_without_text(
    small_data: Path, tmp_path: Path
) -> None:
    manifest = tmp_path / "m.yaml"
    plans = "  C: {}\n  T: {text: missing}\n  P: {missing: {protocol: map_text, rate: 0.5}}\n"
    plans += "  N: {audio: missing, image: missing}\n"
    manifest.write_text(f"manifest: 1\nname: m\ndataset: {small_data}\nscenarios:\n{plans}")
    for name, expected in (
        ("T", "T acts on text, but this data set has audio, image"),
        ("P", "P acts on text, but this data set has audio, image"),
        ("N", "N: every modality is missing"),
    ):
        assert expected in fail("corrupt", "--data", small_data, "--scenario", name, "--manifest", manifest)
    with pytest.raises(UsageError, match=r"scenarios\.N: every modality is missing"):
        read_rows(load_manifest(manifest), "test")


def test_presets_by_name_act_on_what_the_data_set_has(data: Path, small_data: Path, tmp_path: Path) -> None:
    for source, expected in ((data, {"audio", "image", "text"}), (small_data, {"audio", "image"})):
        folder = Path(shutil.copytree(source, tmp_path / source.name))
        succeed("corrupt", "--scenario", "on_the_move", "--data", folder, "--workers", 1)
        assert set(load_manifest(folder / "manifest.yaml").scenarios["on_the_move"].plans) == expected
    message = fail("corrupt", "--scenario", "noisy_scan", "--data", small_data)
    assert "noisy_scan acts on text, but this data set has audio, image" in message


def test_replay_writes_the_texts_and_finds_them_identical(data: Path, tmp_path: Path) -> None:
    for row in rows(data, "D"):
        printed = succeed("replay", "--id", row["id"], "--scenario", "D", "--data", data, "--out", tmp_path)
        assert "identical to the stored sample, bit for bit" in printed
        assert (tmp_path / f"{row['id']}-D.txt").read_bytes() == row["text"].encode()


def test_bytes_are_the_same_for_any_number_of_workers(data: Path, tmp_path: Path) -> None:
    again = tmp_path / "three"
    write_three(again)
    succeed("corrupt", "--scenario", "T,D", "--data", again, "--workers", 2)
    assert tree(again) == tree(data)


def test_a_text_that_changed_or_is_not_in_nfc_is_found(data: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(data, tmp_path / "data"))
    (shard,) = folder.glob("T/test-*.parquet")
    table = pq.read_table(shard)
    texts = [unicodedata.normalize("NFD", text) for text in table["text"].to_pylist()]
    place = table.schema.get_field_index("text")
    changed = table.set_column(place, table.schema.field(place), pa.array(texts, pa.string()))
    pq.write_table(changed, shard)
    assert "changed since it was written" in fail("verify", folder)
    samples = changed.to_pylist()
    assert any("its text is not in Unicode's form NFC" in what for row in samples for what in verify_row(row, 2))
    assert content_hash(samples) != content_hash(table.to_pylist())


def test_texts_in_another_encoding_are_read_where_the_source_says_so_and_refused_elsewhere(tmp_path: Path) -> None:
    def texts(encoding: str) -> list[SourceItem]:
        return [
            SourceItem(
                "text",
                item.id,
                item.label,
                Bytes(item.media.name, f"caf\u00e9 {item.id}".encode("latin-1")),
                group=item.group,
                encoding=encoding,
            )
            for item in items_of("text", 20)
        ]

    audio = items_of("audio", 20)
    write(prepared(("audio", "text"), corpora=[audio, texts("latin-1")]), Folder(tmp_path / "t"), Engine(workers=1))
    assert {row["text"] for row in rows(tmp_path / "t", "C")} <= {f"caf\u00e9 {item.id}" for item in audio}
    assert list(load_manifest(tmp_path / "t" / "manifest.yaml").scenarios) == ["C", "A", "T", "D"]
    with pytest.raises(UserError, match=r"text/s000: unreadable: not UTF-8: byte 0xe9 at byte 3; save it as UTF-8"):
        prepared(("audio", "text"), corpora=[audio, texts("utf-8")])


@pytest.mark.parametrize("op", CORRUPTIONS["text"])
def test_the_python_api_takes_and_returns_a_str(op: str) -> None:
    text = "Cafe\u0301 owners, and all of their many guests, left early: why?"
    result, record = avbuild.corrupt(text, op, severity=5, id="a", seed=1)
    assert isinstance(result, str)
    assert result != nfc(text)
    assert record["text"][0]["op"] == op
    assert avbuild.corrupt(nfc(text), op, severity=5, id="a", seed=1) == (result, record)
    level = {key: record["text"][0][key] for key in CORRUPTIONS["text"][op].parameters}
    assert avbuild.corrupt(text, op, level=level, id="a", seed=1)[0] == result


@pytest.mark.parametrize(
    ("text", "more", "expected"),
    [
        (b"bytes", {}, "a bytes is no signal"),
        (["a", "b"], {}, "a list is no signal"),
        ("a", {"rate": 16_000}, "rate: is for audio, and this is a text"),
        ("a", {"name": "jpeg"}, 'no corruption "jpeg", it acts on image'),
        ("a", {"severity": 9}, "severity: 9 is outside 1 to 5"),
        ("a\ud800", {}, "half of a surrogate pair at character 1"),
        ("a\0", {}, "holds NUL characters"),
    ],
)
def test_the_python_api_names_what_is_wrong(text: object, more: dict[str, Any], expected: str) -> None:
    with pytest.raises(avbuild.UsageError, match=expected):
        avbuild.corrupt(text, **({"name": "typos", "id": "a", "severity": 3} | more))


def test_the_python_api_loads_texts(data: Path) -> None:
    loaded = avbuild.load(data, "D", "test")
    assert loaded["text"] == [row["text"] for row in rows(data, "D")]
    assert loaded[0]["audio"]["sampling_rate"] == 16_000


def test_mlcroissant_reads_the_texts(data: Path) -> None:
    croissant = pytest.importorskip("mlcroissant")
    dataset = croissant.Dataset(str(data / "croissant.json"))  # raises if it is invalid
    assert [row["T/text"].decode() for row in dataset.records("T")] == [row["text"] for row in rows(data, "T")]


def test_a_plug_in_may_define_a_corruption_of_texts(data: Path, tmp_path: Path) -> None:
    plugin = tmp_path / "my_ops.py"
    plugin.write_text(
        "from avbuild.corruptions.registry import text_corruption\n\n"
        "@text_corruption(version=1, severities=(1.0, 2.0, 3.0, 4.0, 5.0), within=(0.0, 9.0))\n"
        "def decomposed(text, count, rng):\n"
        '    """Append accents, as letters with marks beside them."""\n'
        '    return text + " " + int(count) * "e\\u0301"\n'
    )
    folder = Path(shutil.copytree(data, tmp_path / "data"))
    manifest = tmp_path / "m.yaml"
    plan = "{text: {chain: [decomposed], severity: 2}}"
    manifest.write_text(f"manifest: 1\nname: m\ndataset: .\nscenarios:\n  C: {{}}\n  X: {plan}\n")
    options = ("--manifest", manifest, "--data", folder, "--workers", 1, "--plugin", plugin)
    succeed("corrupt", "--scenario", "X", *options)
    assert all(row["text"].endswith(" \u00e9\u00e9") for row in rows(folder, "X"))  # stored in NFC
    assert "intact" in succeed("verify", folder)
