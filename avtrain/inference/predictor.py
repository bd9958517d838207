"""Prediction for one sample, from an audio, image or video file or several of them, by a finished run."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch

from avbuild.errors import UsageError, UserError, listed, nearest
from avbuild.modalities.base import Unreadable
from avbuild.modalities.registry import MODALITIES
from avbuild.modalities.text import encode_text, read_text
from avbuild.modalities.video_frames import FPS
from avtrain.config import RunConfig
from avtrain.data.batch import Batch
from avtrain.data.dataset import MultimodalData
from avtrain.data.samples import Media, Rows, Sample
from avtrain.device import Machine
from avtrain.evaluation.calibration import Temperature, pick_temperature
from avtrain.evaluation.evaluate import ORACLE, load_method
from avtrain.methods.base import Method, Prediction
from avtrain.runs.folder import Run
from avtrain.runs.search import find_runs

ROUTER = "router"  # the inference mode that estimates the scenario


@dataclass(frozen=True)
class LoadedRun:
    """A finished run with its model in memory.

    Attributes:
        run: the folder.
        config: of the run.
        classes: names, in the order of the logits.
        method: the model, in eval mode.
        temperature: that its probabilities are calibrated by; None: they are not.
    """

    run: Run
    config: RunConfig
    classes: tuple[str, ...]
    method: Method
    temperature: Temperature | None = None

    @property
    def scenarios(self) -> tuple[str, ...]:
        """Names of the scenarios, in the order of the prompt sets."""
        return tuple(self.config.manifest.scenarios)


@dataclass(frozen=True)
class ClassifierOutput:
    """The classification of one sample.

    Attributes:
        probabilities: class -> probability, the most likely class first.
        present: modality -> whether the sample has it.
        inference: mode by which prompts were chosen; None for a method without inference modes.
        scenario: given to the mode `oracle`; None for other modes.
        choice: scenario -> weight of its prompt set chosen by a router; None for other modes.
        temperature: that the logits were divided by for the probabilities; 1 where they are not calibrated.
        abstain_below: probability below which no label is given; 0: there always is one.
    """

    probabilities: dict[str, float]
    present: dict[str, bool]
    inference: str | None
    scenario: str | None
    choice: dict[str, float] | None
    temperature: float = 1.0
    abstain_below: float = 0.0

    @property
    def predicted(self) -> str:
        """Return the most likely class."""
        return next(iter(self.probabilities))

    @property
    def probability(self) -> float:
        """Return the probability of the most likely class."""
        return self.probabilities[self.predicted]

    @property
    def abstained(self) -> bool:
        """Return whether the most likely class is too unlikely to be given as the label."""
        return self.probability < self.abstain_below

    @property
    def label(self) -> str:
        """Return the most likely class; empty where the model abstained."""
        return "" if self.abstained else self.predicted

    @property
    def missing(self) -> tuple[str, ...]:
        """Return the modalities that the run was trained on and the sample does not have."""
        return tuple(modality for modality, there in self.present.items() if not there)


def load_run(place: Path, machine: Machine, calibration: str | None = None) -> LoadedRun:
    """Load the one run at or below a folder.

    Args:
        place: the folder.
        machine: its device gets the model.
        calibration: as for `pick_temperature`.

    Raises:
        UsageError: there are several runs.
        UserError: there is no run, or it is not finished.
    """
    found = find_runs([place])
    if len(found) > 1:
        raise UsageError(f"{place}: holds {len(found)} runs; name one of them\n{listed(found)}")
    run = found[0]
    config = run.config()
    if not run.finished:
        raise UserError(f"{run}: training is not finished; run the same avtrain fit again")
    classes = run.read_json("result.json").get("classes")
    if classes is None:
        raise UserError(f"{run}: its result.json names no classes, as an older avtrain wrote it; fit it again")
    temperature = pick_temperature(run, calibration)
    method = load_method(run, config, len(classes), machine).eval()
    return LoadedRun(run, config, tuple(classes), method, temperature)


def read_media(files: Mapping[str, Path | str]) -> dict[str, Media]:
    """Read files as a data set would store them: audio as 16 kHz mono FLAC, an image's own bytes, frames as PNG.

    Of a video one frame a second is taken, the default of `avbuild make`; its audio track is not read.

    Args:
        files: by modality; a str is a text itself.

    Raises:
        UsageError: there are no files.
        UserError: names the file that is absent or cannot be read.
    """
    if not files:
        raise UsageError(
            "nothing to predict from: give --audio FILE, --image FILE, --video FILE, --text FILE, or several"
        )
    return {m: encode_text(take_text(file)) if isinstance(file, str) else _read(m, file) for m, file in files.items()}


def take_text(text: str) -> str:
    """Return a text as a data set would hold it, in NFC.

    Raises:
        UsageError: it is none, such as one with NUL characters.
    """
    try:
        return read_text(encode_text(text))
    except (UnicodeEncodeError, Unreadable) as error:
        raise UsageError(f"text: cannot be used: {error}") from error


def _read(modality: str, path: Path) -> Media:
    if not path.is_file():
        raise UserError(f"{path}: no such file (--{modality})")
    record = MODALITIES[modality]
    try:
        stored = record.store(path.read_bytes(), FPS)
    except (OSError, Unreadable) as error:
        raise UserError(f"{path}: cannot be read as {modality}: {error}") from error
    return tuple(stored) if record.framewise else stored[0]


def pick_inference(method: Method, asked: str | None = None) -> str | None:
    """Choose the inference mode.

    Args:
        method: of the run.
        asked: name of a mode; None: the router where the method has one, else the mode of training.

    Raises:
        UsageError: the method does not have the mode asked for.
    """
    if asked is None:
        return ROUTER if ROUTER in method.inference_modes else method.inference
    if asked not in method.inference_modes:
        known = ", ".join(method.inference_modes) or "none"
        raise UsageError(f"{method.name} has no inference mode {asked}; its modes: {known}")
    return asked


def pick_scenario(loaded: LoadedRun, asked: str | None) -> str:
    """Choose the scenario for the mode `oracle`.

    Args:
        loaded: the run.
        asked: name of a scenario; None: the manifest's first.

    Raises:
        UsageError: the method has no such mode, or the manifest no such scenario.
    """
    if asked is None:
        return loaded.scenarios[0]
    if ORACLE not in loaded.method.inference_modes:
        raise UsageError(f"--scenario {asked}: {loaded.method.name} does not use the scenario; leave the option out")
    if asked not in loaded.scenarios:
        known = ", ".join(loaded.scenarios)
        raise UsageError(f'no scenario "{asked}" in {loaded.run}{nearest(asked, loaded.scenarios)}; it has {known}')
    return asked


def make_batch(loaded: LoadedRun, media: Mapping[str, Media], scenario: str) -> Batch:
    """Make a batch of one sample as evaluation does, with the same decoding and the run's front end.

    Args:
        loaded: the run.
        media: by `read_media`.
        scenario: name, given to the mode `oracle`.

    Raises:
        UsageError: the run was not trained on one of the modalities.
    """
    _check_modalities(loaded, media)
    backbone, sample = loaded.method.backbone, Sample("", dict(media), 0, "", 0)
    # rows that are under their scenario already are not corrupted
    rows = Rows([sample], loaded.classes, backbone.modalities, scenario)
    data = MultimodalData(rows, loaded.config.manifest, backbone.frontend, (scenario,))
    return data.collate([data[0]])


def _check_modalities(loaded: LoadedRun, media: Iterable[str]) -> None:
    trained_on = loaded.method.backbone.modalities
    if foreign := [modality for modality in media if modality not in trained_on]:
        usable = " or ".join(f"--{modality} FILE" for modality in trained_on)
        raise UsageError(
            f"--{', --'.join(foreign)}: {loaded.run} was trained on {', '.join(trained_on)} alone; give {usable}"
        )


def classify(
    loaded: LoadedRun,
    media: Mapping[str, Media],
    scenario: str | None,
    machine: Machine,
    abstain_below: float = 0.0,
) -> ClassifierOutput:
    """Classify one sample.

    Args:
        loaded: the run.
        media: by `read_media`.
        scenario: as for `start_inference`.
        machine: where it is computed.
        abstain_below: as for `classify_batch`.

    Raises:
        UsageError: the run does not fit the modalities or the scenario.
    """
    used = start_inference(loaded, scenario)
    return classify_batch(loaded, make_batch(loaded, media, used), used, machine, abstain_below)[0]


def check_abstain_below(value: object, name: str) -> float:
    """Return the probability below which a model abstains.

    Args:
        value: as a user gave it.
        name: of the option or argument, for the error.

    Raises:
        UsageError: it is no number from 0 to 1.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 1:
        raise UsageError(f"{name} {value}: give a probability from 0 to 1, such as 0.8")
    return float(value)


def start_inference(loaded: LoadedRun, scenario: str | None) -> str:
    """Set the inference mode of a run, and return the scenario to put into its batches.

    Args:
        loaded: the run.
        scenario: true scenario of the samples, for the mode `oracle`.  None: the router is used where the method has
            one, else the mode of training, `oracle` with the manifest's first scenario.

    Raises:
        UsageError: the method is not given scenarios, or the manifest has no such scenario.
    """
    used = pick_scenario(loaded, scenario)
    loaded.method.inference = pick_inference(loaded.method, None if scenario is None else ORACLE)
    return used


@torch.no_grad()
def classify_batch(
    loaded: LoadedRun, batch: Batch, scenario: str, machine: Machine, abstain_below: float = 0.0
) -> list[ClassifierOutput]:
    """Classify the samples of a batch.

    Args:
        loaded: the run, after `start_inference`.
        batch: of its front end.
        scenario: by `start_inference`.
        machine: where it is computed.
        abstain_below: probability from 0 to 1; a sample whose most likely class has less gets no label.
    """
    batch = batch.to(machine.device)
    return describe_outputs(loaded, batch, loaded.method(batch), scenario, abstain_below)


def describe_outputs(
    loaded: LoadedRun, batch: Batch, prediction: Prediction, scenario: str, abstain_below: float = 0.0
) -> list[ClassifierOutput]:
    """Return the classification of each sample of a batch.

    Args:
        loaded: the run.
        batch: that was predicted, on the device of the prediction.
        prediction: of the batch.
        scenario: by `start_inference`.
        abstain_below: as for `classify_batch`.
    """
    method = loaded.method
    logits, temperatures = prediction.logits.double(), torch.ones(len(batch), dtype=torch.float64)
    if loaded.temperature is not None:
        temperatures = loaded.temperature.of(prediction, batch.present, method.inference)
        logits = logits / temperatures[:, None]
    probabilities = logits.softmax(dim=1).tolist()
    choices = None if prediction.choice is None else prediction.choice.tolist()
    outputs = []
    for row, values in enumerate(probabilities):
        ranked = sorted(zip(loaded.classes, values, strict=True), key=lambda pair: -pair[1])
        outputs.append(
            ClassifierOutput(
                probabilities=dict(ranked),
                present={m: bool(mask[row]) for m, mask in batch.present.items()},
                inference=method.inference,
                scenario=scenario if method.inference == ORACLE else None,
                choice=None if choices is None else dict(zip(loaded.scenarios, choices[row], strict=True)),
                temperature=float(temperatures[row]),
                abstain_below=abstain_below,
            )
        )
    return outputs
