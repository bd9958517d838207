"""IEMOCAP: utterances of ten actors in five sessions, with their transcripts; the usual four emotions."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from avbuild.dataset.splits import Split
from avbuild.errors import UserError
from avbuild.scenarios.seeding import digest
from avbuild.sources.aligned import AlignedRow, AlignedSource, aligned_material
from avbuild.sources.builder import AnyCorpus, Builder
from avbuild.sources.corpus import Credit, LocalFile, Material, Media, Problem
from avbuild.sources.files import file_problem
from avbuild.sources.iemocap_files import Utterance, read_evaluations, read_transcripts
from avbuild.sources.inline import InlineText
from avbuild.sources.options import Options
from avbuild.sources.published import PublishedTree, find_tree

SESSIONS = range(1, 6)
CLASS_OF = {"neu": "neutral", "ang": "anger", "sad": "sadness", "hap": "happiness", "exc": "happiness"}
CLASSES = ("anger", "happiness", "neutral", "sadness")
PUBLISHED = {"anger": 1_103, "happiness": 1_636, "neutral": 1_708, "sadness": 1_084}
OTHER = {
    "fru": "frustration", "sur": "surprise", "fea": "fear", "dis": "disgust", "oth": "other", "xxx": "no agreement",
}  # fmt: skip
TREE = PublishedTree(
    title="IEMOCAP",
    folders=("IEMOCAP_full_release", "IEMOCAP"),
    looked_for="Session1/dialog/EmoEvaluation/",
    page="https://sail.usc.edu/iemocap/ (with a signed form)",
    fits=lambda folder: any((folder / f"Session{n}" / "dialog" / "EmoEvaluation").is_dir() for n in SESSIONS),
)
CREDIT = Credit(
    name="IEMOCAP",
    licence="by signed agreement with the University of Southern California; no redistribution",
    homepage="https://sail.usc.edu/iemocap/",
    citation="C. Busso et al.: IEMOCAP: interactive emotional dyadic motion capture database, LREC 42, 2008",
)
NOTES = (
    "Four classes, as usual: neutral, anger, sadness, and happiness, which includes excitement. Other emotions and "
    "utterances without a majority are left out.",
    "Audio and transcript of every utterance. The videos (dialog/avi/DivX) are not used. Transcripts are in the shards "
    "of this data set alone; its licence forbids to pass them on.",
)


def read_iemocap(options: Options, _: AnyCorpus) -> Material:
    """Read the official tree: labels in EmoEvaluation/, audio in sentences/wav/, text in transcriptions/."""
    root = find_tree(TREE, options.root, options.sources)
    utterances: list[Utterance] = []
    problems: list[Problem] = []
    texts: dict[str, InlineText] = {}
    for session in SESSIONS:
        dialog = root / f"Session{session}" / "dialog"
        if not (dialog / "EmoEvaluation").is_dir():
            problems.append(Problem(str(dialog / "EmoEvaluation"), "missing"))
            continue
        found, wrong = read_evaluations(dialog / "EmoEvaluation", session)
        utterances += found
        problems += wrong
        transcripts, wrong = read_transcripts(dialog / "transcriptions")
        texts |= transcripts
        problems += wrong
    rows, unwanted = [], []
    for utterance in utterances:
        wav = _wav(root, utterance)
        if utterance.emotion not in CLASS_OF:
            why = OTHER.get(utterance.emotion, utterance.emotion)
            unwanted.append(Problem(str(wav), f"none of the four classes: {why}"))
        elif options.folds and utterance.session not in options.folds:
            unwanted.append(Problem(str(wav), f"in a fold that is not used: {utterance.session}"))
        elif problem := file_problem(wav):
            problems.append(problem)
        elif utterance.id not in texts:
            problems.append(Problem(str(wav), "no transcript: dialog/transcriptions has none of this utterance"))
        else:
            rows.append(_row(utterance, wav, texts[utterance.id]))
    if not rows and not problems:
        raise UserError(f"{root}: no utterance of the four classes")
    rows, split_source = _split(rows, options)
    counts = _count_note(rows) if not problems and not options.folds else ()
    return aligned_material(
        rows,
        AlignedSource(
            modalities=("audio", "text"),
            credit=CREDIT,
            classes=CLASSES,
            notes=(*NOTES, *counts),
            announcements=counts,
            problems=tuple(problems),
            unwanted=tuple(unwanted),
            split_source=split_source,
            recipe={"classes_of": digest(CLASS_OF)[:16]},
        ),
    )


def _wav(root: Path, utterance: Utterance) -> Path:
    folder = root / f"Session{utterance.session}" / "sentences" / "wav" / utterance.dialog
    return folder / f"{utterance.id}.wav"


def _row(utterance: Utterance, wav: Path, text: InlineText) -> AlignedRow:
    media: dict[str, Media] = {"audio": LocalFile(str(wav)), "text": text}
    return AlignedRow(
        utterance.id,
        CLASS_OF[utterance.emotion],
        media,
        group=utterance.speaker,
        fold=utterance.session,
        where={"text": text.name},
    )


def _split(rows: Sequence[AlignedRow], options: Options) -> tuple[list[AlignedRow], str]:
    """Return the rows with their splits: one session tests, one speaker of the others validates, drawn by the seed.

    Both speakers of a session talk in each of its dialogs: a test split by speakers alone would share dialogs with
    train.
    """
    if options.folds or options.split != "grouped" or not rows:
        return list(rows), ""
    sessions = sorted({row.fold for row in rows}, key=lambda session: digest(options.seed, "session", session))
    rest = {row.group for row in rows if row.fold != sessions[0]}
    if len(rest) < 2:
        raise UserError(
            f"IEMOCAP: utterances of {len(sessions)} sessions and {len({row.group for row in rows})} speakers are "
            "there; a session for test and two speakers of others, for train and validation, are needed"
        )
    validates = min(rest, key=lambda speaker: digest(options.seed, "speaker", speaker))
    split_of: dict[str, Split] = {speaker: "validation" if speaker == validates else "train" for speaker in rest}
    described = f"grouped by speaker: session {sessions[0]} tests, {validates} validates, the others train"
    return [replace(row, split=split_of.get(row.group, "test")) for row in rows], described


def _count_note(rows: Sequence[AlignedRow]) -> tuple[str, ...]:
    counts = Counter(row.label for row in rows)
    if counts == PUBLISHED:
        return ()
    differ = ", ".join(f"{name} {counts[name]:,} of {number:,}" for name, number in PUBLISHED.items())
    return (f"{len(rows):,} utterances, where publications have {sum(PUBLISHED.values()):,}: {differ}.",)


BUILDER = Builder(
    name="iemocap",
    title="IEMOCAP",
    needs="IEMOCAP's full release (Session1/ to Session5/), which its authors give out by a signed form",
    licence="signed agreement; no redistribution",
    read=read_iemocap,
    modalities=("audio", "text"),
    group="speaker",
    options=frozenset({"root", "folds"}),
    examples=("avbuild make iemocap --root IEMOCAP_full_release/ --folds 1,2,3,4,5",),
    folds=5,
)
