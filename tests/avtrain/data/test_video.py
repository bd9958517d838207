"""Data sets with video, and with any modalities: read, prepared, trained on, evaluated, used."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import avtrain.training.loop
from avbuild.errors import UsageError, UserError
from avbuild.scenarios.manifest_file import load_manifest
from avtrain.backbones.base import Reading
from avtrain.backbones.registry import build_backbone
from avtrain.data.dataset import MultimodalData
from avtrain.data.shards import read_rows
from avtrain.device import Machine
from avtrain.evaluation.evaluate import load_method
from avtrain.features.cache import FeatureCache
from avtrain.frontends.base import normalise_image, prepare_visual, spread
from avtrain.frontends.whisper_mel import Frontend
from avtrain.inference.export_file import METADATA
from avtrain.methods.registry import build_method
from avtrain.runs.folder import Run
from avtrain.training.optimizer import make_optimizer
from avtrain.training.options import fit_config
from tests.avtrain.training.test_fit import avtrain_, weights
from tests.support.crema_d import encoded, moving_square
from tests.support.stopping import last_states, stopped_at_call
from tests.support.video_data import write_data

CPU = Machine(torch.device("cpu"))
TINY = {"width": 16, "layers": 1, "heads": 2, "image_size": 8, "audio_seconds": 0.25, "frames": 2}
RESNET = {"image_size": 32, "audio_seconds": 0.25, "frames": 2}
ALL = ("audio", "image", "video")


def data_of(manifest_path: Path, split: str = "train", scenario: str = "C", frames: int = 2) -> MultimodalData:
    manifest = load_manifest(str(manifest_path))
    rows = read_rows(manifest, split)  # type: ignore[arg-type]
    return MultimodalData(rows, manifest, Frontend(0.25, 8, frames), (scenario,))


def fit(manifest: Path, out: Path, backbone: str, *more: object) -> Run:
    options = RESNET if backbone == "resnet" else TINY
    sets = [f"--set=backbone.{key}={value}" for key, value in options.items()]
    where = ("--backbone", backbone, "--out", out, "--name", "run", "--device", "cpu", "--precision", "fp32")
    avtrain_("fit", manifest, *where, "--epochs", 2, "--batch-size", 5, *sets, *more)
    return Run(out / "run" / "seed0")


@pytest.fixture(scope="module")
def manifests(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, ...], Path]:
    """A manifest for each set of modalities; do not change their data."""
    folder = tmp_path_factory.mktemp("data")
    sets = [("audio",), ("image",), ("video",), ("audio", "image"), ("audio", "video"), ALL]
    return {chosen: write_data(folder / "-".join(chosen), chosen) for chosen in sets}


# frames


@pytest.mark.parametrize(
    ("there", "wanted", "expected"),
    [(3, 3, [0, 1, 2]), (1, 3, [0, 0, 0]), (2, 4, [0, 0, 1, 1]), (9, 3, [1, 4, 7]), (10, 1, [5])],
)
def test_frames_are_spread_evenly(there: int, wanted: int, expected: list[int]) -> None:
    assert spread(there, wanted) == expected


def test_a_video_is_prepared_as_its_frames_are() -> None:
    video = torch.randint(0, 256, (4, 20, 30, 3), dtype=torch.uint8)
    found = prepare_visual("video", video, 8, 2)
    expected = [normalise_image(video[frame].permute(2, 0, 1), 8) for frame in (1, 3)]
    assert torch.equal(found, torch.stack(expected))


def test_its_tokens_are_the_mean_over_frames_of_those_of_pictures() -> None:
    for name, options in (("tiny", TINY), ("resnet", RESNET)):
        backbone = build_backbone(name, options, None, ("video",)).eval()
        video = backbone.encoder("video")
        pictures = video.pictures
        clips = torch.randn(3, 4, *backbone.frontend.shapes["video"][1:])
        alone = torch.stack([pictures(clips[:, frame]) for frame in range(4)])
        torch.testing.assert_close(video(clips), alone.sum(dim=0) / 4, rtol=1e-4, atol=1e-5)
        pooled = torch.stack([pictures.pool(tokens) for tokens in alone]).mean(dim=0)
        torch.testing.assert_close(video.pool(video(clips)), pooled, rtol=1e-4, atol=1e-5)
        reading = Reading(most=1)
        read = torch.stack([pictures.read(clips[:, frame], reading) for frame in range(4)]).mean(dim=0)
        torch.testing.assert_close(video.read(clips, reading), read, rtol=1e-4, atol=1e-5)


# rows and batches


def test_modalities_are_those_of_the_columns(manifests: dict[tuple[str, ...], Path]) -> None:
    for modalities, manifest in manifests.items():
        batch = next(iter(data_of(manifest).batches(4)))
        assert tuple(batch.inputs) == tuple(batch.present) == modalities


def test_frames_are_read_in_order_and_their_absence_is_seen(manifests: dict[tuple[str, ...], Path]) -> None:
    data = data_of(manifests["audio", "video"])
    videos = [sample.media.get("video") for sample in data.rows.samples]
    assert [index for index, video in enumerate(videos) if video is None] == [0, 5, 10]
    assert {len(video) for video in videos if video} <= {1, 2, 3, 4}
    batch = next(iter(data.batches(12)))
    assert batch.present["video"].tolist() == [video is not None for video in videos]
    assert batch.inputs["video"].shape == (12, 2, 3, 8, 8)
    assert batch.inputs["video"][~batch.present["video"]].eq(0).all()
    from avbuild.modalities.image import decode_image

    frames = videos[1]
    assert frames is not None
    chosen = [torch.tensor(decode_image(frames[at])).permute(2, 0, 1) for at in spread(len(frames), 2)]
    expected = torch.stack([normalise_image(frame, 8) for frame in chosen])
    assert torch.equal(batch.inputs["video"][1], expected)


def test_cached_tokens_are_those_of_the_frames_and_others_for_other_frames(
    manifests: dict[tuple[str, ...], Path], tmp_path: Path
) -> None:
    torch.manual_seed(0)
    backbone = build_backbone("resnet", RESNET, None, ("audio", "video"))
    method = build_method("linear-probe", {}, backbone, 2, 1)
    data = replace(data_of(manifests["audio", "video"]), frontend=backbone.frontend)
    source = FeatureCache(tmp_path, backbone, Reading(most=4), CPU, "fp32").source(data)
    method.train()
    for mine, live in zip(source.batches(5), data.batches(5), strict=True):
        expected = backbone.frozen_tokens(live, Reading(most=4))
        for modality in ("audio", "video"):
            assert torch.equal(mine.present[modality], live.present[modality])
            torch.testing.assert_close(mine.tokens[modality], expected[modality], rtol=2e-3, atol=2e-3)
    samples = list(data.rows.samples)
    video = samples[1].media["video"]
    assert isinstance(video, tuple)
    samples[1] = replace(samples[1], media={**samples[1].media, "video": (*video, video[0])})
    longer = replace(data, rows=replace(data.rows, samples=samples))
    FeatureCache(tmp_path, backbone, Reading(most=4), CPU, "fp32").source(longer)
    assert len(list(tmp_path.iterdir())) == 2


# runs


@pytest.mark.parametrize(("backbone", "modalities"), [("tiny", ALL), ("resnet", ("video",))])
def test_a_stopped_training_ends_with_the_same_weights(
    manifests: dict[tuple[str, ...], Path],
    tmp_path: Path,
    backbone: str,
    modalities: tuple[str, ...],
) -> None:
    manifest = manifests[modalities]
    # averaged weights need statistics of their own
    more = ("--set", "average_from=1", "--set", "optimizer=sgd", "--set", "weight_decay=1e-4", "--lr", "0.01")
    with stopped_at_call(2, avtrain.training.loop, "train_epoch"):
        fit(manifest, tmp_path / "resumed", backbone, *more)
    with last_states() as last:
        whole = fit(manifest, tmp_path / "whole", backbone, *more)
        resumed = fit(manifest, tmp_path / "resumed", backbone, *more)
    first, second = weights(whole.folder), weights(resumed.folder)
    assert first.keys() == second.keys()
    assert all(torch.equal(value, second[key]) for key, value in first.items())
    for key, value in last[whole.folder]["method"].items():
        assert torch.equal(value, last[resumed.folder]["method"][key]), key

    avtrain_("eval", whole.folder, "--device", "cpu")
    validated = whole.metrics()
    assert {e["scenario"] for e in whole.evaluations()} == set(validated[0]["selection"])
    assert tuple(whole.evaluations()[0]["per_modality"]) == modalities
    assert whole.modalities() == modalities


@pytest.mark.parametrize("method", ["finetune", "linear-probe", "prompt", "spiking", "adapter", "lora"])
@pytest.mark.parametrize("modalities", [("audio",), ("video",), ALL])
def test_every_method_takes_any_modalities(modalities: tuple[str, ...], method: str) -> None:
    torch.manual_seed(0)
    backbone = build_backbone("tiny", TINY, None, modalities)
    options = {"heads": 2} if method in ("prompt", "spiking") else {}
    built = build_method(method, options, backbone, 2, 2)
    shapes = backbone.frontend.shapes
    from avtrain.data.batch import Batch

    batch = Batch(
        inputs={m: torch.randn(4, *shapes[m]) for m in modalities},
        present={m: torch.ones(4, dtype=torch.bool) for m in modalities},
        labels=torch.arange(4) % 2,
        scenario=torch.arange(4) % 2,
        ids=("a", "b", "c", "d"),
    )
    settings = fit_config({"method": method, "backbone": "tiny"})
    before = {name: weight.clone() for name, weight in built.named_parameters()}
    loss = built.train().training_step(batch, make_optimizer(built, settings))
    assert torch.isfinite(loss)
    assert any(not torch.equal(weight, before[name]) for name, weight in built.named_parameters())
    lacking = replace(batch, inputs={m: x.index_fill(0, torch.tensor([0]), 0.0) for m, x in batch.inputs.items()})
    with torch.no_grad():
        changed = built.eval()(lacking).logits != built(batch).logits
    assert changed[0].any()
    assert not changed[1:].any()


def test_a_finished_run_is_built_again_without_its_data(manifests: dict[tuple[str, ...], Path], tmp_path: Path) -> None:
    write_data(tmp_path / "data", ("audio", "video"))
    run = fit(tmp_path / "data" / "manifest.yaml", tmp_path, "tiny", "--set", "epochs=1")
    batch = next(iter(data_of(manifests["audio", "video"]).batches(4)))
    (tmp_path / "data").rename(tmp_path / "gone")
    method = load_method(run, run.config(), 2, CPU).eval()
    assert method.backbone.modalities == ("audio", "video")
    avtrain_("export", run.folder, "--out", tmp_path / "model.pt2", "--without-frontend", "--calibration", "none")
    extra = {METADATA: ""}
    program = torch.export.load(tmp_path / "model.pt2", extra_files=extra).module()
    said = json.loads(extra[METADATA])
    assert said["modalities"] == ["audio", "video"]
    assert said["inputs"]["video"]["shape"] == ["batch", 2, 3, 8, 8]
    present = {f"{m}_present": there for m, there in batch.present.items()}
    with torch.no_grad():
        expected = method(batch).logits
    torch.testing.assert_close(program(**batch.inputs, **present), expected, rtol=1e-4, atol=1e-5)


def test_predict_says_what_a_run_with_video_can_be_given(
    manifests: dict[tuple[str, ...], Path], tmp_path: Path
) -> None:
    import soundfile
    from PIL import Image

    run = fit(manifests["audio", "video"], tmp_path, "tiny", "--set", "epochs=1")
    soundfile.write(tmp_path / "a.wav", np.zeros(4_000), 16_000)
    Image.new("RGB", (9, 9)).save(tmp_path / "b.png")
    said = json.loads(avtrain_("predict", run.folder, "--audio", tmp_path / "a.wav", "--json"))
    assert said["present"] == {"audio": True, "video": False}
    wanted = r"--image: .*seed0 was trained on audio, video alone; give --audio FILE or --video FILE"
    with pytest.raises(UserError, match=wanted):
        avtrain_("predict", run.folder, "--image", tmp_path / "b.png")


def test_predict_takes_a_film_as_the_data_set_has_it(manifests: dict[tuple[str, ...], Path], tmp_path: Path) -> None:
    from avbuild.modalities.image import encode_image
    from avbuild.modalities.video_frames import read_frames
    from avtrain.device import Machine
    from avtrain.inference.loaded_run import load_run
    from avtrain.inference.predictor import classify

    run, film = fit(manifests["audio", "video"], tmp_path, "tiny", "--set", "epochs=1"), tmp_path / "clip.flv"
    film.write_bytes(encoded(moving_square("clip", 25)))
    said = json.loads(avtrain_("predict", run.folder, "--video", film, "--json"))
    assert said["present"] == {"audio": False, "video": True}
    machine = Machine(torch.device("cpu"))
    frames = tuple(encode_image(frame) for frame in read_frames(film.read_bytes(), 1.0))
    expected = classify(load_run(run.folder, machine), {"video": frames}, None, machine)
    assert said["probabilities"] == pytest.approx(expected.probabilities)
    film.write_bytes(b"no film")
    with pytest.raises(UserError, match=r"clip\.flv: cannot be read as video: not a readable video"):
        avtrain_("predict", run.folder, "--video", film)


def test_a_run_of_an_earlier_version_has_two_modalities(tmp_path: Path) -> None:
    (tmp_path / "result.json").write_text(json.dumps({"classes": ["a"]}))
    assert Run(tmp_path).modalities() == ("audio", "image")


# what cannot be


def test_cav_mae_says_what_it_joins(manifests: dict[tuple[str, ...], Path], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"cav-mae joins audio and image; this data set has audio, video: use dual"):
        avtrain_("fit", manifests["audio", "video"], "--backbone", "cav-mae", "--out", tmp_path)
    assert not list(tmp_path.rglob("config.yaml"))


@pytest.mark.parametrize(("method", "options"), [("map", {}), ("prompt", {"depth": "input", "heads": 2})])
def test_prompts_have_no_place_among_the_tokens_of_frames(method: str, options: dict[str, object]) -> None:
    with pytest.raises(UsageError, match=rf"^method {method}.* puts prompts into the layers.*use method prompt with"):
        build_method(method, options, build_backbone("tiny", TINY, None, ALL), 2, 2)
