"""A finished run put to use: one sound, picture or film, or some of them, and what its model makes of them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch

from avbuild.errors import UsageError, UserError, listed, nearest
from avbuild.modalities.audio import encode_audio, read_audio
from avbuild.modalities.base import Unreadable
from avbuild.modalities.image import decode_image, encode_image
from avbuild.modalities.video_frames import FPS, read_frames
from avtrain.config import RunConfig
from avtrain.data.batch import Batch
from avtrain.data.dataset import MultimodalData
from avtrain.data.shards import Media, Rows, Sample
from avtrain.device import Machine
from avtrain.evaluation.evaluate import load_method
from avtrain.methods.base import Method
from avtrain.runs.folder import Run, find_runs

ORACLE, ROUTER = "oracle", "router"  # inference modes: told the scenario, or finding it out


@dataclass(frozen=True)
class LoadedRun:
    """A finished run with its model in memory."""

    run: Run
    config: RunConfig
    classes: tuple[str, ...]
    method: Method

    @property
    def scenarios(self) -> tuple[str, ...]:
        """Names, in the order in which the method counts them."""
        return tuple(self.config.manifest.scenarios)


@dataclass(frozen=True)
class ClassifierOutput:
    """What a model says about one sample."""

    probabilities: dict[str, float]  # class -> probability, the most likely first
    present: dict[str, bool]  # modality -> whether the sample has it
    inference: str | None  # how prompts were chosen; None: the method has none to choose
    scenario: str | None  # what the oracle was told
    choice: dict[str, float] | None  # scenario -> how much of its prompt set a router took


def load_run(place: Path, machine: Machine) -> LoadedRun:
    """The one run at or below a folder.  Raises UserError where there are several, or where it is not finished."""
    found = find_runs([place])
    if len(found) > 1:
        raise UsageError(f"{place}: holds {len(found)} runs; say which\n{listed(found)}")
    run = found[0]
    if not run.finished:
        raise UserError(f"{run}: training is not finished; run the same avtrain fit again")
    classes = run.read_json("result.json").get("classes")
    if classes is None:
        raise UserError(f"{run}: its result.json names no classes, as an older avtrain wrote it; fit it again")
    config = run.config()
    return LoadedRun(run, config, tuple(classes), load_method(run, config, len(classes), machine).eval())


def read_media(files: Mapping[str, Path]) -> dict[str, Media]:
    """Files by modality, as a data set would hold them: 16 kHz mono FLAC, the picture's own bytes, frames as PNG.

    Of a film one frame a second is taken, as `avbuild make` does by itself; its sound is a file of its own.
    Raises UserError that names the file, UsageError where there is none.
    """
    if not files:
        raise UsageError("nothing to predict from: give --audio FILE, --image FILE, --video FILE, or several")
    return {modality: _read(modality, path) for modality, path in files.items()}


def _read(modality: str, path: Path) -> Media:
    if not path.is_file():
        raise UserError(f"{path}: no such file (--{modality})")
    try:
        data = path.read_bytes()
        if modality == "audio":
            return encode_audio(read_audio(data))
        if modality == "video":
            return tuple(encode_image(frame) for frame in read_frames(data, FPS))
        decode_image(data)
    except (OSError, Unreadable) as error:
        raise UserError(f"{path}: cannot be read as {modality}: {error}") from error
    return data


def pick_inference(method: Method, asked: str | None = None) -> str | None:
    """The way of inference asked for, or the router where there is one, or the method's own.  Raises UsageError."""
    if asked is None:
        return ROUTER if ROUTER in method.inference_modes else method.inference
    if asked not in method.inference_modes:
        known = ", ".join(method.inference_modes) or "none"
        raise UsageError(f"{method.name} cannot infer by {asked}; its ways of inference: {known}")
    return asked


def pick_scenario(trained: LoadedRun, asked: str | None) -> str:
    """The scenario asked for, or the manifest's first.  Raises UsageError where the run cannot be told this one."""
    if asked is None:
        return trained.scenarios[0]
    if ORACLE not in trained.method.inference_modes:
        raise UsageError(f"--scenario {asked}: {trained.method.name} is told no scenario; leave the option out")
    if asked not in trained.scenarios:
        known = ", ".join(trained.scenarios)
        raise UsageError(f'no scenario "{asked}" in {trained.run}{nearest(asked, trained.scenarios)}; it has {known}')
    return asked


def make_batch(trained: LoadedRun, media: Mapping[str, Media], scenario: str) -> Batch:
    """One sample, by the way that evaluation takes: the same decoding, the run's own front end.

    Raises UsageError for a modality that the run was not trained on.
    """
    _check_modalities(trained, media)
    backbone, sample = trained.method.backbone, Sample("", dict(media), 0, "", 0)
    # rows already in their scenario are corrupted no further
    rows = Rows([sample], trained.classes, backbone.modalities, scenario)
    data = MultimodalData(rows, trained.config.manifest, backbone.frontend, (scenario,))
    return data.collate([data[0]])


def _check_modalities(trained: LoadedRun, media: Iterable[str]) -> None:
    there = trained.method.backbone.modalities
    if foreign := [modality for modality in media if modality not in there]:
        usable = " or ".join(f"--{modality} FILE" for modality in there)
        raise UsageError(
            f"--{', --'.join(foreign)}: {trained.run} was trained on {', '.join(there)} alone; give {usable}"
        )


@torch.no_grad()
def classify(
    trained: LoadedRun, media: Mapping[str, Media], scenario: str | None, machine: Machine
) -> ClassifierOutput:
    """Probabilities of all classes for one sample.

    scenario: what to tell a method that can be told one.  None: its router finds out, or else it is told the first.
    """
    told, method = pick_scenario(trained, scenario), trained.method
    method.inference = pick_inference(method, None if scenario is None else ORACLE)
    batch = make_batch(trained, media, told)
    prediction = method(batch.to(machine.device))
    values = prediction.logits[0].double().softmax(dim=0).tolist()
    ranked = sorted(zip(trained.classes, values, strict=True), key=lambda pair: -pair[1])
    parts = None if prediction.choice is None else prediction.choice[0].tolist()
    return ClassifierOutput(
        probabilities=dict(ranked),
        present={m: bool(there[0]) for m, there in batch.present.items()},
        inference=method.inference,
        scenario=told if method.inference == ORACLE else None,
        choice=None if parts is None else dict(zip(trained.scenarios, parts, strict=True)),
    )
