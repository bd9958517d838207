"""`avtrain.load`: a finished run as an object that classifies samples, for a service."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from PIL import Image, ImageOps

from avbuild.api.arrays import described
from avbuild.api.audio_arrays import as_stored
from avbuild.api.image_arrays import take_image, take_video
from avbuild.errors import UsageError, UserError, nearest
from avbuild.modalities.base import Signal, Unreadable
from avbuild.modalities.image import DAMAGED, to_rgb
from avbuild.modalities.registry import MODALITIES
from avbuild.modalities.video_frames import FPS
from avbuild.places import expanded
from avtrain.data.batch import Batch
from avtrain.data.dataset import MultimodalData, PreparedSample, as_tensor
from avtrain.data.samples import Rows
from avtrain.device import Machine, pick_device
from avtrain.inference.classifier_output import ClassifierOutput, check_abstain_below
from avtrain.inference.loaded_run import LoadedRun, load_run, start_inference
from avtrain.inference.media import take_text
from avtrain.inference.predictor import classify_batch

TOGETHER = 32  # samples of one forward pass


class Classifier:
    """A finished run in memory, which classifies samples that have some or all of its modalities.

    Attributes:
        classes: names.
        modalities: that it was trained on.
    """

    def __init__(self, loaded: LoadedRun, machine: Machine, scenario: str | None = None) -> None:
        """Wrap a run.

        Args:
            loaded: by `load_run`.
            machine: its device has the model.
            scenario: as for `load`.
        """
        self._loaded, self._machine = loaded, machine
        self._scenario = start_inference(loaded, scenario)
        self.classes, self.modalities = loaded.classes, loaded.method.backbone.modalities
        # rows that are under their scenario already are not corrupted
        rows = Rows([], self.classes, self.modalities, self._scenario)
        self._data = MultimodalData(rows, loaded.config.manifest, loaded.method.backbone.frontend, (self._scenario,))

    def __repr__(self) -> str:
        return f"Classifier({str(self._loaded.run)!r}, {len(self.classes)} classes, {' and '.join(self.modalities)})"

    def __call__(self, *, rate: int = 16_000, abstain_below: float = 0.0, **media: Any) -> ClassifierOutput:
        """Classify one sample.

        Args:
            rate: sample rate in Hz of audio that is given as an array; a file knows its own.
            abstain_below: probability from 0 to 1; if the most likely class has less, `label` is empty and `abstained`
                true.
            media: by modality, such as `audio=..., image=...`; None or left out: missing.  A path, the bytes of an
                encoded file, a NumPy array or a PyTorch tensor, or a PIL image; arrays as `avbuild.corrupt` takes them,
                of any rate.  A str for `text` is the text itself; a `pathlib.Path` is a file of it.

        Returns:
            Its `label`, its `probabilities` by class with the most likely first, and the modalities that are `missing`;
            `predicted`, the most likely class, and its `probability`, which are there also where it `abstained`.

        Raises:
            UsageError: nothing was given, a signal that the run cannot use, or no probability; says what is wrong.
            UserError: a file is absent or cannot be read.
        """
        below = check_abstain_below(abstain_below, "abstain_below")
        return self._classify([self._signals(media, rate)], below)[0]

    def batch(
        self, samples: Sequence[Mapping[str, Any]], rate: int = 16_000, *, abstain_below: float = 0.0
    ) -> list[ClassifierOutput]:
        """Classify several samples, which takes less time than one call for each.

        Args:
            samples: media by modality, each as the call takes them; not all need the same modalities.
            rate: as for the call.
            abstain_below: as for the call.

        Returns:
            The output of each, in order.

        Raises:
            UsageError: as the call does, naming the position of the sample.
            UserError: as the call does.
        """
        if isinstance(samples, (Mapping, str, bytes)) or not all(isinstance(sample, Mapping) for sample in samples):
            raise UsageError('samples: give a list of dictionaries, such as [{"audio": ...}, {"image": ...}]')
        below, signals = check_abstain_below(abstain_below, "abstain_below"), []
        for position, sample in enumerate(samples):
            try:
                signals.append(self._signals(sample, rate))
            except UserError as error:
                raise type(error)(f"sample {position}: {error}") from error
        parts = [signals[start : start + TOGETHER] for start in range(0, len(signals), TOGETHER)]
        return [output for part in parts for output in self._classify(part, below)]

    def _classify(self, samples: Sequence[Mapping[str, Signal]], abstain_below: float) -> list[ClassifierOutput]:
        return classify_batch(self._loaded, self._make_batch(samples), self._scenario, self._machine, abstain_below)

    def _make_batch(self, samples: Sequence[Mapping[str, Signal]]) -> Batch:
        """Return signals as evaluation gives them to the model."""
        frontend, index = self._data.frontend, self._data.scenario_index(self._scenario)
        return self._data.collate(
            [
                PreparedSample("", {m: frontend.prepare(m, as_tensor(x)) for m, x in signals.items()}, 0, index, None)
                for signals in samples
            ]
        )

    def _signals(self, media: Mapping[str, Any], rate: object) -> dict[str, Signal]:
        given = {modality: value for modality, value in media.items() if value is not None}
        if foreign := [modality for modality in media if modality not in self.modalities]:
            hint = nearest(foreign[0], self.modalities)
            raise UsageError(f"{foreign[0]}: {self._loaded.run} was trained on {', '.join(self.modalities)}{hint}")
        if not given:
            usable = " or ".join(f"{modality}=..." for modality in self.modalities)
            raise UsageError(f"nothing to classify: give {usable}")
        return {modality: read_signal(modality, value, rate) for modality, value in given.items()}


def load(
    run: str | Path, *, scenario: str | None = None, device: str = "cpu", calibration: str | None = None
) -> Classifier:
    """Load a finished run as a classifier.

    >>> import avtrain
    >>> classifier = avtrain.load("runs/demo-finetune-tiny/seed0")
    >>> output = classifier(audio="bark.wav", image="dog.jpg")
    >>> output.label in classifier.classes, output.missing
    (True, ())
    >>> classifier(image="dog.jpg").missing
    ('audio',)

    Args:
        run: folder of a run, or a folder with one run in it.
        scenario: for a method that is given the true scenario: the one to assume.  None: its router where it has one,
            else the manifest's first.
        device: auto, cpu, cuda or cuda:N.
        calibration: none: the probabilities of the bare model; run: by the temperature of the run; condition: by one
            that depends on the sample.  None: run, where it has a temperature.

    Raises:
        UsageError: there are several runs, the method does not use scenarios, or there is no such calibration.
        UserError: there is no finished run, or it has no temperature.
    """
    if not isinstance(run, (str, Path)):
        raise UsageError(f"run: {run!r}; give the folder of a run")
    machine = Machine(pick_device(device))
    return Classifier(load_run(Path(expanded(run)), machine, calibration), machine, scenario)


def read_signal(modality: str, value: Any, rate: object) -> Signal:
    """Return a signal as a data set would hold it, from a path, encoded bytes, an array, a PIL image or a text.

    Args:
        modality: audio, image, video or text.
        value: one of these.
        rate: in Hz, of audio that is an array.

    Raises:
        UsageError: it is none of these, or not a signal of the modality.
        UserError: a file is absent or cannot be read.
    """
    if isinstance(value, str) and MODALITIES[modality].plain:
        return take_text(value)
    if isinstance(value, (str, Path)):
        path = Path(expanded(value))
        if not path.is_file():
            raise UserError(f"{modality}: {path}: no such file")
        return _decode(modality, path.read_bytes(), str(path))
    if isinstance(value, (bytes, bytearray, memoryview)):
        return _decode(modality, bytes(value), f"{len(value):,} bytes")
    return FROM_OBJECT[modality](value, rate)


def _decode(modality: str, data: bytes, what: str) -> Signal:
    try:
        return MODALITIES[modality].read(data, FPS)
    except Unreadable as error:
        raise UserError(f"{modality}: {what}: cannot be read: {error}") from error


def _image(value: Any) -> Signal:
    """Return the pixels of an image; a PIL image of any mode is read as its file would be."""
    if isinstance(value, Image.Image):
        try:
            value = to_rgb(ImageOps.exif_transpose(value))
        except (Unreadable, *DAMAGED) as error:
            raise UserError(f"image: cannot be read: {error}") from error
    return take_image(value)[0]


def _refuse_text(value: Any) -> Signal:
    raise UsageError(f"text: {described(value)} is no text; give a str, or a pathlib.Path or bytes of a UTF-8 file")


FROM_OBJECT: Mapping[str, Callable[[Any, object], Signal]] = {
    "audio": as_stored,
    "image": lambda value, _: _image(value),
    "video": lambda value, _: take_video(value)[0],
    "text": lambda value, _: _refuse_text(value),
}
