"""Files of IEMOCAP: the emotion of each utterance, and its transcript."""

import re
from dataclasses import dataclass
from pathlib import Path

from avbuild.sources.corpus import Problem
from avbuild.sources.files import visible
from avbuild.sources.inline import InlineText

# [6.2901 - 8.2357]	Ses01F_impro01_F000	neu	[2.5000, 2.5000, 2.5000]
EVALUATION = re.compile(r"\[[0-9.]+ - [0-9.]+\]\t(Ses0([1-5])[FM]_\w+)_([FM][A-Za-z0-9_]+)\t([a-z]{3})\t\[.*\]\s*")
# Ses01F_impro01_F000 [006.2901-008.2357]: the words
TRANSCRIPT = re.compile(r"(Ses0[1-5][FM]_\w+) \[[0-9.]+-[0-9.]+\]:\s?(.*)")
TURN = re.compile(r"\[[0-9.]+ - [0-9.]+\]")


@dataclass(frozen=True, slots=True)
class Utterance:
    """One turn of a dialog."""

    id: str
    dialog: str
    session: int
    emotion: str  # code of three letters
    speaker: str  # Ses01F or Ses01M


def read_evaluations(folder: Path, session: int) -> tuple[list[Utterance], list[Problem]]:
    """Read the emotions of all turns in the dialogs of a session.

    Args:
        folder: dialog/EmoEvaluation of the session.
        session: 1 to 5, which the names must agree with.

    Returns the utterances, and a problem for each line of a turn that is not as published.
    """
    found: dict[str, Utterance] = {}
    problems: list[Problem] = []
    for path in visible(folder):
        if path.suffix != ".txt" or not path.name.startswith("Ses"):
            continue
        for number, line in enumerate(_lines(path, problems), start=1):
            if not TURN.match(line):  # the header, and what each listener said
                continue
            turn, place = EVALUATION.fullmatch(line), f"{path} line {number}"
            id = f"{turn[1]}_{turn[3]}" if turn else ""
            if turn is None or turn[1] != path.stem or int(turn[2]) != session:
                expected = f"expected [START - END], {path.stem}_F000, emotion, [V, A, D]"
                problems.append(Problem(place, f"not a turn of its dialog: {expected}"))
            elif id in found:
                problems.append(Problem(place, f"listed twice: {id}"))
            else:
                found[id] = Utterance(id, turn[1], session, turn[4], f"Ses{session:02d}{turn[3][0]}")
    return list(found.values()), problems


def read_transcripts(folder: Path) -> tuple[dict[str, InlineText], list[Problem]]:
    """Return the transcripts in the dialogs of a session by utterance; lines of no utterance are passed over.

    Args:
        folder: dialog/transcriptions of the session.
    """
    problems: list[Problem] = []
    texts: dict[str, InlineText] = {}
    for path in visible(folder):
        if path.suffix != ".txt" or not path.name.startswith("Ses"):
            continue
        for number, line in enumerate(_lines(path, problems), start=1):
            if (found := TRANSCRIPT.fullmatch(line)) and found[2].strip():
                texts.setdefault(found[1], InlineText(f"{path} line {number}", found[2].strip()))
    return texts, problems


def _lines(path: Path, problems: list[Problem]) -> list[str]:
    """Return the lines of a file in UTF-8 or, as a few of older releases may be, in Windows-1252."""
    try:
        data = path.read_bytes()
        try:
            return data.decode("utf-8-sig").splitlines()
        except UnicodeDecodeError:
            return data.decode("cp1252").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        what = error.strerror if isinstance(error, OSError) else "neither UTF-8 nor Windows-1252"
        problems.append(Problem(str(path), f"unreadable: {what}"))
        return []
