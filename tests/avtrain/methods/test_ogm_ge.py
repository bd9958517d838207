"""OGM-GE: which gradients it changes, by how much, and when."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from torch import Tensor, nn

from avbuild.errors import UsageError
from avtrain.data.batch import Batch
from avtrain.methods.base import Method, TrainingProgress
from avtrain.methods.ogm_ge import discrepancy_ratios, noise_like
from avtrain.methods.registry import build_method
from tests.support.toys import CLASSES, INPUTS, WIDTH, ToyBackbone, ToyEncoder, sgd, toy_batch, toy_method

THREE = ("audio", "image", "text")
PAIR = ("audio", "image")


class ConvolutionalEncoder(ToyEncoder):
    """In place of the linear map a 2-D convolution over each token's inputs, and a scale, which is one number."""

    def __init__(self) -> None:
        super().__init__()
        self.map = nn.Sequential(nn.Unflatten(1, (1, 2)), nn.Conv2d(1, WIDTH, (1, INPUTS)), nn.Flatten(2))
        self.scale = nn.Parameter(torch.ones(1))

    def embed(self, inputs: Tensor) -> Tensor:
        tokens: Tensor = self.map(inputs).transpose(1, 2) * self.scale
        return tokens


def convolutional(name: str, **options: object) -> Method:
    torch.manual_seed(0)
    backbone = ToyBackbone()
    for m in PAIR:
        setattr(backbone, f"{m}_encoder", ConvolutionalEncoder())
    return build_method(name, options, backbone, CLASSES, 1).double()


def gradients(method: Method, batch: Batch, progress: TrainingProgress | None = None) -> dict[str, Tensor]:
    """What the optimizer is given."""
    method.train()
    method.progress = progress or method.progress
    method.training_step(batch, sgd(method))
    return {key: p.grad.clone() for key, p in method.named_parameters() if p.grad is not None}


def leaning_to_audio(modalities: tuple[str, ...] = PAIR, n: int = 9) -> Batch:
    """A batch whose sound tells the class."""
    batch = toy_batch(n, modalities)
    audio = batch.inputs["audio"].clone()
    audio[:, :, 0] = 3.0 * (batch.labels[:, None] - 1)
    return replace(batch, inputs={**batch.inputs, "audio": audio})


def taught(name: str, batch: Batch, modalities: tuple[str, ...] = PAIR, **options: object) -> Method:
    """A method that has learned a little of a batch, as `concat` does; so that modalities differ."""
    teacher = toy_method("concat", modalities)
    optimizer = sgd(teacher, lr=0.05)
    for _ in range(15):
        teacher.training_step(batch, optimizer)
    method = toy_method(name, modalities, **options)
    method.load_state_dict(teacher.state_dict())
    return method


def coefficients(method: Method, batch: Batch, alpha: float) -> dict[str, float]:
    """k_m by the formula, from the weights themselves."""
    modalities = method.backbone.modalities
    columns = method.get_parameter("head.weight").detach().split(WIDTH, dim=1)
    bias = method.get_parameter("head.bias").detach() / len(modalities)
    scores = {}
    for m, w in zip(modalities, columns, strict=True):
        encoder = method.backbone.encoder(m)
        h = encoder(batch.inputs[m]).detach().mean(dim=1)
        right = (h @ w.T + bias).softmax(dim=1)[torch.arange(len(batch)), batch.labels]
        scores[m] = right[batch.present[m]].mean().item()
    k = {}
    for m in modalities:
        others = [scores[o] for o in modalities if o != m]
        rho = scores[m] * len(others) / sum(others)
        k[m] = 1 - float(torch.tensor(alpha * rho).tanh()) if rho > 1 else 1.0
    return k


@pytest.mark.parametrize("modalities", [PAIR, THREE])
@pytest.mark.parametrize("alpha", [0.1, 0.8])
def test_the_gradients_of_the_modality_ahead_shrink_by_the_formula(modalities: tuple[str, ...], alpha: float) -> None:
    batch = leaning_to_audio(modalities)
    gaps = torch.arange(len(batch)) % 4 != 1
    batch = replace(batch, present={**batch.present, "image": gaps})
    plain = gradients(taught("concat", batch, modalities), batch)
    method = taught("ogm-ge", batch, modalities, alpha=alpha, enhance=False)
    k = coefficients(method, batch, alpha)
    assert k["audio"] < 1
    assert 1.0 in k.values()
    for key, gradient in gradients(method, batch).items():
        factor = next((k[m] for m in modalities if key.startswith(f"backbone.{m}_encoder")), 1.0)
        torch.testing.assert_close(gradient, factor * plain[key], rtol=1e-5, atol=1e-9)


def test_the_ratio_is_over_the_samples_that_have_the_modality() -> None:
    batch, there = toy_batch(4), torch.tensor([True, False, True, False])
    batch = replace(batch, present={**batch.present, "image": there})
    logits = {m: torch.randn(4, CLASSES, dtype=torch.float64) for m in PAIR}
    right = {m: z.softmax(dim=1)[torch.arange(4), batch.labels] for m, z in logits.items()}
    logits["image"][~there] = torch.nan
    ratios = discrepancy_ratios(logits, batch)
    expected = right["audio"].mean() / right["image"][there].mean()
    assert ratios["audio"].item() == pytest.approx(expected.item(), rel=1e-5)
    assert ratios["image"].item() == pytest.approx(1 / expected.item(), rel=1e-5)


def test_a_modality_alone_in_its_batch_keeps_its_gradients() -> None:
    batch = leaning_to_audio()
    batch = replace(batch, present={**batch.present, "image": torch.zeros(9, dtype=torch.bool)})
    plain = gradients(taught("concat", batch), batch)
    for key, gradient in gradients(taught("ogm-ge", batch, enhance=False), batch).items():
        torch.testing.assert_close(gradient, plain[key])
    noisy = gradients(taught("ogm-ge", batch), batch)
    assert not noisy["backbone.image_encoder.map.weight"].any()
    assert not torch.allclose(noisy["backbone.audio_encoder.map.weight"], plain["backbone.audio_encoder.map.weight"])


def test_noise_goes_to_both_encoders_and_nowhere_else() -> None:
    batch = leaning_to_audio()
    plain = gradients(taught("ogm-ge", batch, enhance=False), batch)
    for key, gradient in gradients(taught("ogm-ge", batch), batch).items():
        same = torch.allclose(gradient, plain[key])
        assert same == key.startswith("head."), key


def test_noise_is_as_strong_as_the_gradient_before_it_shrinks() -> None:
    batch = leaning_to_audio()
    method, plain = taught("ogm-ge", batch, alpha=50.0), gradients(taught("concat", batch), batch)
    key = "backbone.audio_encoder.map.weight"  # of which alpha leaves nothing but the noise
    optimizer = torch.optim.SGD(method.parameter_groups(0.0))
    noise = []
    for _ in range(300):
        method.training_step(batch, optimizer)
        grad = method.get_parameter(key).grad
        assert grad is not None
        noise.append(grad.clone())
    drawn = torch.stack(noise)
    assert drawn.std().item() == pytest.approx(plain[key].std().item(), rel=0.05)
    assert abs(drawn.mean().item()) < 0.05 * drawn.std().item()


def test_a_gradient_of_one_number_gets_no_noise_to_speak_of() -> None:
    assert noise_like(torch.tensor([3.0])).abs().item() < 1e-6
    assert noise_like(torch.zeros(5)).isfinite().all()


def changed(method: Method, reference: Method, batch: Batch) -> Iterator[str]:
    plain = gradients(reference, batch)
    return (key for key, gradient in gradients(method, batch).items() if not torch.allclose(gradient, plain[key]))


class TestWhereItActs:
    def test_everywhere_on_convolutional_encoders(self) -> None:
        batch = leaning_to_audio()
        method, reference = convolutional("ogm-ge"), convolutional("concat")
        k = coefficients(method, batch, 0.3)
        found = set(changed(method, reference, batch))
        assert {f"backbone.{m}_encoder.map.1.{part}" for m in PAIR for part in ("weight", "bias")} <= found
        # one number gets no noise: it shrinks where its modality is ahead
        (ahead,) = (m for m in PAIR if k[m] < 1)
        assert {key for key in found if key.endswith("scale")} == {f"backbone.{ahead}_encoder.scale"}

    def test_on_nothing_but_4d_weights_as_released(self) -> None:
        found = set(changed(convolutional("ogm-ge", on="convolutions"), convolutional("concat"), leaning_to_audio()))
        assert found == {f"backbone.{m}_encoder.map.1.weight" for m in PAIR}

    def test_everywhere_on_linear_encoders_where_the_released_way_does_nothing(self) -> None:
        batch = leaning_to_audio()
        everywhere = {f"backbone.{m}_encoder.map.{part}" for m in PAIR for part in ("weight", "bias")}
        assert set(changed(toy_method("ogm-ge"), toy_method("concat"), batch)) == everywhere
        assert set(changed(toy_method("ogm-ge", on="convolutions"), toy_method("concat"), batch)) == set()

    def test_on_the_maps_of_a_frozen_backbone(self) -> None:
        method, reference = (toy_method(name, frozen=True, width=5) for name in ("ogm-ge", "concat"))
        assert {f"maps.{m}.1.weight" for m in PAIR} <= set(changed(method, reference, leaning_to_audio()))


@pytest.mark.parametrize(
    ("options", "epochs"),
    [({}, {1, 2, 3, 4, 5, 6}), ({"begin": 0.3, "end": 0.7}, {4, 5, 6, 7, 8}), ({"end": 1.0}, {*range(1, 11)})],
)
def test_it_acts_in_its_epochs(options: dict[str, float], epochs: set[int]) -> None:
    batch = leaning_to_audio()
    plain = gradients(toy_method("concat"), batch)
    key = "backbone.audio_encoder.map.weight"
    acted = set()
    for epoch in range(1, 11):
        found = gradients(toy_method("ogm-ge", **options), batch, TrainingProgress(epoch, 10, 0, 1))
        if not torch.allclose(found[key], plain[key]):
            acted.add(epoch)
    assert acted == epochs


def test_epochs_that_end_before_they_begin_are_refused() -> None:
    with pytest.raises(UsageError, match=r"method.begin is 0.6, but must not be above method.end, 0.5"):
        toy_method("ogm-ge", begin=0.6)


def test_the_larger_alpha_the_less_is_left() -> None:
    batch = leaning_to_audio()
    left = []
    for alpha in (0.0, 0.1, 0.3, 0.8):
        found = gradients(taught("ogm-ge", batch, alpha=alpha, enhance=False), batch)
        left.append(found["backbone.audio_encoder.map.weight"].norm().item())
    assert all(more > less for more, less in pairwise(left))
