"""Scenarios with names of their own: what befalls sound and picture at once, and what published work tested under."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Preset:
    """A scenario to be had by name: ops at one severity, or plans with levels of their own."""

    summary: str
    ops: Mapping[str, Sequence[str]] = field(default_factory=dict)  # modality -> chain of ops
    fixed: Mapping[str, Any] = field(default_factory=dict)  # modality -> plan, as a manifest writes it


def _paired(summary: str, audio: Sequence[str], image: Sequence[str]) -> Preset:
    return Preset(summary, ops={"audio": audio, "image": image})


# What the poster's released code does to a batch after its front end (facts of its `apply_noise_to_batch`).
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
    "rain": _paired("Rain, seen and heard.", ["rain"], ["rain"]),
    "wind": _paired("Wind on the microphone, and a camera that shakes.", ["wind"], ["motion_blur"]),
    "crowd": _paired("A crowd: its babble, and someone in front of the lens.", ["crowd"], ["occlusion"]),
    "traffic": _paired("Beside a road: its noise, and splashes on the lens.", ["traffic"], ["spatter"]),
    "snowfall": _paired("Snow in the air, which also muffles sound.", ["low_pass"], ["snow"]),
    "night_call": _paired("Low light at a low bit rate.", ["opus"], ["low_light", "jpeg"]),
    "bad_line": _paired(
        "A call that drops: lost packets, blocks for pixels.", ["telephone_band", "packet_loss"], ["pixelate"]
    ),
    "far_away": _paired("Too far: echo and little level, out of focus.", ["reverberation", "gain"], ["defocus_blur"]),
    "overload": _paired("Too much: clipped sound, overexposed picture.", ["clipping"], ["brightness"]),
    "worn_out": _paired(
        "Cheap sensors: hiss, few bits, grain, a flat picture.",
        ["pink_noise", "quantisation"],
        ["shot_noise", "contrast"],
    ),
    "poster-A": Preset(
        "The poster's released code, noise to sound: its shift and mask move along mel bins, not time.",
        fixed={"audio": _POSTER_AUDIO},
    ),
    "poster-V": Preset(
        "The poster's released code, noise to pictures: the drawn type is overridden, all become the mean colour.",
        fixed={"image": _POSTER_IMAGE},
    ),
    "poster-D": Preset(
        "The poster's released code, noise to both: a tenth of the noise that A adds to sound.",
        fixed={"audio": _POSTER_AUDIO_IN_D, "image": _POSTER_IMAGE},
    ),
    "poster-fixed-A": Preset("The poster as described: shift and mask along time.", fixed={"audio": _FIXED_AUDIO}),
    "poster-fixed-V": Preset(
        "The poster as described: noise, blur and squares are drawn.", fixed={"image": _FIXED_IMAGE}
    ),
    "poster-fixed-D": Preset(
        "The poster as described, and as strong as its A and V.",
        fixed={"audio": _FIXED_AUDIO, "image": _FIXED_IMAGE},
    ),
}

# What `preset: NAME` at the top of a manifest stands for.
SCENARIO_SETS: dict[str, dict[str, dict[str, Any]]] = {
    name: {"C": {}, **{letter: {"preset": f"{name}-{letter}"} for letter in "AVD"}}
    for name in ("poster", "poster-fixed")
}
