"""Prediction for one sample, from an audio, image or video file or several of them, by a finished run."""

from collections.abc import Iterable, Mapping

import torch

from avbuild.errors import UsageError
from avtrain.data.batch import Batch
from avtrain.data.dataset import MultimodalData
from avtrain.data.samples import Media, Rows, Sample
from avtrain.device import Machine
from avtrain.evaluation.evaluate import ORACLE
from avtrain.inference.classifier_output import ClassifierOutput
from avtrain.inference.loaded_run import LoadedRun, start_inference
from avtrain.methods.base import Prediction


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
