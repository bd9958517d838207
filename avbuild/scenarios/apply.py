"""Execute the plan of a sample: corrupt its signals, or the features that a front end made of them."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from avbuild.corruptions import MISSING
from avbuild.corruptions.registry import Domain
from avbuild.errors import UserError
from avbuild.modalities.base import Signal
from avbuild.modalities.registry import MODALITIES
from avbuild.plugins.source import DIGITS
from avbuild.scenarios.noise_clips import noise_clips
from avbuild.scenarios.op_spec import Op
from avbuild.scenarios.plan import SamplePlan
from avbuild.scenarios.seeding import rng_for


def corrupt(plan: SamplePlan, signals: Mapping[str, Signal]) -> tuple[dict[str, Signal | None], dict[str, Any]]:
    """Execute a plan on the signals of a sample; ops on features are left to `corrupt_features`.

    Args:
        plan: of this sample.
        signals: modality -> audio float32 [samples], image uint8 [H, W, 3], video uint8 [F, H, W, 3] or text str; at
            least those that `plan.reads`.

    Returns the signals, quantised as they would be on disk (None where missing, the same object where unchanged), and
    the record that re-creates them, empty where nothing was done.

    Raises UserError for NaN or infinite samples.
    """
    results: dict[str, Signal | None] = dict(signals)
    record: dict[str, Any] = {}
    for modality in sorted(plan.missing):
        what = plan.fill(modality)
        if what == "null":
            results[modality], record[modality] = None, MISSING
        else:
            results[modality] = _fill(plan, modality, signals[modality], what)
            record[modality] = {MISSING: what}
    for modality in plan.ops:
        if plan.reads(modality):
            _check_finite(plan, modality, signals[modality])
            results[modality], record[modality] = _corrupt_one(plan, modality, signals[modality])
    if not record:
        return results, {}
    key = plan.condition
    drawn = {"scenario": key.draws_as, "seed": key.seed} | ({"epoch": plan.epoch} if plan.epoch else {})
    return results, drawn | record


def corrupt_features(plan: SamplePlan, modality: str, features: Signal) -> Signal:
    """Apply the feature ops of a plan to what a front end made of a modality.

    Args:
        plan: of this sample.
        modality: whose features they are.
        features: audio float32 [frames, bins], image float32 [3, H, W] or video float32 [F, 3, H, W]; all frames of a
            video draw the same random numbers.

    Returns features of the same shape.
    """
    record = MODALITIES[modality]
    return record.join([_apply_feature_ops(plan, modality, frame) for frame in record.frames(features)])


def _apply_feature_ops(plan: SamplePlan, modality: str, features: Signal) -> Signal:
    for _, op, level, rng in steps_of(plan, modality, "feature", features):
        features = op.corruption.apply(features, level, rng)
    return features


def steps_of(
    plan: SamplePlan, modality: str, domain: Domain, signal: Signal
) -> Iterator[tuple[int | None, Op, tuple[float, ...], np.random.Generator]]:
    """Yield severity, op, level and generator of each op of one domain, in order."""
    key = plan.condition
    for index, (op, severity) in enumerate(plan.ops[modality]):
        if op.corruption.domain == domain:
            level = tuple(op.level.values()) if op.level is not None else op.corruption.level(severity or 0, signal)
            rng = rng_for(
                seed=key.seed, scenario=key.draws_as, sample=plan.sample, modality=modality, op=index, epoch=plan.epoch
            )
            yield severity, op, level, rng


def _corrupt_one(plan: SamplePlan, modality: str, signal: Signal) -> tuple[Signal, list[dict[str, Any]]]:
    """Return the corrupted and quantised signal of a modality, and the record of each op."""
    original, record = signal, MODALITIES[modality]
    # each frame of a video gets new generators of the same seeds, so that an occlusion stays at its place
    frames = [_corrupt_frame(plan, modality, frame) for frame in record.frames(signal)]
    signal, steps = record.join([frame for frame, _ in frames]), frames[0][1]
    signal, gain = record.quantise(signal)
    if gain != 1.0:
        steps[-1]["gain"] = gain
    if record.equal(signal, original):
        steps[-1]["unchanged"] = True  # such as noise on a silent clip, or a shift by zero
        return original, steps
    return signal, steps


def _corrupt_frame(plan: SamplePlan, modality: str, signal: Signal) -> tuple[Signal, list[dict[str, Any]]]:
    """Return a clip, an image or one frame after all its ops, and the record of each op."""
    steps = []
    for severity, op, level, rng in steps_of(plan, modality, "signal", signal):
        resources = {} if op.clips is None else {"clips": noise_clips(op.clips)}
        signal = op.corruption.apply(signal, level, rng, **resources)
        step: dict[str, Any] = {"op": op.name, "version": op.corruption.version}
        step |= dict(zip(op.corruption.parameters, level, strict=True))
        if op.corruption.plugin is not None:
            step["plugin"] = op.corruption.plugin.digest[:DIGITS]
        step |= {} if severity is None else {"severity": severity}
        steps.append(step | ({} if op.clips is None else {"clips": op.clips}))
    return signal, steps


def _fill(plan: SamplePlan, modality: str, signal: Signal, what: str) -> Signal:
    """Return what replaces a missing signal; all frames of a video are alike."""
    key, record = plan.condition, MODALITIES[modality]

    def fill_frame(frame: Signal) -> Signal:
        rng = rng_for(
            seed=key.seed, scenario=key.draws_as, sample=plan.sample, modality=modality, op="fill", epoch=plan.epoch
        )
        return record.fill_one(frame, what, rng)

    return record.quantise(record.join([fill_frame(frame) for frame in record.frames(signal)]))[0]


def _check_finite(plan: SamplePlan, modality: str, signal: Signal) -> None:
    if not MODALITIES[modality].finite(signal):
        raise UserError(f"sample {plan.sample}: its {modality} holds NaN or infinite values; leave its source out")
