"""The `video` modality through all of avbuild: every corruption of images acts on each frame in the same way."""

import io
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from avbuild.corruptions import CORRUPTIONS
from avbuild.dataset.rows import Encoded, StoredSample, content_hash
from avbuild.dataset.shards import read_samples, write_shard
from avbuild.dataset.storage import Folder
from avbuild.modalities.image import decode_image, encode_image
from avbuild.modalities.video import decode_video
from avbuild.scenarios.apply import corrupt, corrupt_features
from avbuild.scenarios.manifest_file import parse_manifest
from avbuild.scenarios.plan import Condition, condition, plan_sample
from avbuild.scenarios.seeding import rng_for
from avbuild.scenarios.spec import Scenario
from tests.support.commands import fail, rows, succeed, tree
from tests.support.crema_d import write_crema_d

MORE = """\
  M: {missing: {protocol: cpm, rate: 0.5}}
  N: {video: missing}
  F: {video: {missing_rate: 1.0, fill: noise}}
  K: {video: [{occlusion: 3}, {jpeg: 2}], audio: [{gain: {db: 3}}]}
"""
SIGNAL_OPS = [name for name, op in CORRUPTIONS["image"].items() if op.domain == "signal"]


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_crema_d(tmp_path_factory.mktemp("source") / "CREMA-D")


@pytest.fixture(scope="module")
def data(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished crema-d with scenarios of every kind on disk; do not change it."""
    return build(source, tmp_path_factory.mktemp("data"), workers=1)


def build(source: Path, out: Path, workers: int) -> Path:
    succeed("make", "crema-d", "--audio-root", source, "--fps", 2, "--out", out, "--workers", workers)
    folder = out / "crema-d"
    (folder / "manifest.yaml").write_text((folder / "manifest.yaml").read_text() + MORE)
    for names in ("V,D", "M,N,F,K,rain"):
        succeed("corrupt", "--scenario", names, "--data", folder, "--workers", workers)
    return folder


def video_of(row: dict[str, Any]) -> NDArray[np.uint8]:
    return decode_video(frame["bytes"] for frame in row["video"])


def clip(frames: int = 3, size: tuple[int, int] = (40, 48)) -> NDArray[np.uint8]:
    return np.random.default_rng(frames).integers(0, 256, (frames, *size, 3), dtype=np.uint8)


def under(plan: Any) -> Condition:
    return Condition(Scenario.model_validate({"video": plan}), "V", 0)


@pytest.mark.parametrize("name", SIGNAL_OPS)
def test_a_frame_corrupted_alone_equals_that_frame_of_the_corrupted_video(name: str) -> None:
    video = clip()
    plan = plan_sample(under({"chain": [name], "severity": 4}), "a", ["video"])
    corrupted, video_record = corrupt(plan, {"video": video})
    assert corrupted["video"] is not None
    op = CORRUPTIONS["image"][name]
    for k, frame in enumerate(video):
        alone, record = corrupt(plan, {"video": video[k : k + 1]})
        assert alone["video"] is not None
        assert np.array_equal(alone["video"][0], corrupted["video"][k])
        # and it equals what the registered corruption returns with the recorded seed
        rng = rng_for(seed=0, scenario="V", sample="a", modality="video", op=0)
        assert np.array_equal(op.apply(frame, op.level(4, frame), rng), corrupted["video"][k])
        assert record["video"][0]["op"] == video_record["video"][0]["op"] == name


def test_an_occlusion_is_at_the_same_place_in_all_frames() -> None:
    still = np.repeat(clip(1), 4, axis=0)
    changed, _ = corrupt(plan_sample(under([{"occlusion": 5}]), "a", ["video"]), {"video": still})
    assert changed["video"] is not None
    assert (changed["video"] == changed["video"][0]).all()
    assert (changed["video"] != still).any()


@given(seed=st.integers(0, 2**32), sample=st.text(min_size=1, max_size=5), frames=st.integers(1, 4))
def test_video_and_image_of_a_sample_draw_different_noise(seed: int, sample: str, frames: int) -> None:
    video = clip(frames, (8, 8))
    plans = {m: {"chain": ["gaussian_noise"], "severity": 5} for m in ("image", "video")}
    plan = plan_sample(Condition(Scenario.model_validate(plans), "V", seed), sample, ["image", "video"])
    changed, _ = corrupt(plan, {"image": video[0], "video": video})
    assert changed["image"] is not None
    assert changed["video"] is not None
    assert changed["video"].shape == video.shape
    assert changed["video"].dtype == np.uint8
    assert not np.array_equal(changed["image"], changed["video"][0])


@pytest.mark.parametrize("fill", ["zeros", "mean", "noise"])
def test_the_fill_of_a_missing_video_has_its_shape(fill: str) -> None:
    video = clip()
    plan = plan_sample(under({"missing_rate": 1.0, "fill": fill}), "a", ["video"])
    filled, record = corrupt(plan, {"video": video})
    assert record["video"] == {"missing": fill}
    assert filled["video"] is not None
    assert filled["video"].shape == video.shape
    assert (filled["video"] == filled["video"][0]).all()
    if fill == "mean":
        assert tuple(filled["video"][0, 0, 0]) == (124, 116, 104)


@pytest.mark.parametrize("name", [name for name, op in CORRUPTIONS["image"].items() if op.domain == "feature"])
def test_feature_ops_change_every_frame_in_the_same_way(name: str) -> None:
    features = np.random.default_rng(0).standard_normal((3, 3, 16, 16)).astype(np.float32)
    plan = plan_sample(under({"chain": [name], "severity": 3}), "a", ["video"])
    changed = corrupt_features(plan, "video", features)
    assert changed.shape == features.shape
    op = CORRUPTIONS["image"][name]
    for frame, one in zip(features, changed, strict=True):
        rng = rng_for(seed=0, scenario="V", sample="a", modality="video", op=0)
        assert np.array_equal(op.apply(frame, op.level(3, frame), rng), one)


def test_a_manifest_can_have_plans_for_video() -> None:
    text = "manifest: 1\nname: m\ndataset: .\nscenarios:\n"
    text += "  V: {video: {any_of: [gaussian_noise, {snow: {amount: 0.2}}], severity: 3}}\n"
    text += "  R: {preset: rain, visual: video}\n"
    scenarios = parse_manifest(text.replace("{snow: {amount: 0.2}}", "{box_blur: 2}"), "m.yaml").scenarios
    assert scenarios["R"].as_yaml() == {k: {"chain": ["rain"], "severity": 3} for k in ("audio", "video")}
    assert scenarios["V"].ops[1].corruption is CORRUPTIONS["image"]["box_blur"]


def test_hugging_face_datasets_loads_frames_as_images(data: Path, tmp_path: Path) -> None:
    from datasets import Audio, List, load_dataset
    from datasets import Image as ImageFeature

    loaded = load_dataset(str(data), "D", split="test", cache_dir=str(tmp_path))
    loaded = loaded.cast_column("audio", Audio(decode=False))
    assert loaded.features["video"] == List(ImageFeature())
    stored = rows(data, "D")
    for row, own in zip(loaded, stored, strict=True):
        assert [frame.size for frame in row["video"]] == [(64, 48)] * 2
        for image, frame in zip(row["video"], video_of(own), strict=True):
            assert isinstance(image, Image.Image)
            assert np.array_equal(np.asarray(image), frame)
    missing = load_dataset(str(data), "N", split="test", cache_dir=str(tmp_path))
    assert all(video is None for video in missing["video"])


def test_corrupting_in_memory_gives_the_frames_on_disk(data: Path) -> None:
    from avbuild.scenarios.manifest_file import load_manifest

    manifest = load_manifest(data / "manifest.yaml")
    for clean, row in zip(rows(data, "C"), rows(data, "K"), strict=True):
        video = video_of(clean)
        plan = plan_sample(condition(manifest, "K"), row["id"], ["audio", "video"])
        for k, stored in enumerate(video_of(row)):
            alone, _ = corrupt(plan, {"audio": np.ones(8, np.float32) / 4, "video": video[k : k + 1]})
            assert alone["video"] is not None
            assert np.array_equal(alone["video"][0], stored)
        assert [frame["path"] for frame in row["video"]] == [frame["path"] for frame in clean["video"]]


def test_an_unchanged_modality_keeps_its_bytes_and_a_missing_one_is_null(data: Path) -> None:
    for clean, noisy, missing, filled in zip(*(rows(data, name) for name in "CVNF"), strict=True):
        assert noisy["audio"] == clean["audio"] == missing["audio"]
        assert noisy["video"] != clean["video"] or "unchanged" in noisy["corruption"]
        assert (missing["video"], missing["video_missing"]) == (None, True)
        assert len(filled["video"]) == len(clean["video"])
        assert filled["video_missing"]
    flags = [(row["audio_missing"], row["video_missing"]) for row in rows(data, "M")]
    assert set(flags) >= {(True, False), (False, True)}
    assert (True, True) not in flags


@pytest.mark.parametrize("scenario", ["D", "F", "K", "M", "rain"])
def test_replay_re_creates_every_sample_bit_for_bit(data: Path, tmp_path: Path, scenario: str) -> None:
    for row in rows(data, scenario)[:4]:
        out = succeed("replay", "--id", row["id"], "--scenario", scenario, "--data", data, "--out", tmp_path)
        assert "identical to the stored sample, bit for bit" in out
        for k, frame in enumerate(row["video"] or ()):
            assert (tmp_path / f"{row['id']}-{scenario}-{k}.png").read_bytes() == frame["bytes"]


def test_verify_names_a_damaged_shard(data: Path, tmp_path: Path) -> None:
    assert "intact" in succeed("verify", data)
    folder = Path(shutil.copytree(data, tmp_path / "data"))
    shard = next(iter(sorted(folder.glob("V/*.parquet"))))
    damaged = bytearray(shard.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    shard.write_bytes(damaged)
    assert str(shard) in fail("verify", folder)


def test_the_bytes_are_the_same_for_any_number_of_workers_and_in_shares(
    data: Path, source: Path, tmp_path: Path
) -> None:
    again = build(source, tmp_path, workers=2)
    assert tree(again) == tree(data)
    succeed("make", "crema-d", "--audio-root", source, "--fps", 2, "--out", tmp_path, "--workers", 1)
    assert tree(again) == tree(data)  # already finished
    assert "fps: 2.0 there, 1.0 asked for" in fail("make", "crema-d", "--audio-root", source, "--out", tmp_path)
    shutil.rmtree(again / "V")
    for share in ("0/2", "1/2"):
        succeed("corrupt", "--scenario", "V", "--data", again, "--job-share", share, "--workers", 1)
    succeed("corrupt", "--scenario", "V", "--data", again, "--workers", 1)
    assert tree(again) == tree(data)


@pytest.mark.parametrize(
    ("plan", "expected"),
    [
        ("{image: {chain: [jpeg], severity: 2}}", "X acts on image, but this data set has audio, video"),
        ("{missing: {protocol: map_image, rate: 0.5}}", "X acts on image, but this data set has audio, video"),
        ("{video: {chain: [feature_box_blur], severity: 2}}", "X acts on features (feature_box_blur)"),
    ],
)
def test_a_scenario_that_does_not_fit_the_data_set_is_refused(
    data: Path, tmp_path: Path, plan: str, expected: str
) -> None:
    manifest = tmp_path / "m.yaml"
    manifest.write_text(f"manifest: 1\nname: m\ndataset: {data}\nscenarios:\n  C: {{}}\n  X: {plan}\n")
    for command in (("corrupt", "--data", data, "--scenario", "X", "--manifest", manifest),):
        assert expected in fail(*command)


def test_a_scenario_for_video_is_refused_for_a_data_set_of_images(small_data: Path, tmp_path: Path) -> None:
    manifest = tmp_path / "m.yaml"
    manifest.write_text("manifest: 1\nname: m\ndataset: .\nscenarios:\n  C: {}\n  X: {video: missing}\n")
    message = fail("corrupt", "--data", small_data, "--scenario", "X", "--manifest", manifest)
    assert "X acts on video, but this data set has audio, image" in message


def test_missing_videos_are_reported(data: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(data, tmp_path / "data"))
    count = len(rows(folder, "N"))
    assert f"video missing in {count}" in succeed("corrupt", "--scenario", "N", "--data", folder, "--workers", 1)
    assert f"video missing in {1:.1%}" in (folder / "README.md").read_text()
    build = json.loads((folder / "build.json").read_text())
    assert build["scenarios"]["N"]["splits"]["test"]["shards"][0]["missing"] == {"audio": 0, "video": count}
    assert {"av", "libavcodec"} <= build["versions"].keys()  # the frames were decoded with them
    assert "no video" in succeed("inspect", folder)


def test_the_preview_shows_frames_in_a_row(data: Path, tmp_path: Path) -> None:
    succeed("preview", data, "--scenario", "D", "--samples", 2, "--out", tmp_path / "d.html")
    page = (tmp_path / "d.html").read_text()
    assert page.count("<div class=frames>") == 2 * 6
    assert page.count('alt="video') == 2 * 6 * 2
    with Image.open(tmp_path / "d.png") as sheet:
        assert sheet.width > 6 * 2 * 128
    succeed("preview", data, "--scenario", "N", "--samples", 1, "--out", tmp_path / "n.html")
    assert "no video" in (tmp_path / "n.html").read_text()


def test_croissant_describes_frames_and_mlcroissant_reads_them(data: Path) -> None:
    fields = {
        field["name"]: field for field in json.loads((data / "croissant.json").read_text())["recordSet"][0]["field"]
    }
    assert list(fields) == list(rows(data, "C")[0])
    assert fields["video"]["repeated"] is True
    assert fields["group"]["description"].startswith("actor")
    croissant = pytest.importorskip("mlcroissant")
    dataset = croissant.Dataset(str(data / "croissant.json"))
    assert not dataset.metadata.ctx.issues.errors
    for read, row in zip(dataset.records("D"), rows(data, "D"), strict=True):
        assert [np.asarray(frame).tolist() for frame in read["D/video"]] == video_of(row).tolist()


def test_rows_with_video_round_trip_and_enter_the_content_hash(tmp_path: Path) -> None:
    def sample(frames: list[bytes] | None) -> StoredSample:
        cells: list[Encoded] | None = None if frames is None else [{"bytes": f, "path": "a.png"} for f in frames]
        return StoredSample(id="a", audio=None, video=cells, label=0, group="g", fold=0, audio_missing=True,
                      video_missing=frames is None, corruption="{}")  # fmt: skip

    given = [sample([b"one", b"two"]), sample(None), sample([b"one"])]
    folder = Folder(tmp_path)
    record = write_shard(folder, "s.parquet", given, ("cat",), "job", "scenario")
    assert list(read_samples(folder.read("s.parquet"))) == given
    assert record.missing == {"audio": 3, "video": 1}
    hashes = {content_hash([sample(frames)]) for frames in ([b"one", b"two"], [b"two", b"one"], [b"one"], None)}
    assert len(hashes) == 4


def test_frames_are_stored_losslessly() -> None:
    video = clip(2, (6, 7))
    files = [encode_image(frame) for frame in video]
    assert np.array_equal(decode_video(files), video)
    assert np.array_equal(decode_image(files[1]), video[1])
    with Image.open(io.BytesIO(files[0])) as image:
        assert image.format == "PNG"
