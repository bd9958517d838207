"""One sample again from its `corruption` column: bit for bit, or a clear reason."""

import json
import shutil
from pathlib import Path

import pytest

from avbuild.dataset.build_record import read_build
from avbuild.dataset.storage import Folder
from avbuild.inspect.replay import replay_sample
from tests.support.commands import fail, rows, succeed

MORE = """\
  M: {missing: {protocol: cpm, rate: 0.4}}
  F: {image: {missing_rate: 0.5, fill: noise}}
  K: {audio: [{speed: 2}, {reverberation: {rt60: 0.3, direct_db: 2}}, {gain: {db: 30}}], image: [{snow: 4}, {jpeg: 2}]}
  W: {audio: {chain: [{ambient_noise: {clips: CLIPS, severity: 4}}]}, seed: 5}
"""


@pytest.fixture(scope="module")
def data(small_data: Path, urbansound8k: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set with scenarios of every kind on disk; do not change it."""
    folder = Path(shutil.copytree(small_data, tmp_path_factory.mktemp("replay") / "data"))
    manifest = folder / "manifest.yaml"
    manifest.write_text(manifest.read_text() + MORE.replace("CLIPS", str(urbansound8k / "audio" / "fold1")))
    succeed("corrupt", "--scenario", "A,M,F,K,W,wind", "--data", folder, "--workers", 1)
    return folder


@pytest.mark.parametrize("scenario", ["D", "A", "M", "F", "K", "W", "wind"])
def test_every_sample_comes_back_bit_for_bit(data: Path, scenario: str) -> None:
    folder = Folder(data)
    build = read_build(folder)
    for row in rows(data, scenario)[:12]:
        done = replay_sample(folder, build, scenario, row["id"])
        assert done.differing_columns == []
        assert done.replayed["corruption"] == row["corruption"]


def test_the_command_writes_both_versions(data: Path, tmp_path: Path) -> None:
    sample = rows(data, "D")[0]
    out = succeed("replay", "--id", sample["id"], "--scenario", "D", "--data", data, "--out", tmp_path)
    assert "identical to the stored sample, bit for bit" in out
    assert (tmp_path / f"{sample['id']}-D.flac").read_bytes() == sample["audio"]["bytes"]
    assert (tmp_path / f"{sample['id']}-clean.flac").exists()


def test_what_cannot_be_replayed_is_explained(data: Path) -> None:
    sample = rows(data, "D")[0]["id"]
    assert "no sample nobody in scenario D" in fail("replay", "--id", "nobody", "--scenario", "D", "--data", data)
    assert 'no corrupted scenario "C"' in fail("replay", "--id", sample, "--scenario", "C", "--data", data)


def test_another_version_of_an_op_is_named(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from dataclasses import replace

    from avbuild.corruptions import CORRUPTIONS

    row = rows(data, "K")[0]
    newer = replace(CORRUPTIONS["image"]["snow"], version=3)
    monkeypatch.setitem(CORRUPTIONS["image"], "snow", newer)
    message = fail("replay", "--id", row["id"], "--scenario", "K", "--data", data)
    assert "image snow: made by version 2, this avbuild has 3" in message


def test_other_noise_clips_change_the_scenario(data: Path, urbansound8k: Path, tmp_path: Path) -> None:
    from avbuild.scenarios.manifest_file import parse_manifest
    from avbuild.scenarios.noise_clips import noise_clips

    clips = Path(shutil.copytree(urbansound8k / "audio" / "fold1", tmp_path / "clips"))
    text = "manifest: 1\nname: m\ndataset: .\nscenarios:\n  W: {audio: [{ambient_noise: {clips: clips, snr_db: 3}}]}\n"
    manifest = parse_manifest(text, str(tmp_path / "m.yaml"))
    assert manifest.scenarios["W"].ops[0].clips == str(clips)
    before = manifest.scenario_hash("W")
    next(clips.rglob("*.wav")).unlink()
    noise_clips.cache_clear()
    assert manifest.scenario_hash("W") != before


def test_a_folder_without_noise_clips_is_one_clear_error(data: Path, tmp_path: Path) -> None:
    manifest = tmp_path / "m.yaml"
    text = (data / "manifest.yaml").read_text()
    manifest.write_text(text + "  E: {audio: [{ambient_noise: {clips: nothing, snr_db: 3}}]}\n")
    assert "no noise clips" in fail("corrupt", "--scenario", "E", "--manifest", manifest, "--data", data)
    manifest.write_text(text + "  E: {audio: [{ambient_noise: 3}]}\n")
    assert "needs a folder of recordings" in fail("corrupt", "--scenario", "E", "--manifest", manifest, "--data", data)


def test_the_record_of_a_sample_names_all_that_was_drawn_with(data: Path) -> None:
    record = json.loads(rows(data, "W")[0]["corruption"])
    assert record["seed"] == 5
    assert record["audio"][0]["clips"].endswith("fold1")
