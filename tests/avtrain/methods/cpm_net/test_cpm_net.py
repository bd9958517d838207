"""CPM-Net: alternating steps, latents fitted at test, and an assignment that is known on separated data."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from avbuild.errors import UsageError
from avtrain.data.batch import Batch
from avtrain.methods.cpm_net.cpm_net import CPMNet
from tests.support.embedded import THREE, TWO, begin, embedding_method, with_gaps
from tests.support.toys import CLASSES, toy_batch


def cpm(modalities: tuple[str, ...] = THREE, batch: Batch | None = None, **options: object) -> CPMNet:
    method = embedding_method("cpm-net", modalities, batch, **{"latent": 8, **options})
    assert isinstance(method, CPMNet)
    return method


def separated(n: int, modalities: tuple[str, ...], seed: int = 0) -> Batch:
    """Samples whose class is plain to see in every modality."""
    batch = toy_batch(n, modalities, seed)
    centre = torch.nn.functional.one_hot(batch.labels, 4).double()[:, None] * 4
    return replace(batch, inputs={m: 0.2 * x + centre for m, x in batch.inputs.items()})


@pytest.mark.parametrize("modalities", [TWO, THREE])
@pytest.mark.parametrize("hidden", [0, 6])
def test_separated_classes_are_found_by_any_of_their_views(modalities: tuple[str, ...], hidden: int) -> None:
    train = with_gaps(separated(60, modalities))
    method = cpm(modalities, hidden=hidden)
    begin(method, train)
    torch.manual_seed(0)
    for _ in range(40):
        method.end_epoch([train])
    test = with_gaps(separated(42, modalities, seed=9), seed=1)
    with torch.no_grad():
        assert (method(test).logits.argmax(dim=1) == test.labels).double().mean() > 0.95


def test_an_epoch_is_five_steps_of_the_decoders_and_then_five_of_the_latents() -> None:
    """Against Adam written out, with gradients by differences of the sums."""
    batch = with_gaps(toy_batch(10, TWO))
    method = cpm(TWO, latent=2, weight=0.5, decoder_lr=0.02, latent_lr=0.05)
    begin(method, batch)
    method.fitting["latents"] = torch.randn(10, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    h, w = method.fitting["latents"].numpy().copy(), {k: v.numpy().copy() for k, v in method.decoders.named_buffers()}
    with torch.no_grad():
        x = {m: value.numpy() for m, value in method.embeddings(batch).items()}
    there, labels = {m: mask.numpy() for m, mask in batch.present.items()}, batch.labels.numpy()

    def objective(both: bool) -> float:
        total = 0.0
        for m in TWO:
            error = h @ w[f"{m}_weight0"].T + w[f"{m}_bias0"] - x[m]
            total += float((error**2).sum(axis=1)[there[m]].sum())
        for i in range(10) if both else ():
            scores = []
            for c in range(CLASSES):
                members = [j for j in range(10) if labels[j] == c and j != i]
                scores.append(np.mean([h[i] @ h[j] for j in members]))
            best = int(np.argmax(scores))
            total += 0.5 * max(0.0, (best != labels[i]) + scores[best] - scores[labels[i]])
        return total

    def gradient(values: np.ndarray, both: bool) -> np.ndarray:
        found, flat = np.zeros(values.size), values.reshape(-1)
        for place in range(values.size):
            kept = flat[place]
            ends = []
            for shift in (1e-6, -1e-6):
                flat[place] = kept + shift
                ends.append(objective(both))
            flat[place], found[place] = kept, (ends[0] - ends[1]) / 2e-6
        return found.reshape(values.shape)

    for parts, lr, both in ((list(w.values()), 0.02, False), ([h], 0.05, True)):
        moments = [(np.zeros_like(part), np.zeros_like(part)) for part in parts]
        for step in range(1, 6):
            gradients = [gradient(part, both) for part in parts]
            for place, g in enumerate(gradients):
                first, second = 0.9 * moments[place][0] + 0.1 * g, 0.999 * moments[place][1] + 0.001 * g * g
                moments[place] = first, second
                parts[place] -= lr * first / (1 - 0.9**step) / (np.sqrt(second / (1 - 0.999**step)) + 1e-8)

    method.end_epoch([batch])
    np.testing.assert_allclose(method.fitting["latents"].numpy(), h, rtol=1e-4, atol=1e-5)
    for name, value in method.decoders.named_buffers():
        np.testing.assert_allclose(value.numpy(), w[name], rtol=1e-4, atol=1e-5)
    means = np.stack([h[labels == c].mean(axis=0) for c in range(CLASSES)])
    np.testing.assert_allclose(method.means.means.numpy(), means, rtol=1e-4, atol=1e-5)


def test_at_test_a_latent_is_fitted_by_adam_to_the_reconstruction_alone() -> None:
    train, batch = with_gaps(toy_batch(24, THREE)), with_gaps(toy_batch(14, THREE, seed=2))
    method = cpm(THREE, train, hidden=5, test_steps=20, test_lr=0.03)
    with torch.no_grad():
        x = method.embeddings(batch)
        found = method.fit_latents(x, batch.present)
    h = torch.zeros(14, 8, dtype=torch.float64, requires_grad=True)
    optimizer, weights = torch.optim.Adam([h], 0.03), dict(method.decoders.named_buffers())
    for _ in range(20):
        optimizer.zero_grad()
        for m in THREE:
            hidden = h @ weights[f"{m}_weight0"].T + weights[f"{m}_bias0"]
            error = hidden @ weights[f"{m}_weight1"].T + weights[f"{m}_bias1"] - x[m]
            error[batch.present[m]].square().sum().backward()
        optimizer.step()
    torch.testing.assert_close(found, h.detach(), rtol=1e-6, atol=1e-9)
    torch.testing.assert_close(method(batch).logits, h.detach() @ method.means.means.T, rtol=1e-6, atol=1e-8)


def test_a_known_latent_is_recovered() -> None:
    method = cpm(TWO, toy_batch(24, TWO), latent=3, test_steps=3000, test_lr=0.01)
    h = torch.randn(6, 3, dtype=torch.float64)
    weights = dict(method.decoders.named_buffers())
    x = {m: h @ a.T + b for m in TWO for a, b in [method.decoders.affine(m, weights)]}
    everywhere = {m: torch.ones(6, dtype=torch.bool) for m in TWO}
    torch.testing.assert_close(method.fit_latents(x, everywhere), h, rtol=1e-3, atol=1e-3)


def test_dropout_at_test_changes_results_and_repeats_them() -> None:
    batch = toy_batch(12, THREE)
    found = {}
    for choice in ("off", "as_released"):
        method = cpm(THREE, batch, hidden=20, keep=0.6, test_dropout=choice)
        found[choice] = method(batch).logits
        assert torch.equal(method(batch).logits, found[choice])
        torch.testing.assert_close(method(batch.rows(slice(3, 4))).logits[0], found[choice][3])
    assert not torch.allclose(found["off"], found["as_released"])


def test_dropout_at_test_needs_a_hidden_layer() -> None:
    with pytest.raises(UsageError, match=r"method.test_dropout=as_released acts on a hidden layer"):
        cpm(test_dropout="as_released")


def test_it_goes_on_from_its_state() -> None:
    batch = with_gaps(toy_batch(24, THREE))
    whole, first = cpm(), cpm()
    for method in (whole, first):
        begin(method, batch)
    whole.fitting["latents"] = first.fitting["latents"] = torch.randn(24, 8, dtype=torch.float64)
    for _ in range(3):
        whole.end_epoch([batch])
    first.end_epoch([batch])
    second = cpm(seed=5)
    second.load_state_dict(first.state_dict())
    second.load_training_state(first.training_state())
    for _ in range(2):
        second.end_epoch([batch])
    assert all(torch.equal(value, second.state_dict()[key]) for key, value in whole.state_dict().items())
