"""TATE against its formulas: tags, divergences, what the teacher sees, and the options as released."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
import torch
from torch import Tensor

from avbuild.errors import UsageError
from avtrain.data.batch import Batch
from avtrain.methods.base import TrainingProgress
from avtrain.methods.tate import tate
from avtrain.methods.tate.network import tag_of
from avtrain.methods.tate.tate import TATE, divergence
from tests.support.embedded import THREE, TWO, with_gaps
from tests.support.toys import CLASSES, WIDTH, toy_batch, toy_method, train

SMALL = {"width": 8, "heads": 2}


def tagged(modalities: tuple[str, ...] = THREE, **options: object) -> TATE:
    method = toy_method("tate", modalities, **{**SMALL, **options})
    assert isinstance(method, TATE)
    method.progress = TrainingProgress(4, 4, 0, 1)
    return method.eval()


def kl_both_ways(a: Tensor, b: Tensor) -> np.ndarray:
    """Return the divergence of every sample from its definition."""
    p, q = (np.exp(x) / np.exp(x).sum(axis=2, keepdims=True) for x in (a.detach().numpy(), b.detach().numpy()))
    found: np.ndarray = ((p * np.log(p / q)).sum(axis=2) + (q * np.log(q / p)).sum(axis=2)).mean(axis=1)
    return found


def test_a_tag_says_whether_several_are_missing_and_which() -> None:
    rows = [(1, 1, 1), (0, 1, 1), (1, 0, 1), (1, 1, 0), (0, 1, 0)]
    present = {m: torch.tensor([bool(row[i]) for row in rows]) for i, m in enumerate(THREE)}
    assert tag_of(present).tolist() == [[0, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1], [1, 1, 0, 1]]


@pytest.mark.parametrize("count", [2, 3, 4])
def test_every_set_of_modalities_has_a_tag_of_its_own(count: int) -> None:
    rows = [row for row in product([True, False], repeat=count) if any(row)]
    tags = tag_of({str(i): torch.tensor([row[i] for row in rows]) for i in range(count)})
    assert tags.shape == (2**count - 1, 1 + count)
    assert len({tuple(row) for row in tags.tolist()}) == len(rows)


def test_the_divergence_is_kl_in_both_directions() -> None:
    torch.manual_seed(0)
    a, b = torch.randn(5, 3, 4), torch.randn(5, 3, 4)
    np.testing.assert_allclose(divergence(a, b).numpy(), kl_both_ways(a, b), rtol=1e-5)
    assert divergence(a, a + 2).abs().max() < 1e-6  # softmaxes are the same


@pytest.mark.parametrize("modalities", [TWO, THREE])
@pytest.mark.parametrize("teacher", ["complete", "as_released"])
def test_the_loss_is_all_five_parts(modalities: tuple[str, ...], teacher: str, monkeypatch: pytest.MonkeyPatch) -> None:
    weights = {"guidance": 0.3, "reconstruction": 0.2, "tag": 0.7, "l2": 0.01}
    method, batch = tagged(modalities, teacher=teacher, **weights), with_gaps(toy_batch(14, modalities))
    method.saw_complete = True
    drawn = {m: mask & ~((torch.arange(14) % 3 == i) & (torch.arange(14) % 2 == 0)) for i, (m, mask) in
             enumerate(batch.present.items())}  # fmt: skip
    empty = ~torch.stack(list(drawn.values())).any(dim=0)
    drawn = {m: mask | (empty & batch.present[m]) for m, mask in drawn.items()}
    monkeypatch.setattr(tate, "draw_subsets", lambda *_, **__: drawn)
    shown = drawn if teacher == "complete" else batch.present
    tokens = method.tokens(batch)
    _, guide = method.teacher["encoder"](tokens, batch.present)
    joint, encoded = method.encoder(tokens, shown)
    decoded = method.decoder(encoded)
    complete = torch.stack(list(batch.present.values())).all(dim=0).numpy()
    assert 0 < complete.sum() < 14
    guided = kl_both_ways(guide, encoded)

    w, b = (p.detach().numpy() for p in method.classifier.parameters())
    z = encoded.detach().numpy().mean(axis=1) @ w.T + b
    expected = np.mean(np.log(np.exp(z).sum(axis=1)) - z[np.arange(14), batch.labels.numpy()])
    expected += 0.3 * (guided[complete] if teacher == "complete" else guided).mean()
    expected += 0.2 * kl_both_ways(joint, decoded[:, :-1]).mean()
    digits = 1 / (1 + np.exp(-method.tag(decoded[:, -1]).detach().numpy()))
    expected += 0.7 * np.abs(digits - tag_of(shown).numpy()).mean() + 0.01 * (w**2).sum()
    assert method.loss(batch).item() == pytest.approx(expected, rel=1e-5)


def test_joint_tokens_are_those_of_all_pairs_and_one_for_the_tag() -> None:
    method, batch = tagged(), toy_batch(4, THREE)
    joint, encoded = method.encoder(method.tokens(batch), batch.present)
    assert joint.shape == (4, 12, 8)  # three pairs of two modalities with two tokens each
    assert encoded.shape == (4, 13, 8)


def test_the_teacher_of_the_released_code_sees_no_more_than_the_student() -> None:
    """What stands in a hidden modality reaches the loss through a teacher of complete samples only."""
    batch = toy_batch(12, THREE)
    found = {}
    for teacher in ("complete", "as_released"):
        method = tagged(teacher=teacher, dropout=0)
        method.saw_complete = True
        torch.manual_seed(0)
        found[teacher] = method.loss(batch).item()
    assert found["complete"] != found["as_released"]
    method = tagged(teacher="as_released", dropout=0)
    method.start_student()
    tokens = method.tokens(batch)
    _, guide = method.teacher["encoder"](tokens, batch.present)
    _, encoded = method.encoder(tokens, batch.present)
    assert divergence(guide, encoded).max() == 0  # so at first there is nothing to learn from it


def test_as_released_the_teacher_also_learns_from_incomplete_samples() -> None:
    losses = {}
    for teacher in ("complete", "as_released"):
        method, batch = tagged(teacher=teacher), with_gaps(toy_batch(14, THREE))
        method.progress = TrainingProgress(1, 4, 0, 1)
        losses[teacher] = method.loss(batch).item()
    assert losses["complete"] != losses["as_released"]


def alone(batch: Batch, index: int) -> Batch:
    return batch.rows(slice(index, index + 1))


@pytest.mark.parametrize("modalities", [TWO, THREE])
def test_every_pattern_of_presence_gets_an_answer_that_depends_on_nothing_else(modalities: tuple[str, ...]) -> None:
    method, batch = tagged(modalities), with_gaps(toy_batch(14, modalities))
    train(method.train(), batch, torch.optim.AdamW(method.parameter_groups(1e-2)), steps=8)
    method.eval()
    with torch.no_grad():
        whole = method(batch).logits
        single = torch.cat([method(alone(batch, i)).logits for i in range(14)])
        noise = {m: x.where(batch.present[m][:, None, None], 99.0) for m, x in batch.inputs.items()}
        other = method(replace(batch, inputs=noise)).logits
        assert whole.shape == (14, CLASSES)
        torch.testing.assert_close(single, whole)
        torch.testing.assert_close(other, whole)
        for m in modalities:
            gone = {**batch.present, m: torch.zeros(14, dtype=torch.bool)}
            assert not torch.allclose(method(replace(batch, present=gone)).logits, whole)


def test_dropout_is_off_at_test_unless_as_released() -> None:
    batch = toy_batch(8, THREE)
    plain, released = tagged(), tagged(test_dropout="as_released")
    released.load_state_dict(plain.state_dict())
    for method in (plain, released):
        before = torch.get_rng_state()
        assert torch.equal(method(batch).logits, method(batch).logits)  # with a fixed seed
        assert torch.equal(torch.get_rng_state(), before)
    assert not torch.allclose(plain(batch).logits, released(batch).logits)
    swapped = batch.rows(slice(1, 8))
    assert not torch.allclose(released(swapped).logits, released(batch).logits[1:])  # it depends on the batch


def test_a_learned_backbone_gives_the_same_number_of_tokens() -> None:
    method, batch = tagged(frozen=False, tokens=1), toy_batch(4, THREE)
    assert {x.shape for x in method.tokens(batch).values()} == {(4, 1, WIDTH)}


def test_bad_options_are_refused() -> None:
    with pytest.raises(UsageError, match=r"method.heads is 3, but must divide method.width, 8"):
        tagged(heads=3)
    with pytest.raises(UsageError, match=r"tate needs at least 2 modalities, but these data have 1: audio"):
        tagged(("audio",))
