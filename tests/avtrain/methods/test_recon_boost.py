"""ReconBoost against its formulas: whose stage it is, the residual, who rests, and what absent modalities do."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from avbuild.errors import UsageError
from avtrain.data.batch import Batch
from avtrain.methods.base import Method, TrainingProgress
from avtrain.methods.recon_boost import ReconBoost
from tests.support.toys import CLASSES, sgd, toy_batch, toy_method

TWO, THREE = ("audio", "image"), ("audio", "image", "text")
FIRST, SECOND, THIRD = (TrainingProgress(epoch, 6, 0, 4) for epoch in (1, 2, 3))  # each the start of a stage


def boosting(modalities: tuple[str, ...] = TWO, progress: TrainingProgress = SECOND, **options: object) -> ReconBoost:
    method = toy_method("recon-boost", modalities, **options)
    assert isinstance(method, ReconBoost)
    method.progress = progress
    return method.train()


def with_gaps(batch: Batch) -> Batch:
    """Of eight samples, sound is in 0, 1, 3, 4, 6, 7 and the picture in 0, 2, 4, 5, 6."""
    audio = torch.tensor([True, True, False, True, True, False, True, True])
    image = torch.tensor([True, False, True, False, True, True, True, False])
    return replace(batch, present={**batch.present, "audio": audio, "image": image})


def gradients(method: Method, loss: Tensor) -> dict[str, Tensor | None]:
    names, parameters = zip(*method.named_parameters(), strict=True)
    return dict(zip(names, torch.autograd.grad(loss, parameters, allow_unused=True), strict=True))


def assert_same_gradients(method: Method, loss: Tensor, reference: Tensor) -> None:
    wanted = gradients(method, reference)
    for key, found in gradients(method, loss).items():
        assert (found is None) == (wanted[key] is None), key
        if found is not None:
            torch.testing.assert_close(found, wanted[key], rtol=1e-5, atol=1e-7)


def test_stages_go_through_the_modalities_and_end_with_all_together() -> None:
    method = boosting(THREE, stage_epochs=2, rectification=0.25)
    found = []
    for epoch in range(1, 9):
        method.progress = TrainingProgress(epoch, 8, 0, 4)
        found.append((method.boosted, method.others))
    first, second = ("audio", []), ("image", ["audio"])
    third, fourth = ("text", ["audio", "image"]), ("audio", ["image", "text"])
    assert found == [first, first, second, second, third, third, fourth, fourth]
    for epoch in (3, 4):
        for step in range(4):
            method.progress = TrainingProgress(epoch, 8, step, 4)
            assert method.rectifying == (epoch == 4 and step >= 2)


def test_without_rectification_no_step_is_of_all() -> None:
    method = boosting(rectification=0)
    for step in range(5):
        method.progress = TrainingProgress(2, 4, step, 5)
        assert not method.rectifying


def test_the_first_stage_is_plain_cross_entropy() -> None:
    method, batch = boosting(progress=FIRST), toy_batch()
    phi = method(batch).per_modality["audio"]
    assert_same_gradients(method, method.loss(batch), -phi.log_softmax(dim=1)[torch.arange(8), batch.labels].mean())


@pytest.mark.parametrize("reconcilement", [0.0, 0.2, 1.0])
def test_it_is_cross_entropy_less_the_divergence_from_the_others(reconcilement: float) -> None:
    method = boosting(THREE, THIRD, reconcilement=reconcilement, consolidation=0)
    batch = toy_batch(modalities=THREE)
    phi = method(batch).per_modality
    q = phi["text"].softmax(dim=1)
    p = (phi["audio"] + phi["image"]).detach().softmax(dim=1)
    divergence = (p * (p / q).log()).sum(dim=1)
    own = -q[torch.arange(8), batch.labels].log()
    assert_same_gradients(method, method.loss(batch), (own - reconcilement * divergence).mean())


def test_its_gradient_is_the_residual_of_boosting() -> None:
    method, batch = boosting(reconcilement=0.3, consolidation=0), toy_batch()
    phi = method(batch).per_modality
    q, p = phi["image"].softmax(dim=1), phi["audio"].softmax(dim=1)
    y = torch.eye(CLASSES, dtype=q.dtype)[batch.labels]
    wanted = (q * (1 - 0.3) - (y - 0.3 * p)).mean(dim=0)  # with respect to phi, so to the classifier's bias
    found = gradients(method, method.loss(batch))["heads.image.bias"]
    torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-7)


def test_as_released_only_the_labels_class_counts_and_the_mean_is_over_classes() -> None:
    method = boosting(residual="as_released", consolidation=0)
    batch = toy_batch()
    phi, rows = method(batch).per_modality, torch.arange(8)
    p = phi["audio"].detach().softmax(dim=1)[rows, batch.labels]
    reference = -((5 - p) * phi["image"].log_softmax(dim=1)[rows, batch.labels]).mean() / CLASSES
    assert_same_gradients(method, method.loss(batch), reference)
    alone = boosting(progress=FIRST, residual="as_released")
    plain = boosting(progress=FIRST).loss(batch)
    torch.testing.assert_close(alone.loss(batch), plain * 5 / CLASSES)  # 0.833 of it with the six classes of CREMA-D
    with pytest.raises(UsageError, match=r"method\.reconcilement is 0, but residual=as_released"):
        boosting(residual="as_released", reconcilement=0)
    described = boosting(consolidation=0)
    assert not torch.allclose(described.loss(batch), method.loss(batch))


def test_consolidation_draws_a_learner_to_the_one_before_and_not_the_other_way() -> None:
    batch = toy_batch(modalities=THREE)
    losses = []
    for weight in (0.0, 2.0):
        method = boosting(THREE, THIRD, consolidation=weight)
        losses.append(method.loss(batch))
    phi = method(batch).per_modality
    difference = phi["text"].softmax(dim=1) - phi["image"].detach().softmax(dim=1)
    torch.testing.assert_close((losses[1] - losses[0]).double(), 2 * (difference**2).mean(), rtol=1e-4, atol=1e-6)
    reference = boosting(THREE, THIRD, consolidation=0)
    wanted, found = gradients(reference, reference.loss(batch)), gradients(method, losses[1])
    added = gradients(method, 2 * (difference**2).mean())
    for key, gradient in found.items():
        assert (gradient is None) == ("text" not in key)
        if gradient is not None:
            torch.testing.assert_close(gradient, wanted[key] + added[key], rtol=1e-4, atol=1e-6)


def test_rectification_is_the_cross_entropy_of_the_sum() -> None:
    method, batch = boosting(progress=TrainingProgress(2, 6, 2, 4)), with_gaps(toy_batch())
    phi = method(batch).per_modality
    total = sum(z.where(batch.present[m][:, None], 0.0) for m, z in phi.items())
    assert isinstance(total, Tensor)
    torch.testing.assert_close(method(batch).logits, total)
    assert_same_gradients(method, method.loss(batch), -total.log_softmax(dim=1)[torch.arange(8), batch.labels].mean())


def test_each_sample_counts_by_what_it_has() -> None:
    method, batch = boosting(reconcilement=0.4, consolidation=0.7), with_gaps(toy_batch())
    phi = method(batch).per_modality
    q, p = phi["image"].softmax(dim=1), phi["audio"].detach().softmax(dim=1)
    total = torch.zeros((), dtype=torch.float64)
    for row in (0, 2, 4, 5, 6):  # with a picture
        total = total - q[row, batch.labels[row]].log() / 5
        if row in (0, 4, 6):  # with sound too
            total = total + 0.4 * (p[row] * q[row].log()).sum() / 5
            total = total + 0.7 * (q[row] - p[row]).square().mean() / 3
    torch.testing.assert_close(method.loss(batch).double(), total, rtol=1e-5, atol=1e-6)
    assert_same_gradients(method, method.loss(batch), total)


@pytest.mark.parametrize("progress", [FIRST, SECOND, TrainingProgress(2, 6, 3, 4)])
def test_what_stands_in_an_absent_row_does_not_matter(progress: TrainingProgress) -> None:
    method, batch = boosting(progress=progress), with_gaps(toy_batch())
    changed = {m: x.where(batch.present[m][:, None, None], 9.0) for m, x in batch.inputs.items()}
    assert_same_gradients(method, method.loss(batch), method.loss(replace(batch, inputs=changed)))


@pytest.mark.parametrize("gone", TWO)
@pytest.mark.parametrize("progress", [FIRST, SECOND, TrainingProgress(2, 6, 3, 4)])
def test_a_modality_may_be_absent_from_a_whole_batch(progress: TrainingProgress, gone: str) -> None:
    method, batch = boosting(progress=progress), toy_batch()
    batch = replace(batch, present={**batch.present, gone: torch.zeros(8, dtype=torch.bool)})
    assert method.training_step(batch, sgd(method)).isfinite()
    assert all(p.grad is None or p.grad.isfinite().all() for p in method.parameters())


@pytest.mark.parametrize("kind", ["sgd", "adamw"])
def test_a_resting_learner_and_its_momentum_stay_to_the_bit(kind: str) -> None:
    method, batch = boosting(progress=TrainingProgress(1, 6, 3, 4)), toy_batch()
    encoder = method.backbone.encoder("image")
    encoder.map = nn.Sequential(encoder.map, nn.BatchNorm1d(2)).double()
    groups = method.parameter_groups(0.1)
    optimizer = sgd(method) if kind == "sgd" else torch.optim.AdamW(groups, weight_decay=0.1)
    method.training_step(batch, optimizer)  # of all: there is momentum now
    before = {key: value.clone() for key, value in method.state_dict().items()}
    state = {
        key: {name: value.clone() for name, value in optimizer.state[p].items() if isinstance(value, Tensor)}
        for key, p in method.named_parameters()
    }
    assert all(any(value.any() for value in each.values()) for each in state.values())
    method.progress = TrainingProgress(3, 6, 0, 4)  # sound again
    method.training_step(batch, optimizer)
    after = method.state_dict()
    assert {key for key in before if torch.equal(before[key], after[key])} == {k for k in before if "image" in k}
    assert any("running_mean" in key for key in before)
    for key, p in method.named_parameters():
        same = all(torch.equal(optimizer.state[p][name], value) for name, value in state[key].items())
        assert same == ("image" in key)


def test_all_learn_again_after_they_rested() -> None:
    method, batch = boosting(progress=FIRST), toy_batch()
    method.training_step(batch, sgd(method))
    assert not method.backbone.encoder("image").training
    method.progress = TrainingProgress(1, 6, 2, 4)
    method.training_step(batch, sgd(method))
    assert method.backbone.encoder("image").training
    assert all(p.grad is not None for p in method.parameters())


def test_too_few_epochs_for_every_modality_are_refused() -> None:
    method = boosting(THREE, TrainingProgress(1, 5, 0, 4), rectification=0, stage_epochs=2)
    with pytest.raises(UsageError, match=r"5 epochs end before every modality.* at least 6"):
        method.training_step(toy_batch(modalities=THREE), sgd(method))
    method.progress = TrainingProgress(1, 6, 0, 4)
    method.training_step(toy_batch(modalities=THREE), sgd(method))


def test_wrong_options_are_named_together() -> None:
    with pytest.raises(UsageError, match="4 problems") as caught:
        toy_method("recon-boost", stage_epochs=0, rectification=1, reconcilement=2, residual="none")
    for name in ("stage_epochs", "rectification", "reconcilement", "residual"):
        assert f"  {name}: " in str(caught.value)
