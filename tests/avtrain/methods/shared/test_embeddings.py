"""Methods on embeddings: statistics of the training split alone, absent modalities, and what all of them promise."""

from dataclasses import replace

import pytest
import torch

from avbuild.errors import UsageError
from avtrain.backbones.registry import build_backbone
from avtrain.data.batch import Batch
from avtrain.methods.base import TrainingProgress
from avtrain.methods.registry import METHODS
from avtrain.methods.shared.embeddings import EmbeddingMethod
from tests.avtrain.methods.test_all_methods import SMALL, batch_of
from tests.support.embedded import THREE, TWO, begin, embedding_method, numbers, trained, with_gaps
from tests.support.toys import CLASSES, INPUTS, toy_batch, toy_method, train

ON_EMBEDDINGS = [name for name, method in METHODS.items() if issubclass(method, EmbeddingMethod)]
MADE_OF_PAIRS = ("cca", "dcca", "dccae")


def alone(batch: Batch, index: int) -> Batch:
    return batch.rows(slice(index, index + 1))


@pytest.mark.parametrize("modalities", [TWO, THREE])
@pytest.mark.parametrize("name", ON_EMBEDDINGS)
class TestEveryOne:
    def test_every_pattern_of_presence_gets_a_finite_answer_that_depends_on_nothing_else(
        self, name: str, modalities: tuple[str, ...]
    ) -> None:
        method, batch = trained(name, modalities), with_gaps(toy_batch(14, modalities, seed=2))
        with torch.no_grad():
            whole = method(batch).logits
            single = torch.cat([method(alone(batch, i)).logits for i in range(14)])
            noise = {m: x.where(batch.present[m][:, None, None], 99.0) for m, x in batch.inputs.items()}
            other = method(replace(batch, inputs=noise)).logits
        assert whole.shape == (14, CLASSES)
        assert whole.isfinite().all()
        torch.testing.assert_close(single, whole)
        assert torch.equal(other, whole)

    def test_every_modality_counts(self, name: str, modalities: tuple[str, ...]) -> None:
        method, batch = trained(name, modalities), toy_batch(14, modalities, seed=2)
        with torch.no_grad():
            complete = method(batch).logits
            for m in modalities:
                without = replace(batch, present={**batch.present, m: torch.zeros(14, dtype=torch.bool)})
                assert not torch.allclose(method(without).logits, complete)

    def test_what_absent_rows_hold_trains_nothing(self, name: str, modalities: tuple[str, ...]) -> None:
        results = []
        for fill in (0.0, 99.0):
            batch = with_gaps(toy_batch(24, modalities))
            inputs = {m: x.where(batch.present[m][:, None, None], fill) for m, x in batch.inputs.items()}
            batch, method = replace(batch, inputs=inputs), embedding_method(name, modalities)
            begin(method, batch)
            torch.manual_seed(3)
            train(method.train(), batch, torch.optim.AdamW(method.parameter_groups(1e-2)), 3)
            method.eval()
            method.end_epoch([batch])
            results.append(method.state_dict())
        assert all(torch.equal(value, results[1][key]) for key, value in results[0].items())

    def test_the_backbone_stays_as_it_is(self, name: str, modalities: tuple[str, ...]) -> None:
        method, batch = embedding_method(name, modalities), toy_batch(24, modalities)
        before = {key: value.clone() for key, value in method.state_dict().items()}
        begin(method, batch)
        train(method.train(), batch, torch.optim.AdamW(method.parameter_groups(1e-2)), 3)
        moved = {key for key, value in method.state_dict().items() if not torch.equal(value, before[key])}
        assert moved
        assert not any(key.startswith("backbone.") for key in moved)


@pytest.mark.parametrize("name", ON_EMBEDDINGS)
def test_mixed_precision_changes_little(name: str) -> None:
    batch = with_gaps(toy_batch(24, THREE))
    batch = replace(batch, inputs={m: x.float() for m, x in batch.inputs.items()})
    found = []
    for enabled in (False, True):
        method = toy_method(name, THREE).float()
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            method.begin_training([batch])
            method.progress = TrainingProgress(1, 1, 0, 4)  # with a single step, a teacher leaves none to its student
            torch.manual_seed(0)
            loss = method.train().training_step(batch, torch.optim.AdamW(method.parameter_groups(1e-4)))
            method.eval()
            method.end_epoch([batch])
        assert all(value.isfinite().all() for value in method.state_dict().values())
        assert {value.dtype for value in method.fitted_values()} == {torch.float32}
        found.append(float(loss))
    assert found[1] == pytest.approx(found[0], rel=0.1, abs=0.05)


@pytest.mark.parametrize("name", [name for name in ON_EMBEDDINGS if "frozen" in METHODS[name].Config.model_fields])
def test_a_backbone_that_is_not_frozen_is_trained(name: str) -> None:
    method, batch = toy_method(name, THREE, frozen=False).train(), toy_batch(24, THREE)
    method.begin_training([batch])
    method.train()
    before = {key: value.clone() for key, value in method.state_dict().items()}
    train(method, batch, torch.optim.AdamW(method.parameter_groups(1e-2)), 3)
    method.eval()
    method.end_epoch([batch])
    moved = {key for key, value in method.state_dict().items() if not torch.equal(value, before[key])}
    assert {f"backbone.{m}_encoder.map.weight" for m in THREE} <= moved
    assert method(batch).logits.isfinite().all()
    assert method.reading is None


@pytest.mark.parametrize("name", MADE_OF_PAIRS)
def test_one_modality_is_no_pair(name: str) -> None:
    with pytest.raises(UsageError, match=f"method {name} needs at least 2 modalities, but these data have 1: audio"):
        toy_method(name, ("audio",))


@pytest.mark.parametrize("name", [name for name in ON_EMBEDDINGS if name not in MADE_OF_PAIRS])
def test_one_modality_is_enough_for_the_others(name: str) -> None:
    assert trained(name, ("audio",))(toy_batch(5, ("audio",))).logits.isfinite().all()


def test_features_are_standardised_over_the_samples_that_have_the_modality() -> None:
    batch = with_gaps(toy_batch(40, THREE))
    method = embedding_method("cca", THREE, batch)
    for m, x in numbers(method, batch).items():
        there = batch.present[m]
        assert 0 < there.sum() < 40
        raw = method.backbone.encoder(m)(batch.inputs[m]).mean(dim=1).detach()
        mean, std = raw[there].mean(dim=0), raw[there].std(dim=0, correction=0)
        torch.testing.assert_close(x[there], (raw[there] - mean) / std)
        assert not x[~there].any()  # the mean of the training split, standardised


def test_other_data_do_not_change_the_statistics() -> None:
    batch = with_gaps(toy_batch(40, THREE))
    method = embedding_method("cca", THREE, batch)
    before = {key: value.clone() for key, value in method.state_dict().items()}
    far = {m: 5 + 3 * x for m, x in toy_batch(40, THREE, seed=9).inputs.items()}
    with torch.no_grad():
        moved = method(replace(batch, inputs=far)).logits
        again = method(replace(batch, inputs=far)).logits
    assert torch.equal(moved, again)
    assert all(torch.equal(value, before[key]) for key, value in method.state_dict().items())


def test_the_order_and_the_size_of_the_batches_do_not_matter() -> None:
    batch = with_gaps(toy_batch(40, THREE))
    one, several = embedding_method("cca", THREE, batch), embedding_method("cca", THREE)
    parts = [batch.rows(slice(25, 40)), batch.rows(slice(0, 1)), batch.rows(slice(1, 25))]
    several.begin_training(parts)
    several.end_epoch(parts)
    torch.testing.assert_close(several(batch).logits, one(batch).logits)
    found = several.embed_all(parts)
    assert found.ids == tuple(name for part in parts for name in part.ids)
    assert torch.equal(found.labels, torch.cat([part.labels for part in parts]))
    torch.testing.assert_close(found.values["text"][15], numbers(several, batch)["text"][0])


def test_a_constant_feature_and_a_modality_that_nobody_has_stay_finite() -> None:
    batch = toy_batch(12, THREE)
    batch = replace(
        batch,
        inputs={**batch.inputs, "image": torch.ones(12, 2, INPUTS, dtype=torch.float64)},
        present={**batch.present, "text": torch.zeros(12, dtype=torch.bool)},
    )
    method = embedding_method("cca", THREE, batch)
    assert numbers(method, batch)["image"].abs().max() < 1e-6
    assert all(value.isfinite().all() for value in method.state_dict().values())
    assert method(batch).logits.isfinite().all()


def test_the_tokens_that_are_cached_are_as_few_as_hold_the_embedding() -> None:
    torch.manual_seed(0)
    method = METHODS["ae"](build_backbone("tiny", SMALL), CLASSES, 1, METHODS["ae"].Config())  # type: ignore[call-arg]
    assert isinstance(method, EmbeddingMethod)
    assert method.reading is not None
    batch = batch_of(4)
    cached = replace(batch, inputs={}, tokens=method.backbone.encode_frozen(batch, method.reading))
    assert {m: x.shape[1] for m, x in cached.tokens.items()} == {"audio": 1, "image": 2}  # class token and patches
    whole = method.backbone.pool_unimodal(method.backbone.encode(batch))
    for m, x in method.pooled(cached).items():
        torch.testing.assert_close(x, whole[m])
        assert x.shape[1] == method.widths[m]
