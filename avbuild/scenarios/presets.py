"""Named scenarios: everyday conditions, and the noise protocol of *Prompt the Missing* (CVPRW 2025)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Preset:
    """A named scenario: ops at a severity that the user chooses, or plans with fixed levels."""

    summary: str
    ops: Mapping[str, Sequence[str]] = field(default_factory=dict)  # modality -> chain of ops
    fixed: Mapping[str, Any] = field(default_factory=dict)  # modality -> plan with fixed levels, as in a manifest


def _paired(summary: str, audio: Sequence[str], image: Sequence[str]) -> Preset:
    return Preset(summary, ops={"audio": audio, "image": image})


# What the released code of *Prompt the Missing* does to the features of a batch (`apply_noise_to_batch`).
_SHIFT_BINS, _MASK_BINS = {"feature_shift_bins": {"most": 64}}, {"feature_mask_bins": {"most": 31}}
_SHIFT_TIME, _MASK_TIME = {"feature_shift_time": {"most": 64}}, {"feature_mask_time": {"most": 31}}
_POSTER_AUDIO = {"any_of": [{"feature_gaussian_noise": {"std": 10}}, _SHIFT_BINS, _MASK_BINS]}
_POSTER_AUDIO_IN_D = {"any_of": [{"feature_gaussian_noise": {"std": 1}}, _SHIFT_BINS, _MASK_BINS]}
_POSTER_IMAGE = {"chain": [{"feature_blank": {"value": 0}}]}
_FIXED_AUDIO = {"any_of": [{"feature_gaussian_noise": {"std": 10}}, _SHIFT_TIME, _MASK_TIME]}
_FIXED_IMAGE = {
    "any_of": [
        {"feature_gaussian_noise": {"std": 5}},
        {"feature_box_blur": {"kernel": 51}},
        {"feature_pixelate": {"scale": 0.05}},
    ]
}

PRESETS: dict[str, Preset] = {
    "rain": _paired("Rain: noise of rain, and streaks of rain.", ["rain"], ["rain"]),
    "wind": _paired("Wind: noise on the microphone, and a shaking camera.", ["wind"], ["motion_blur"]),
    "crowd": _paired("A crowd: babble, and an occluded view.", ["crowd"], ["occlusion"]),
    "traffic": _paired("A road: noise of traffic, and splashes on the lens.", ["traffic"], ["spatter"]),
    "snowfall": _paired("Snowfall: muffled audio, and falling snow.", ["low_pass"], ["snow"]),
    "night_call": _paired("A video call at night: low bit rates, and low light.", ["opus"], ["low_light", "jpeg"]),
    "bad_line": _paired(
        "A bad connection: telephone band, lost packets, low resolution.",
        ["telephone_band", "packet_loss"],
        ["pixelate"],
    ),
    "far_away": _paired(
        "A distant source: reverberation, low level, out of focus.", ["reverberation", "gain"], ["defocus_blur"]
    ),
    "overload": _paired("Overload: clipped audio, overexposed image.", ["clipping"], ["brightness"]),
    "worn_out": _paired(
        "Cheap sensors: noise and few bits in audio, noise and low contrast in images.",
        ["pink_noise", "quantisation"],
        ["shot_noise", "contrast"],
    ),
    "bad_typing": Preset("Hasty typing: wrong keys, and letters in the wrong order.", {"text": ["typos", "char_swap"]}),
    "noisy_scan": Preset("A poor scan: misread letters, and lost ones.", {"text": ["ocr", "char_delete"]}),
    "on_the_move": Preset(
        "Recorded and typed while walking along a road: noise of traffic, a shaking camera, typing errors.",
        {"audio": ["traffic"], "image": ["motion_blur"], "text": ["typos", "word_drop"]},
    ),
    "poster-A": Preset(
        "Prompt the Missing (CVPRW 2025), released code, audio: shift and mask act on mel bins, not on time.",
        fixed={"audio": _POSTER_AUDIO},
    ),
    "poster-V": Preset(
        "Prompt the Missing, released code, image: the drawn noise is overridden, every image is the mean colour.",
        fixed={"image": _POSTER_IMAGE},
    ),
    "poster-D": Preset(
        "Prompt the Missing, released code, both: audio noise has a tenth of the standard deviation it has in A.",
        fixed={"audio": _POSTER_AUDIO_IN_D, "image": _POSTER_IMAGE},
    ),
    "poster-fixed-A": Preset(
        "Prompt the Missing, as the paper describes it, audio: noise, shift or mask along time.",
        fixed={"audio": _FIXED_AUDIO},
    ),
    "poster-fixed-V": Preset(
        "Prompt the Missing, as the paper describes it, image: noise, blur or pixelation.",
        fixed={"image": _FIXED_IMAGE},
    ),
    "poster-fixed-D": Preset(
        "Prompt the Missing, as the paper describes it, both: as strong as A and V.",
        fixed={"audio": _FIXED_AUDIO, "image": _FIXED_IMAGE},
    ),
}

# The scenarios that `preset: NAME` at the top level of a manifest stands for.
SCENARIO_SETS: dict[str, dict[str, dict[str, Any]]] = {
    name: {"C": {}, **{letter: {"preset": f"{name}-{letter}"} for letter in "AVD"}}
    for name in ("poster", "poster-fixed")
}
