"""Corruptions of audiomentations and imagecorruptions that do the same as ours, for benchmarks/corruption.py."""

import functools
import warnings
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import soundfile

Call = Callable[[], object]
IMAGE_PEERS = {
    "gaussian_noise": "gaussian_noise", "shot_noise": "shot_noise", "impulse_noise": "impulse_noise",
    "speckle_noise": "speckle_noise", "defocus_blur": "defocus_blur", "glass_blur": "glass_blur",
    "motion_blur": "motion_blur", "zoom_blur": "zoom_blur", "gaussian_blur": "gaussian_blur", "snow": "snow",
    "frost": "frost", "fog": "fog", "spatter": "spatter", "brightness": "brightness", "contrast": "contrast",
    "saturate": "saturate", "elastic": "elastic_transform", "pixelate": "pixelate", "jpeg": "jpeg_compression",
}  # fmt: skip
PATCHED = {"glass_blur", "gaussian_blur", "fog"}  # image corruptions that run with current libraries only when patched


def image_peers(image: np.ndarray) -> dict[str, Call]:
    """Return a call of each corruption of imagecorruptions at severity 3, by the name of ours.

    Args:
        image: uint8 [height, width, 3].
    """
    warnings.simplefilter("ignore")
    corrupt = imagecorruptions().corrupt
    return {
        ours: lambda theirs=theirs: corrupt(image, corruption_name=theirs, severity=3)
        for ours, theirs in IMAGE_PEERS.items()
    }


@functools.cache
def imagecorruptions() -> ModuleType:
    """Return the package imagecorruptions, patched to run with current numpy and scikit-image."""
    import imagecorruptions as package

    gaussian = package.corruptions.gaussian

    def patched(*arguments: object, **named: object) -> object:
        if named.pop("multichannel", False):  # scikit-image 0.19 renamed it to channel_axis
            named["channel_axis"] = -1
        return gaussian(*arguments, **named)

    package.corruptions.gaussian = patched
    np.float_ = np.float64  # type: ignore[attr-defined]  # removed in numpy 2
    return package


def audio_peers(clip: np.ndarray, folder: Path) -> dict[str, Call]:
    """Return a call of each transform of audiomentations at our severity 3, by the name of ours; each draws anew.

    Args:
        clip: float32 [samples] at 16 kHz.
        folder: gets the recordings and impulse responses that some transforms read.
    """
    warnings.simplefilter("ignore")
    import audiomentations as peer

    noise, response = folder / "noise", folder / "answer.wav"
    noise.mkdir()
    soundfile.write(noise / "noise.wav", np.random.default_rng(1).standard_normal(160_000) * 0.1, 16_000)
    decay = np.exp(-np.arange(11_200) / 1600)
    soundfile.write(response, np.random.default_rng(2).standard_normal(11_200) * decay, 16_000)
    transforms = {
        "gaussian_noise": peer.AddGaussianSNR(min_snr_db=10, max_snr_db=10, p=1),
        "pink_noise": peer.AddColorNoise(min_snr_db=10, max_snr_db=10, min_f_decay=-3, max_f_decay=-3, p=1),
        "brown_noise": peer.AddColorNoise(min_snr_db=10, max_snr_db=10, min_f_decay=-6, max_f_decay=-6, p=1),
        "ambient_noise": peer.AddBackgroundNoise(noise, min_snr_db=10, max_snr_db=10, p=1),
        "reverberation": peer.ApplyImpulseResponse(str(response), p=1),
        "low_pass": peer.LowPassFilter(min_cutoff_freq=2000, max_cutoff_freq=2000, p=1),
        "telephone_band": peer.BandPassFilter(
            min_center_freq=1850, max_center_freq=1850, min_bandwidth_fraction=1.67, max_bandwidth_fraction=1.67, p=1
        ),
        "clipping": peer.ClippingDistortion(min_percentile_threshold=20, max_percentile_threshold=20, p=1),
        "quantisation": peer.BitCrush(min_bit_depth=6, max_bit_depth=6, p=1),
        "gain": peer.Gain(min_gain_db=-18, max_gain_db=-18, p=1),
        "time_mask": peer.TimeMask(min_band_part=0.3, max_band_part=0.3, fade_duration=0, p=1),
        "time_shift": peer.Shift(min_shift=-0.3, max_shift=0.3, p=1),
        "pitch": peer.PitchShift(min_semitones=3, max_semitones=3, p=1),
        "speed": peer.Resample(min_sample_rate=19_200, max_sample_rate=19_200, p=1),
    }
    return {name: lambda t=t: t(clip, sample_rate=16_000) for name, t in transforms.items()}
