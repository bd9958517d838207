"""Numbers of MLA's Tables 1 and 3, and of other people's runs, each with its source and how certain it is.

X. Zhang et al.: Multimodal Representation Learning by Alternating Unimodal Adaptation, CVPR 2024, and what others
report of the same methods.  Only cells that this project has a source for are here; none is of a single modality.
"""

from dataclasses import dataclass, replace
from typing import Literal

# verified: read in the source.  inferred: read in the source, but what the number stands for is our interpretation.
# quoted: as this project's notes quote the paper; we have not seen the original.
# second-hand: reported by somebody other than its authors.
Confidence = Literal["verified", "inferred", "quoted", "second-hand"]

DATA = {
    "crema-d": "CREMA-D",
    "kinetics-sounds": "Kinetics-Sounds",
    "food-101": "UPMC Food-101",
    "iemocap": "IEMOCAP",
}
SAME_PEOPLE = ("crema-d", "iemocap")  # data whose published splits have the same people in training and test

RESNETS = "ResNet-18 from scratch"

_PAPER = "Zhang et al., CVPR 2024, as quoted in this project's notes"
_TABLE_1 = "Zhang et al., CVPR 2024, Table 1, as quoted in this project's notes"
_TABLE_3 = "Zhang et al., CVPR 2024, Table 3, as quoted in this project's notes"
_BALANCE = "BalanceBenchmark, images/Results.jpeg, runs of its authors"
_BALANCE_FOOD = "BalanceBenchmark, runs of its authors, as quoted in this project's notes"
_NOTES = "public notes of ASGML experiments, five seeds"
_G2D = "table of G²D, as quoted in a public note"

_M3AE = "pretrained M3AE"
_CAV_MAE_M3AE = "pretrained CAV-MAE and M3AE"
_NO_SCRIPT = "the script that made its inputs is not published"
_ITS_RECIPE = "it was trained with AdamW and batches of 32"
_WHICH_FUSION = "how its baseline fuses the modalities is not stated in our sources"
_PLAIN_OGM = "it is called OGM; whether GE is part of it is not stated in our sources"
_NOT_DESCRIBED = "its inputs and split are not described in our sources"


@dataclass(frozen=True)
class Claim:
    """A published accuracy of all modalities together.

    Attributes:
        system: name of our row that it is compared with.
        data: a key of DATA.
        value: accuracy, 0 to 1.
        source: where it was published.
        confidence: how certain it is.
        selected_on_test: whether its best epoch was chosen on the test split; None: not known.
        epochs: number of epochs; None: not known.
        frames: number of frames taken of a clip; None: not known, or no video.
        encoders: in words; None: not known.
        std: standard deviation, 0 to 1; None: not known.
        reasons: why no measurement made here can confirm or refute it.
    """

    system: str
    data: str
    value: float
    source: str
    confidence: Confidence
    selected_on_test: bool | None = None
    epochs: int | None = None
    frames: int | None = None
    encoders: str | None = None
    std: float | None = None
    reasons: tuple[str, ...] = ()


def _paper(system: str, data: str, value: float, source: str, confidence: Confidence) -> Claim:
    """Return a claim of the MLA paper: the best of 100 epochs on test, with three frames of a CREMA-D clip."""
    claim = Claim(system, data, value, source, confidence, selected_on_test=True)
    if data == "crema-d":
        return replace(claim, epochs=100, frames=3, encoders=RESNETS)
    return replace(claim, encoders=_CAV_MAE_M3AE if data == "iemocap" else _M3AE)


def _balance(system: str, crema_d: float, kinetics_sounds: float, *reasons: str) -> tuple[Claim, ...]:
    """Return BalanceBenchmark's two claims: 30 epochs, no validation split, two frames of a CREMA-D clip."""
    return tuple(
        Claim(
            system,
            data,
            value,
            _BALANCE,
            "inferred" if reasons else "verified",
            selected_on_test=True,
            epochs=30,
            frames=2 if data == "crema-d" else None,
            reasons=(_NO_SCRIPT, _ITS_RECIPE, *reasons),
        )
        for data, value in (("crema-d", crema_d), ("kinetics-sounds", kinetics_sounds))
    )


def _reported(
    system: str,
    value: float,
    source: str,
    *reasons: str,
    confidence: Confidence = "second-hand",
    on_test: bool | None = None,
    frames: int | None = None,
    std: float | None = None,
) -> Claim:
    """Return what others report of a method on CREMA-D."""
    described = (_NOT_DESCRIBED, *reasons)
    return Claim(
        system, "crema-d", value, source, confidence, on_test, epochs=None, frames=frames, std=std, reasons=described
    )


TABLE_1: tuple[Claim, ...] = (
    _paper("late-fusion", "crema-d", 0.6632, _TABLE_1, "quoted"),
    _paper("late-fusion", "iemocap", 0.7496, _TABLE_1, "quoted"),
    _paper("mla", "crema-d", 0.7970, _PAPER, "quoted"),
    _paper("mla", "food-101", 0.9333, _PAPER, "quoted"),
    *_balance("concat", 0.6550, 0.6563, _WHICH_FUSION),
    *_balance("ogm-ge", 0.6776, 0.6704, _PLAIN_OGM),
    *_balance("mla", 0.7230, 0.6905),
    *_balance("mmpareto", 0.7997, 0.7455),
    *_balance("recon-boost", 0.7401, 0.6838),
    *_balance("lfm", 0.7002, 0.6637),
    Claim("mla", "food-101", 0.9314, _BALANCE_FOOD, "quoted", selected_on_test=True, epochs=30),
    _reported("concat", 0.6159, f"{_NOTES}, its baseline", _WHICH_FUSION, frames=3, std=0.0080),
    _reported("ogm-ge", 0.6247, _NOTES, frames=1, std=0.0142),
    _reported("ogm-ge", 0.6914, _NOTES, frames=3, std=0.0113),
    _reported("mmpareto", 0.69, "a user, GeWu-Lab/MMPareto_ICML2024 issue 2 (approximate)"),
    _reported("recon-boost", 0.8111, "file name of the shipped checkpoint", confidence="verified", on_test=True),
    _reported("recon-boost", 0.8362, _G2D),
    _reported("mla", 0.7970, _G2D),
    _reported("lfm", 0.7876, "a user, njustkmg/NeurIPS24-LFM issue 12"),
    _reported("concat", 0.758, "a user's own baseline, njustkmg/NeurIPS24-LFM issue 12", _WHICH_FUSION),
)

_FIXED, _DYNAMIC = f"{_TABLE_3}: neither part", f"{_TABLE_3}: dynamic fusion alone"
TABLE_3: tuple[Claim, ...] = (
    _paper("mla-off-mean", "crema-d", 0.6632, _FIXED, "quoted"),
    _paper("mla-off-mean", "iemocap", 0.7496, _FIXED, "quoted"),
    _paper("mla-off-entropy", "crema-d", 0.7279, _DYNAMIC, "inferred"),
    _paper("mla", "crema-d", 0.7970, f"{_PAPER}; that the ablation repeats it is our interpretation", "inferred"),
    _paper("mla-released-fixed", "crema-d", 0.6632, _FIXED, "inferred"),
    _paper("mla-released", "crema-d", 0.7279, _DYNAMIC, "inferred"),
)
