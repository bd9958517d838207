"""MMPareto against its formula: the shortest vector, no work against either loss, the length of the plain sum."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.nn.functional import cross_entropy

from avbuild.errors import UsageError
from avtrain.data.batch import Batch
from avtrain.methods.base import Method
from avtrain.methods.mmpareto import rescaling_factor, weight_of_joint
from tests.support.toys import WIDTH, sgd, toy_batch, toy_method

MODALITIES = ("audio", "image")


def vectors(seed: int, size: int = 5) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    scale = 10 ** torch.empty(1, dtype=torch.float64).uniform_(-3, 3, generator=generator)
    g, u = torch.randn(2, size, generator=generator, dtype=torch.float64)
    return g, scale * u


def conflicting(**options: object) -> Method:
    """Sound whose own classifier wants the opposite of the joint one, and a picture whose own wants the same."""
    method = toy_method("mmpareto", MODALITIES, **options)
    with torch.no_grad():
        columns = torch.split(method.get_parameter("head.weight"), WIDTH, dim=1)
        method.get_parameter("heads.audio.weight").copy_(-0.7 * columns[0])
        method.get_parameter("heads.image.weight").copy_(columns[1])
    return method.train()


def two_gradients(method: Method, batch: Batch, modality: str) -> tuple[Tensor, Tensor]:
    """Of the joint and of the modality's own loss, for the weights of its encoder, one vector each."""
    place = f"backbone.{modality}_encoder.map"
    weights = [method.get_parameter(f"{place}.weight"), method.get_parameter(f"{place}.bias")]
    h = {
        m: batch.inputs[m].mean(dim=1) @ method.get_parameter(f"backbone.{m}_encoder.map.weight").T
        + method.get_parameter(f"backbone.{m}_encoder.map.bias")
        for m in batch.inputs
    }
    both = torch.cat([x.where(batch.present[m][:, None], 0.0) for m, x in h.items()], dim=1)
    joint = both @ method.get_parameter("head.weight").T + method.get_parameter("head.bias")
    own = h[modality] @ method.get_parameter(f"heads.{modality}.weight").T
    own = (own + method.get_parameter(f"heads.{modality}.bias"))[batch.present[modality]]
    losses = cross_entropy(joint, batch.labels), cross_entropy(own, batch.labels[batch.present[modality]])
    g, u = (torch.autograd.grad(loss, weights, retain_graph=True) for loss in losses)
    return torch.cat([x.flatten() for x in g]), torch.cat([x.flatten() for x in u])


def gradient_in(method: Method, modality: str) -> Tensor:
    place = f"backbone.{modality}_encoder.map"
    found = [method.get_parameter(f"{place}.{name}").grad for name in ("weight", "bias")]
    return torch.cat([x.flatten() for x in found if x is not None])


def expected_direction(g: Tensor, u: Tensor) -> Tensor:
    if g @ u >= 0:
        return g + u
    a = ((u - g) @ u / (g - u).square().sum()).clamp(0, 1)
    return 2 * (a * g + (1 - a) * u)


@given(st.integers(0, 10_000))
def test_it_is_the_shortest_vector_between_two_that_conflict_and_else_the_middle(seed: int) -> None:
    g, u = vectors(seed)
    a = weight_of_joint(g, u)
    if g @ u >= 0:
        assert a == 0.5
        return
    grid = torch.linspace(0, 1, 2001, dtype=torch.float64)[:, None]
    lengths = (grid * g + (1 - grid) * u).norm(dim=1)
    assert 0 <= a <= 1
    assert (a * g + (1 - a) * u).norm() <= lengths.min() * (1 + 1e-12)


@given(st.integers(0, 10_000))
def test_it_works_against_neither(seed: int) -> None:
    g, u = vectors(seed)
    a = weight_of_joint(g, u)
    h = a * g + (1 - a) * u
    assert h @ g >= -1e-9 * h.norm() * g.norm()
    assert h @ u >= -1e-9 * h.norm() * u.norm()


def test_the_plain_sum_may_work_against_one() -> None:
    g, u = torch.tensor([1.0, 0.0]), torch.tensor([-3.0, 1.0])
    a = weight_of_joint(g, u)
    assert (g + u) @ g < 0 <= (a * g + (1 - a) * u) @ g


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_opposite_gradients_leave_nothing_and_no_rounding_is_blown_up(dtype: torch.dtype) -> None:
    g = torch.randn(10_000, generator=torch.Generator().manual_seed(0), dtype=dtype)
    for u in (-3 * g, -g, torch.zeros_like(g)):
        a = weight_of_joint(g, u)
        h = 2 * a * g + 2 * (1 - a) * u
        assert (h * rescaling_factor(h, g + u)).norm() == (g.norm() if not u.any() else 0)
    nothing = torch.zeros_like(g)
    assert weight_of_joint(nothing, nothing) == 0.5
    assert rescaling_factor(nothing, nothing) == 0


def test_precision_does_not_suffer_under_autocast() -> None:
    g, u = (x.float() for x in vectors(3, size=300))
    u = u - 2 * (g @ u).clamp(min=0) / (g @ g) * g - 0.1 * g  # a conflict
    assert g @ u < 0
    with torch.autocast("cpu", torch.bfloat16):
        inside = weight_of_joint(g, u)
    assert torch.equal(inside, weight_of_joint(g, u))


@pytest.mark.parametrize("gamma", [1.5, 0.5])
def test_a_step_follows_the_formula_and_is_as_long_as_the_plain_sum(gamma: float) -> None:
    method, batch = conflicting(gamma=gamma), toy_batch()
    references = {m: two_gradients(method, batch, m) for m in MODALITIES}
    products = {m: (g @ u).item() for m, (g, u) in references.items()}
    assert products["audio"] < 0 < products["image"]
    method.training_step(batch, sgd(method))
    for m, (g, u) in references.items():
        h, found = expected_direction(g, u), gradient_in(method, m)
        torch.testing.assert_close(found, gamma * (g + u).norm() / h.norm() * h, rtol=1e-5, atol=1e-7)
        torch.testing.assert_close(found.norm(), gamma * (g + u).norm(), rtol=1e-5, atol=0)


def test_classifiers_follow_their_own_losses() -> None:
    method, batch = conflicting(), toy_batch()
    prediction = method(batch)
    scores = (prediction.logits, *prediction.per_modality.values())
    torch.stack([cross_entropy(z.float(), batch.labels) for z in scores]).sum().backward()
    plain = {key: p.grad.clone() for key, p in method.named_parameters() if "head" in key and p.grad is not None}
    assert len(plain) == 6
    method.training_step(batch, sgd(method))
    for key, gradient in plain.items():
        torch.testing.assert_close(method.get_parameter(key).grad, gradient, rtol=1e-5, atol=1e-8)


def test_the_step_is_taken_along_what_was_found() -> None:
    method, batch = conflicting(), toy_batch()
    before = {key: p.detach().clone() for key, p in method.named_parameters()}
    method.training_step(batch, torch.optim.SGD(method.parameter_groups(0.1)))
    for key, p in method.named_parameters():
        torch.testing.assert_close(p.detach(), before[key] - 0.1 * p.grad)


def test_as_released_every_weight_is_rescaled_by_itself_and_never_down() -> None:
    method, batch = conflicting(rescaling="as_released"), toy_batch()
    g, u = two_gradients(method, batch, "audio")
    h, plain = expected_direction(g, u), g + u
    matrix = method.get_parameter("backbone.audio_encoder.map.weight").numel()
    method.training_step(batch, sgd(method))
    found = gradient_in(method, "audio")
    factors = [plain[part].norm() / h[part].norm() for part in (slice(matrix), slice(matrix, None))]
    assert factors[0] != pytest.approx(factors[1].item(), rel=0.01)
    for part, factor in zip((slice(matrix), slice(matrix, None)), factors, strict=True):
        torch.testing.assert_close(found[part], 1.5 * max(1.0, factor.item()) * h[part], rtol=1e-5, atol=1e-7)
    assert torch.cosine_similarity(found, h, dim=0) < 1 - 1e-6


def test_without_a_conflict_both_rescalings_are_the_plain_sum() -> None:
    steps = []
    for rescaling in ("as_described", "as_released"):
        method, batch = conflicting(rescaling=rescaling), toy_batch()
        method.training_step(batch, sgd(method))
        steps.append(gradient_in(method, "image"))
    torch.testing.assert_close(steps[0], steps[1], rtol=1e-5, atol=1e-9)


def test_absent_rows_have_no_part_in_any_gradient() -> None:
    there, gradients = torch.arange(8) % 3 != 0, []
    for filling in (0.0, 5.0):
        method, batch = conflicting(), toy_batch()
        sound = batch.inputs["audio"].where(there[:, None, None], filling)
        batch = replace(batch, inputs={**batch.inputs, "audio": sound}, present={**batch.present, "audio": there})
        g, u = two_gradients(method, batch, "audio")
        h = expected_direction(g, u)
        method.training_step(batch, sgd(method))
        wanted = 1.5 * (g + u).norm() / h.norm() * h
        torch.testing.assert_close(gradient_in(method, "audio"), wanted, rtol=1e-5, atol=1e-7)
        gradients.append([p.grad for p in method.parameters()])
    torch.testing.assert_close(gradients[0], gradients[1])


def test_a_modality_absent_from_a_whole_batch_gives_zeros_and_no_nan() -> None:
    for rescaling in ("as_described", "as_released"):
        method, batch = conflicting(rescaling=rescaling), toy_batch()
        batch = replace(batch, present={**batch.present, "audio": torch.zeros(8, dtype=torch.bool)})
        assert method.training_step(batch, sgd(method)).isfinite()
        assert not gradient_in(method, "audio").any()
        assert gradient_in(method, "image").isfinite().all()


def test_wrong_options_are_named_together() -> None:
    with pytest.raises(UsageError, match="2 problems") as caught:
        toy_method("mmpareto", gamma=0, rescaling="as_publsihed")
    assert "gamma: input should be greater than 0" in str(caught.value)
    assert "as_described" in str(caught.value)
