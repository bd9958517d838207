"""MLA against its formulas in double precision: whose weights move in whose turn, the head's gradient, the fusion."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from avbuild.errors import UsageError
from avtrain.data.batch import Batch
from avtrain.methods.base import Method, TrainingProgress
from avtrain.methods.mla.head_gradient import ridge
from avtrain.methods.mla.mla import MLA
from avtrain.methods.registry import build_method
from tests.avtrain.training.test_fit import fit, weights
from tests.support.stopping import last_states, stopped_in
from tests.support.toys import CLASSES, WIDTH, ToyBackbone, sgd, toy_batch, toy_method

THREE = ("audio", "image", "text")
Array = NDArray[np.float64]


def absent(batch: Batch, modality: str, rows: list[int], value: float = 7.0) -> Batch:
    """The batch without a modality in these rows, where something else stands then."""
    there, inputs = batch.present[modality].clone(), batch.inputs[modality].clone()
    there[rows], inputs[rows] = False, value
    return replace(batch, present={**batch.present, modality: there}, inputs={**batch.inputs, modality: inputs})


def arrays(method: Method) -> dict[str, Array]:
    return {key: value.detach().numpy().astype(np.float64) for key, value in method.named_parameters()}


def softmax(z: Array) -> Array:
    p = np.exp(z - z.max(axis=1, keepdims=True))
    return p / p.sum(axis=1, keepdims=True)


# one step of MLA by hand


class ByHand:
    """MLA on a toy backbone with SGD: weights, velocities, and the r of all modalities that each P is made of."""

    def __init__(self, method: Method, hgm: str, lr: float = 0.1, momentum: float = 0.9, decay: float = 1e-2) -> None:
        self.w = {key: value.copy() for key, value in arrays(method).items()}
        self.v: dict[str, Array] = {}
        self.hgm, self.lr, self.momentum, self.decay = hgm, lr, momentum, decay

    def step(self, batch: Batch, progress: TrainingProgress) -> None:
        x = {m: value.numpy().mean(axis=1) for m, value in batch.inputs.items()}
        rows = {m: there.numpy() for m, there in batch.present.items() if there.any()}
        features = {m: self._features(m, x[m][rows[m]]) for m in rows}
        means = {m: h.mean(axis=0) for m, h in features.items()}
        for m in rows:
            h, y = self._features(m, x[m][rows[m]]), batch.labels.numpy()[rows[m]]
            z = h @ self.w["head.weight"].T + self.w["head.bias"]
            dz = (softmax(z) - np.eye(CLASSES)[y]) / len(y)
            dh = dz @ self.w["head.weight"]
            gradients = {"head.weight": dz.T @ h, "head.bias": dz.sum(axis=0)}
            gradients |= {f"backbone.{m}_encoder.map.weight": dh.T @ x[m][rows[m]]}
            gradients |= {f"backbone.{m}_encoder.map.bias": dh.sum(axis=0)}
            if self.hgm == "rls":
                # P^-1 gains r r^T / alpha with every r: the same recursion, inverted
                others = [np.outer(r, r) for o, r in means.items() if o != m]
                precision = np.eye(WIDTH) + sum(others, np.zeros((WIDTH, WIDTH))) / ridge(progress)
                gradients["head.weight"] = gradients["head.weight"] @ np.linalg.inv(precision)
            for key, gradient in gradients.items():
                step = gradient + self.decay * self.w[key]
                self.v[key] = step + self.momentum * self.v[key] if key in self.v else step
                self.w[key] -= self.lr * self.v[key]

    def _features(self, m: str, x: Array) -> Array:
        return x @ self.w[f"backbone.{m}_encoder.map.weight"].T + self.w[f"backbone.{m}_encoder.map.bias"]


@pytest.mark.parametrize("modalities", [("audio", "image"), THREE])
@pytest.mark.parametrize("hgm", ["off", "rls"])
def test_steps_are_those_of_the_formula(hgm: str, modalities: tuple[str, ...]) -> None:
    options = {"off": {"hgm": "off"}, "rls": {"hgm": "rls", "reset": "batch"}}[hgm]
    method = toy_method("mla", modalities, **options).train()
    expected, optimizer = ByHand(method, hgm), sgd(method)
    for step in range(4):
        batch = absent(absent(toy_batch(8, modalities, seed=step), "audio", [0, 3]), "image", [1])
        if step == 2:
            batch = absent(batch, "image", list(range(8)))
        method.progress = TrainingProgress(epoch=1, epochs=1, step=step, steps=4)
        method.training_step(batch, optimizer)
        expected.step(batch, method.progress)
    for key, value in arrays(method).items():
        np.testing.assert_allclose(value, expected.w[key], rtol=1e-5, atol=1e-6, err_msg=key)  # the loss: float32


# whose turn it is


def moved_in_each_turn(
    method: Method, batch: Batch, optimizer: torch.optim.Optimizer, monkeypatch: pytest.MonkeyPatch
) -> list[set[str]]:
    """Modalities whose encoder, or what the optimizer keeps of it, is not bit for bit what it was."""

    def kept() -> dict[str, list[Tensor]]:
        return {
            m: [
                value.clone()
                for p in method.encoder_parameters(m)
                for value in (p.detach(), *(x for x in optimizer.state.get(p, {}).values() if isinstance(x, Tensor)))
            ]
            for m in method.backbone.modalities
        }

    def watched(self: Method, optimizer: torch.optim.Optimizer) -> None:
        before = kept()
        update(self, optimizer)
        after = kept()
        same = {m: len(before[m]) == len(after[m]) and all(map(torch.equal, before[m], after[m])) for m in before}
        turns.append({m for m in same if not same[m]})

    turns: list[set[str]] = []
    with monkeypatch.context() as patch:
        update = MLA.update
        patch.setattr(MLA, "update", watched)
        method.training_step(batch, optimizer)
    return turns


@pytest.mark.parametrize("adam", [False, True], ids=["sgd", "adamw"])
@pytest.mark.parametrize("hgm", ["off", "rls", "as_released"])
def test_an_encoder_moves_in_its_own_turn_alone(hgm: str, adam: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    method, batch = toy_method("mla", THREE, hgm=hgm).train(), toy_batch(8, THREE)
    optimizer = torch.optim.AdamW(method.parameter_groups(0.1), weight_decay=0.1) if adam else sgd(method)
    for _ in range(3):  # with momentum from before
        assert moved_in_each_turn(method, batch, optimizer, monkeypatch) == [{"audio"}, {"image"}, {"text"}]
    gone = absent(batch, "image", list(range(8)))
    assert moved_in_each_turn(method, gone, optimizer, monkeypatch) == [{"audio"}, {"text"}]


def test_the_loss_told_is_the_sum_over_the_turns() -> None:
    method, batch = toy_method("mla").train(), absent(toy_batch(), "image", list(range(8)))
    audio = method(batch).per_modality["audio"].detach()  # image has no turn
    torch.testing.assert_close(method.training_step(batch, sgd(method)), cross_entropy(audio.float(), batch.labels))


@pytest.mark.parametrize("hgm", ["rls", "as_released"])
def test_what_stands_in_absent_rows_trains_nothing(hgm: str) -> None:
    found = []
    for value in (7.0, -1e3):
        method = toy_method("mla", hgm=hgm).train()
        optimizer = sgd(method)
        for seed in range(2):
            method.training_step(absent(toy_batch(seed=seed), "image", [0, 5], value), optimizer)
        found.append(method.state_dict())
    assert all(torch.equal(found[0][key], found[1][key]) for key in found[0])


class SharingBackbone(ToyBackbone):
    """A map behind both encoders, as CAV-MAE's joint block is."""

    def __init__(self) -> None:
        super().__init__()
        self.joint = nn.Linear(WIDTH, WIDTH)

    def pool_unimodal(self, tokens: dict[str, Tensor]) -> dict[str, Tensor]:
        return {m: self.joint(x.mean(dim=1)) for m, x in tokens.items()}


def test_what_encoders_share_is_read_anew_in_each_turn() -> None:
    torch.manual_seed(0)
    methods = [build_method("mla", {"hgm": "off"}, SharingBackbone(), CLASSES, 1).double() for _ in range(2)]
    methods[1].load_state_dict(methods[0].state_dict())
    batch = toy_batch()
    methods[0].training_step(batch, sgd(methods[0]))
    optimizer = sgd(methods[1])
    for m in ("audio", "image"):
        optimizer.zero_grad()
        logits = methods[1](batch).per_modality[m]
        nn.functional.cross_entropy(logits.float(), batch.labels).backward()
        optimizer.step()
    for key, value in methods[0].state_dict().items():
        torch.testing.assert_close(value, methods[1].state_dict()[key])


def test_under_autocast_the_second_turn_has_the_head_of_the_first() -> None:
    torch.manual_seed(0)
    method = build_method("mla", {}, ToyBackbone(), CLASSES, 1).train()
    batch = toy_batch()
    batch = replace(batch, inputs={m: x.float() for m, x in batch.inputs.items()})
    seen: list[tuple[Tensor, Tensor]] = []

    def watch(head: nn.Linear, inputs: tuple[Tensor], output: Tensor) -> None:
        now = nn.functional.linear(*(x.detach().bfloat16() for x in (inputs[0], head.weight, head.bias)))
        seen.append((output.detach(), now))

    method.get_submodule("head").register_forward_hook(watch)  # type: ignore[arg-type]
    with torch.autocast("cpu", torch.bfloat16):
        method.training_step(batch, sgd(method, lr=5.0))
    assert len(seen) == 2
    for output, now in seen:
        assert torch.equal(output, now)
    projectors = [value for key, value in method.state_dict().items() if key.startswith("head_gradient.projectors")]
    assert [projector.dtype for projector in projectors] == [torch.float64] * 2


def test_as_released_is_no_projection() -> None:
    method = toy_method("mla", hgm="as_released").train()
    for seed in range(5):
        method.training_step(toy_batch(seed=seed), sgd(method))
    projector = method.get_buffer("head_gradient.projectors.0.matrix")
    assert projector.norm() == pytest.approx(1.0)
    assert not torch.allclose(projector, projector.T, atol=1e-3)
    assert torch.linalg.eigvalsh((projector + projector.T) / 2).min() < -1e-3


def as_released_by_hand(projector: Array, r: Array, alpha: float) -> Array:
    """P after an update by the released formula."""
    k = projector @ r
    updated = projector - np.outer(k, k) / (alpha + np.outer(k, r))
    return np.asarray(updated / np.sqrt((updated**2).sum()))


def test_as_released_every_gradient_of_a_training_is_that_of_the_formula(monkeypatch: pytest.MonkeyPatch) -> None:
    method, steps = toy_method("mla", hgm="as_released").train(), 50
    optimizer, calls = sgd(method, lr=1e-3), 0
    backward, update, head = MLA.backward, MLA.update, method.get_parameter("head.weight")
    before: list[Array] = []  # gradient of the head and P, in this turn

    def watched_backward(self: Method, loss: Tensor, optimizer: torch.optim.Optimizer) -> None:
        backward(self, loss, optimizer)
        assert head.grad is not None
        before[:] = [x.numpy().copy() for x in (head.grad, method.get_buffer("head_gradient.projectors.0.matrix"))]

    def watched_update(self: Method, optimizer: torch.optim.Optimizer) -> None:
        nonlocal calls
        gradient, projector = before
        if calls > 0:  # the guard of the code is a counter of calls, which starts at 0
            r = features[method.backbone.modalities[calls % 2]].mean(dim=0).numpy()
            # from P as it was, since the recursion enlarges rounding errors without limit
            projector = as_released_by_hand(projector, r, 0.1 ** (1 + method.progress.step / steps))
            gradient = gradient @ projector.T
        assert head.grad is not None
        np.testing.assert_allclose(head.grad.numpy(), gradient, rtol=1e-8, atol=1e-12)
        calls += 1
        update(self, optimizer)

    monkeypatch.setattr(MLA, "backward", watched_backward)
    monkeypatch.setattr(MLA, "update", watched_update)
    for step in range(4 * steps):
        method.progress = TrainingProgress(1 + step // steps, 4, step % steps, steps)
        batch = toy_batch(seed=step)
        with torch.no_grad():
            features = method.features(batch)
        method.training_step(batch, optimizer)
    assert calls == 400


def test_without_the_repair_the_released_code_does_nothing() -> None:
    states = {}
    for hgm in ("off", "as_released_unrepaired", "as_released", "rls"):
        method = toy_method("mla", hgm=hgm).train()
        optimizer = sgd(method)
        for seed in range(3):
            method.training_step(toy_batch(seed=seed), optimizer)
        states[hgm] = method.state_dict()
    nothing = states["as_released_unrepaired"].pop("head_gradient.projectors.0.matrix")
    assert torch.equal(nothing, torch.eye(WIDTH, dtype=torch.float64))
    assert states["off"].keys() == states["as_released_unrepaired"].keys()
    assert all(torch.equal(value, states["as_released_unrepaired"][key]) for key, value in states["off"].items())
    for hgm in ("as_released", "rls"):
        assert not torch.allclose(states["off"]["head.weight"], states[hgm]["head.weight"], atol=1e-3)


def test_what_is_published_is_what_fixed_takes() -> None:
    for modalities, shares in ((("video", "audio"), (0.45, 0.55)), (THREE, (0.35, 0.25, 0.4))):
        prediction = toy_method("mla", modalities, fusion="fixed")(toy_batch(4, modalities))
        logits = prediction.per_modality.values()
        expected = sum(share * z for share, z in zip(shares, logits, strict=True))
        torch.testing.assert_close(prediction.logits, expected.float())  # type: ignore[union-attr]


# options


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"hgm": "owm"}, "hgm: .*'rls'.*'owm'"),
        ({"hgm": "off", "reset": "epoch"}, r"method\.reset: for hgm: rls, not off"),
        ({"hgm": "as_released", "direction": "others", "scaling": "none"}, r"method\.direction, method\.scaling: for"),
        ({"weights": {"audio": 1.0, "image": 1.0}}, r"method\.weights is for fusion: fixed, not entropy"),
        ({"fusion": "fixed", "weights": {"audio": 1.0}}, "has audio; fusion: fixed needs one for each of audio, image"),
        ({"fusion": "fixed", "weights": {"audio": 1.0, "image": 0.0}}, "weights.image: .*greater than 0"),
        ({"fusion": "fixed", "weights": {"audio": 1, "image": 1, "smell": 1}}, "and no other"),
    ],
)
def test_a_wrong_option_is_explained(options: dict[str, object], expected: str) -> None:
    with pytest.raises(UsageError, match=expected):
        toy_method("mla", **options)


def test_weights_that_nobody_published_must_be_given() -> None:
    with pytest.raises(UsageError, match=r"no weights are published for these; .* each of audio, smell"):
        toy_method("mla", ("audio", "smell"), fusion="fixed")


def test_off_may_be_written_as_yaml_reads_it() -> None:
    assert toy_method("mla", hgm=False).config.hgm == "off"  # type: ignore[union-attr]


# runs


@pytest.mark.parametrize("options", [{"reset": "never"}, {"hgm": "as_released"}])
def test_stopped_and_resumed_it_ends_with_the_same_weights(
    small_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: dict[str, str]
) -> None:
    chosen = [f"--set=method.{key}={value}" for key, value in options.items()]
    arguments = (small_data / "manifest.yaml", "--method", "mla", "--epochs", 2, *chosen)
    manifest, *more = arguments
    run = Path("urbansound8k-av-mla-tiny", "seed0")
    with stopped_in(epoch=1):
        fit(manifest, tmp_path / "stopped", *more)
    with last_states() as last:
        whole = fit(manifest, tmp_path / "whole", *more) / run
        resumed = fit(manifest, tmp_path / "stopped", *more) / run
    states = [last[path]["method"] for path in (whole, resumed)]
    assert states[0].keys() == states[1].keys()
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])
    assert not torch.equal(states[0]["head_gradient.projectors.0.matrix"], torch.eye(24, dtype=torch.float64))
    assert all(torch.equal(value, weights(resumed)[key]) for key, value in weights(whole).items())
