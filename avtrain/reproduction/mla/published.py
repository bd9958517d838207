"""The numbers of MLA's Tables 1, 2 and 3, each with its source and how certain it is.

X. Zhang et al.: Multimodal Representation Learning by Alternating Unimodal Adaptation, CVPR 2024.  The tables are read
from slides that reprint them; table1.csv, table2.csv and table3.csv hold them as printed.
"""

from dataclasses import dataclass
from typing import Literal

from avtrain.reproduction.published_cells import PublishedCell, read_table

# seen: read in the publication itself.  verified: read in the source.  inferred: read in the source, but what the
# number stands for is our interpretation.  quoted: as this project's notes quote it; we have not seen the original.
# second-hand: reported by somebody other than its authors.
Confidence = Literal["seen", "verified", "inferred", "quoted", "second-hand"]

DATA = {
    "crema-d": "CREMA-D",
    "kinetics-sounds": "Kinetics-Sounds",
    "food-101": "Food-101",
    "mvsa": "MVSA",
    "iemocap": "IEMOCAP",
}
SAME_PEOPLE = ("crema-d", "iemocap")  # data whose published splits have the same people in training and test
TRAINING_SAMPLES = {"crema-d": 6698}  # of the published split; of the other data it is not known
MULTI = "multi"  # all modalities together

RESNETS = "ResNet-18 from scratch"
# None: not stated in our sources
ENCODERS = {
    "crema-d": RESNETS,
    "kinetics-sounds": None,
    "food-101": "pretrained M3AE",
    "mvsa": "pretrained M3AE",
    "iemocap": "pretrained CAV-MAE and M3AE",
}

_FOLDER = "avtrain.reproduction.mla"
CELLS_1 = read_table(_FOLDER, "table1.csv", "M1", labels=2)
CELLS_2 = read_table(_FOLDER, "table2.csv", "M2")
CELLS_3 = read_table(_FOLDER, "table3.csv", "M3", labels=2)

# columns of the tables, and our rows
METHODS = {
    "Sum": "sum",
    "Concat": "concat",
    "Late fusion": "late-fusion",
    "FiLM": "film",
    "BiGated": "gated",
    "OGM-GE": "ogm-ge",
    "QMF": "qmf",
    "MLA": "mla",
}
PARTS_OF_MLA = {
    "neither": "mla-off-mean",
    "DF alone": "mla-off-entropy",
    "HGM alone": "mla-rls-mean",
    "both": "mla",
}

_NO_OWN_SCORES = "how the publication scores one modality of a fusion that has no scores of its own is not stated"
_OGM_WITHOUT_EFFECT = "in the released code OGM-GE has no effect on these encoders; how this number arose is not known"


@dataclass(frozen=True)
class Claim:
    """A published accuracy of one modality, or of all together.

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
        part: the modality whose own scores it is of, or "multi".
        cell: of the publication's own table; None: somebody else's number, whose recipe is not MLA's.
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
    part: str = MULTI
    cell: PublishedCell | None = None


def _claims(cells: tuple[PublishedCell, ...], systems: dict[str, str], source: str) -> tuple[Claim, ...]:
    """Return the claims of a table: the best of 100 epochs on test, with three frames of a CREMA-D clip.

    Args:
        cells: of the table.
        systems: label of a column -> our row.
        source: of all of them.
    """
    keys = {title: key for key, title in DATA.items()}
    return tuple(_claim(cell, systems[cell.column], keys[cell.row[0]], source) for cell in cells)


def _claim(cell: PublishedCell, system: str, data: str, source: str) -> Claim:
    part = cell.row[1]
    reasons = []
    if system in ("film", "gated") and part != MULTI:
        reasons.append(_NO_OWN_SCORES)
    if system == "ogm-ge" and "M3AE" in (ENCODERS[data] or ""):
        reasons.append(_OGM_WITHOUT_EFFECT)
    return Claim(
        system,
        data,
        cell.fraction_of_percent,
        source,
        "seen",
        selected_on_test=True,
        epochs=100,
        frames=3 if data == "crema-d" else None,
        encoders=ENCODERS[data],
        reasons=tuple(reasons),
        part=part,
        cell=cell,
    )


SOURCE = "MLA, CVPR 2024, Table {}, as reprinted in slides"
TABLE_1 = _claims(CELLS_1, METHODS, SOURCE.format(1))
TABLE_3 = _claims(CELLS_3, PARTS_OF_MLA, SOURCE.format(3))
