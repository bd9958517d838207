"""End to end on real UrbanSound8K clips, real CIFAR-10 pictures and real encoders, on a subset small enough for CI."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from avbuild.cli import app as avbuild
from avtrain.cli import app as avtrain

pytestmark = pytest.mark.pilot


def run(app, *arguments: object) -> str:  # type: ignore[no-untyped-def]
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == 0, f"{arguments}: {result.exception}"
    return result.stdout


def test_real_clips_pictures_and_encoders_end_well_above_chance(
    pilot: Path, pilot_weights: Path, tmp_path: Path
) -> None:
    folds = ("--audio-root", pilot / "UrbanSound8K", "--images", f"folder:{pilot / 'cifar10'}", "--folds", "1,2")
    run(avbuild, "make", "urbansound8k-av", *folds, "--limit", 280, "--out", tmp_path)
    data = tmp_path / "urbansound8k-av"
    run(avbuild, "corrupt", "--scenario", "A,V,D", "--data", data)
    assert "every hash matches" in run(avbuild, "verify", data)

    settings = [
        f"--set=backbone.vision={pilot_weights / 'vit_s14_saliency.safetensors'}",
        f"--set=backbone.audio={pilot_weights / 'whisper_tiny_en_encoder.safetensors'}",
        "--set=backbone.vision_layers=11",
        # a quarter of the clip, a small picture and one draw of each scenario: a minute on two cores
        "--set=backbone.audio_seconds=1",
        "--set=backbone.image_size=56",
        "--set=draws=1",
    ]
    runs = tmp_path / "runs"
    fit = ("fit", data / "manifest.yaml", "--out", runs, *settings)
    run(avtrain, *fit, "--method", "linear-probe", "--epochs", 8, "--lr", 0.01)
    run(avtrain, *fit, "--method", "prompt", "--epochs", 5, "--lr", 0.003)
    run(avtrain, "eval", runs, "--scenarios", "C,D")
    table = run(avtrain, "report", runs)
    for method, file in (("linear-probe", "C.json"), ("prompt", "C.router.json")):
        assert method in table
        scored = runs / f"urbansound8k-av-{method}-dual" / "seed0" / "eval" / file
        accuracy = json.loads(scored.read_text())["accuracy"]
        assert accuracy > 0.35, f"{method}: {accuracy:.3f} on C, where chance is 0.10"
