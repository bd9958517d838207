"""`avbuild.corrupt`: one corruption of one signal, as a data set would hold it."""

import operator
from collections.abc import Mapping
from copy import copy
from pathlib import Path
from typing import Any, SupportsFloat, TypeVar

from pydantic import ValidationError

from avbuild.api.audio_arrays import require_rate
from avbuild.api.signals import take_signal
from avbuild.corruptions.registry import corruptions_of
from avbuild.errors import UsageError
from avbuild.modalities.registry import MODALITIES
from avbuild.scenarios.apply import corrupt as apply_plan
from avbuild.scenarios.plan import Condition, plan_sample
from avbuild.scenarios.spec import Scenario

AnySignal = TypeVar("AnySignal")


def corrupt(
    signal: AnySignal,
    name: str,
    *,
    id: str,
    severity: int | None = None,
    level: float | Mapping[str, float] | None = None,
    seed: int = 0,
    rate: int | None = None,
    scenario: str = "python",
    clips: str | Path | None = None,
) -> tuple[AnySignal, dict[str, Any]]:
    """Corrupt one signal: the same bits for the same arguments, on any machine and in any order.

    A data set corrupted by `avbuild corrupt` holds these bits for the same id, seed, scenario name and corruption.

    >>> import avbuild, numpy as np
    >>> tone = np.sin(np.arange(16_000) / 20).astype(np.float32) / 2
    >>> noisy, record = avbuild.corrupt(tone, "gaussian_noise", severity=3, id="clip-7", rate=16_000)
    >>> noisy.shape, noisy.dtype.name
    ((16000,), 'float32')
    >>> record
    {'scenario': 'python', 'seed': 0, 'audio': [{'op': 'gaussian_noise', 'version': 2, 'snr_db': 10.0, 'severity': 3}]}

    Args:
        signal: audio float32, float64 (full scale 1.0) or int16, [samples], [1, samples] or [samples, 1]; an image
            uint8 [height, width, 3]; or a video uint8 [frames, height, width, 3].  A NumPy array, a PyTorch tensor, or
            for visual signals a PIL image in mode RGB, or a list of images.  A str is a text.
        name: of the corruption; `avbuild scenarios` lists them.
        id: of the sample; other ids get other random draws.
        severity: 1 to 5.
        level: instead of a severity, a value for each parameter, such as {"snr_db": 7.5}; a number where there is one.
        seed: of the random draws.
        rate: sample rate of audio in Hz, which must be 16,000.
        scenario: name that the random draws depend on, as those of a data set depend on the name of its scenario.
        clips: folder of recordings, for corruptions that need one.

    Returns:
        The corrupted signal, of the same kind, type, shape and device, rounded as it would be stored (16-bit audio,
        8-bit images, text in NFC); and what was done, as the column `corruption` of a data set holds it.

    Raises:
        UsageError: says what is wrong with the signal or the arguments, and what is allowed.
    """
    _check_text("id", id)
    _check_text("scenario", scenario)
    given = take_signal(signal, rate)
    _check_rate(given.modality, rate)
    spec = _scenario(given.modality, name, severity, level, clips)
    plan = plan_sample(Condition(spec, scenario, _whole("seed", seed)), id, [given.modality])
    results, record = apply_plan(plan, {given.modality: given.signal})
    result = results[given.modality]
    assert result is not None  # nothing goes missing under this scenario
    return given.restore(copy(result) if result is given.signal else result), record


def _scenario(modality: str, name: object, severity: object, level: object, clips: str | Path | None) -> Scenario:
    """Return the scenario with one op.  Raises UsageError for an op that cannot be."""
    _check_text("name", name)
    written: dict[str, Any] = {} if clips is None else {"clips": str(Path(clips).expanduser())}
    if (severity is None) == (level is None):
        found = "both are given" if level is not None else "neither is given"
        raise UsageError(f"severity, level: {found}; give a severity from 1 to 5, or a level")
    if level is None:
        written["severity"] = _whole("severity", severity, 1, 5)
    else:
        written |= _level(modality, str(name), level)
    try:
        found_scenario = Scenario.model_validate({modality: {"chain": [{name: written}]}})
    except ValidationError as error:
        raise UsageError("\n".join(dict.fromkeys(map(_problem, error.errors())))) from None
    (op,) = found_scenario.ops
    if op.corruption.domain != "signal":
        raise UsageError(
            f"{name}: acts on what a front end of avtrain makes of {modality}, not on the signal; manifests can use it"
        )
    return found_scenario


def _level(modality: str, name: str, level: object) -> dict[str, float]:
    known = corruptions_of(modality).get(name)
    if not isinstance(level, Mapping):
        if known is not None and len(known.parameters) != 1:
            example = ", ".join(f'"{parameter}": ...' for parameter in known.parameters)
            raise UsageError(f"level: {level!r}; {name} takes {{{example}}}")
        level = {known.parameters[0] if known else "level": level}
    found: dict[str, float] = {}
    for parameter, value in level.items():
        if isinstance(value, bool) or not isinstance(value, SupportsFloat):
            raise UsageError(f"level: {parameter} is {value!r}; give a number")
        found[str(parameter)] = float(value)
    if not found:
        raise UsageError(f"level: {level!r} has no value for any parameter of {name}")
    return found


def _problem(found: Any) -> str:
    """Return the message of one validation error."""
    return str(found["ctx"]["error"]) if found["type"] == "value_error" else f"{found['loc'][-1]}: {found['msg']}"


def _check_rate(modality: str, rate: object) -> None:
    if MODALITIES[modality].visual or MODALITIES[modality].plain:
        if rate is not None:
            raise UsageError(f"rate: is for audio, and this is {described_modality(modality)}; leave it out")
    else:
        require_rate(rate)


def described_modality(modality: str) -> str:
    """Return a modality with its article: an image."""
    noun = MODALITIES[modality].noun
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"


def _check_text(what: str, value: object) -> None:
    if not isinstance(value, str) or not value:
        raise UsageError(f"{what}: {value!r}; give a text that is not empty")


def _whole(what: str, value: object, low: int | None = None, high: int | None = None) -> int:
    """Return a whole number, within bounds where there are some.  Raises UsageError for anything else."""
    try:
        whole = operator.index(value)  # type: ignore[arg-type]  # raises for what is no whole number
    except TypeError:
        whole = None
    if whole is None or isinstance(value, bool):
        raise UsageError(f"{what}: {value!r}; give a whole number")
    if low is not None and high is not None and not low <= whole <= high:
        raise UsageError(f"{what}: {whole} is outside {low} to {high}")
    return whole
