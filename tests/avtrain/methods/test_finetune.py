"""The augmentation of audio in fine-tuning: where it is on, that training alone sees it, that runs are told apart."""

from pathlib import Path

import pytest
import torch

from avbuild.errors import UsageError, UserError
from avbuild.scenarios.manifest_file import load_manifest
from avtrain.backbones.registry import build_backbone
from avtrain.config import FitConfig, RunConfig
from avtrain.data.dataset import MultimodalData
from avtrain.data.shards import read_rows
from avtrain.device import Machine
from avtrain.frontends.spectrogram_augmentation import SpectrogramAugmentation
from avtrain.methods.base import Method
from avtrain.methods.registry import METHODS, build_method
from avtrain.runs.folder import Run
from avtrain.training.checkpoint import TrainingState, fingerprints_of
from avtrain.training.setup import prepare_data

SMALL = {"size": "tiny", "layers": 1, "audio_frames": 48, "image_size": 32}
CPU = Machine(torch.device("cpu"))


def method(name: str = "finetune", backbone: str = "cav-mae", **options: object) -> Method:
    shape = SMALL if backbone == "cav-mae" else {"image_size": 16}
    spectrogram = {"spectrogram": "fbank"} if backbone == "resnet" else {}
    return build_method(name, options, build_backbone(backbone, {**shape, **spectrogram}), 5, 4)


def test_it_is_the_recipe_on_cav_mae_alone() -> None:
    found = method().spectrogram_augmentation(3)
    assert found == SpectrogramAugmentation(3, pytest.approx(5.081 / 4.4849), 48, 192)  # type: ignore[arg-type]
    assert method(augment=False).spectrogram_augmentation(3) is None
    assert method(backbone="tiny").spectrogram_augmentation(3) is None
    assert method(backbone="resnet").spectrogram_augmentation(3) is None
    assert method(backbone="resnet", augment=True, time_mask=9).spectrogram_augmentation(3) == (
        SpectrogramAugmentation(3, 0.0, 48, 9)
    )
    for name in ("lora", "adapter", "linear-probe"):
        assert METHODS[name].spectrogram_augmentation is Method.spectrogram_augmentation
    with pytest.raises(UsageError, match=r"method.augment=true masks log filter banks, which tiny does not read"):
        method(backbone="tiny", augment=True)


def test_training_sees_it_anew_each_epoch_and_evaluation_never(small_data: Path) -> None:
    manifest = load_manifest(str(small_data / "manifest.yaml"))
    config = RunConfig(fit=FitConfig(backbone="cav-mae", train_on="clean", seed=5), manifest=manifest)
    rows, finetune = read_rows(manifest, "train"), method()

    def audio(augment: bool, epoch: int) -> torch.Tensor:
        source = prepare_data(rows, config, finetune if augment else method(augment=False), CPU, epoch=epoch)
        assert isinstance(source, MultimodalData)
        return next(iter(source.batches(4))).inputs["audio"]

    plain, first = audio(False, 1), audio(True, 1)
    assert torch.equal(audio(True, 1), first)  # a resumed epoch is the same
    assert not torch.equal(first, plain)
    assert not torch.equal(audio(True, 2), first)
    assert torch.equal(audio(True, 0), plain)
    expected = SpectrogramAugmentation(5, 5.081 / 4.4849, 48, 192)(plain[2], rows.samples[2].id, 1)
    torch.testing.assert_close(first[2], expected)


def test_a_run_that_began_without_it_is_not_continued(tmp_path: Path) -> None:
    run, old, new = Run(tmp_path), method(augment=False), method()

    def state(of: Method) -> TrainingState:
        return TrainingState(of, torch.optim.SGD(of.parameter_groups(0.1), lr=0.1), fingerprints_of(of, {}))

    saved = state(old).as_dict()
    assert set(saved["fingerprints"]) == {"frozen weights"}  # as avtrain 0.1 wrote them
    run.save_state(saved)
    with pytest.raises(UserError, match=r"with augmentation of the audio: none; here it is SpectrogramAugmentation\("):
        state(new).restore(run)
