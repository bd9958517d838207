"""Measure the speed of corruptions of texts relative to those of nlpaug and TextAttack, where these are installed.

    pip install -r benchmarks/requirements.txt        (TextAttack too, where it installs)
    python benchmarks/text.py > table.md

Everything is measured in one run on one core of one machine, at severity 3; compare ratios, not absolute times. Each
call corrupts the same 200 texts, of 5 to 120 words, and the best of several interleaved rounds counts. Each library
changes about as many letters or words as ours does; theirs draw anew in each round, ours the same.
"""

import argparse
import importlib
import time
from collections.abc import Callable, Sequence
from types import ModuleType

import numpy as np

from avbuild.corruptions import CORRUPTIONS
from avbuild.scenarios.seeding import rng_for

Call = Callable[[], object]
Change = Callable[[str], object]
SEVERITY = 3
ENGLISH = (
    "the old mill stood beside a slow river, and children who came from the village often played there; nobody "
    "minded. When it rained they hid under its roof, told stories and waited (sometimes for hours) until the sun "
    "returned: those afternoons were the best of all, as they would say many years later!"
)


def fixed_texts(count: int) -> list[str]:
    """Return texts of 5 to 120 words in English."""
    rng = np.random.default_rng(0)
    words, lengths = ENGLISH.split(), rng.integers(5, 121, count)
    return [" ".join(words[place] for place in rng.integers(0, len(words), length)) for length in lengths]


def ours(name: str, texts: Sequence[str]) -> Call:
    """Return a call of one of our corruptions, with a generator for each text as `avbuild corrupt` has it."""
    op = CORRUPTIONS["text"][name]

    def call() -> object:
        return [
            op.apply(
                text,
                op.level(SEVERITY, text),
                rng_for(seed=0, scenario="T", sample=str(number), modality="text", op=0),
            )
            for number, text in enumerate(texts)
        ]

    return call


def nlpaug_peers() -> dict[str, Change]:
    """Return what nlpaug has for our corruptions, by the name of ours; empty where it is not installed."""
    if (char := installed("nlpaug.augmenter.char")) is None or (word := installed("nlpaug.augmenter.word")) is None:
        return {}
    letters = {"aug_char_p": 0.1, "aug_word_p": 1.0, "aug_char_max": None, "aug_word_max": None}
    words = {"aug_max": None}
    made = {
        "typos": char.KeyboardAug(**letters, include_special_char=False),
        "ocr": char.OcrAug(**letters),
        "char_swap": char.RandomCharAug(action="swap", **letters),
        "char_delete": char.RandomCharAug(action="delete", **letters),
        "char_insert": char.RandomCharAug(action="insert", **letters),
        "word_drop": word.RandomWordAug(action="delete", aug_p=0.3, **words),
        "word_swap": word.RandomWordAug(action="swap", aug_p=0.4, **words),
    }
    return {name: augmenter.augment for name, augmenter in made.items()}


def textattack_peers() -> dict[str, Change]:
    """Return what TextAttack has for our corruptions, by the name of ours; empty where it is not installed."""
    if (kinds := installed("textattack.transformations")) is None:
        return {}
    Augmenter = importlib.import_module("textattack.augmentation").Augmenter
    made = {
        "typos": (kinds.WordSwapQWERTY(), 0.5),
        "char_swap": (kinds.WordSwapNeighboringCharacterSwap(), 0.3),
        "char_delete": (kinds.WordSwapRandomCharacterDeletion(), 0.5),
        "char_insert": (kinds.WordSwapRandomCharacterInsertion(), 0.5),
        "word_drop": (kinds.WordDeletion(), 0.3),
        "word_swap": (kinds.WordInnerSwapRandom(), 0.4),
    }
    return {
        name: Augmenter(transformation=kind, pct_words_to_swap=share, transformations_per_example=1).augment
        for name, (kind, share) in made.items()
    }


def installed(name: str) -> ModuleType | None:
    """Import a module of a library that need not be installed; None, and a line that says so, where it is not."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        print(f"skipped: {name.split('.', maxsplit=1)[0]} is not importable here ({error})")
        return None


def best_times(calls: Sequence[Call], seconds: float) -> list[float]:
    """Return the shortest time of each call in milliseconds.

    Args:
        calls: timed in turns, for at least 3 rounds.
        seconds: after which no further round begins.
    """
    shortest = [float("inf")] * len(calls)
    start, rounds = time.perf_counter(), 0
    while rounds < 3 or time.perf_counter() - start < seconds:
        for place, call in enumerate(calls):
            before = time.perf_counter()
            call()
            shortest[place] = min(shortest[place], 1000 * (time.perf_counter() - before))
        rounds += 1
    return shortest


def main() -> None:
    """Print one line a corruption: our time for a text, and how many times as long the others take."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--texts", type=int, default=200, help="number of texts")
    parser.add_argument("--seconds", type=float, default=2.0, help="for each corruption")
    options = parser.parse_args()
    texts = fixed_texts(options.texts)
    peers = {"nlpaug": nlpaug_peers(), "textattack": textattack_peers()}
    print("| corruption | ours, µs a text | nlpaug | TextAttack |\n| --- | --- | --- | --- |")
    for name in CORRUPTIONS["text"]:
        theirs = {library: changes[name] for library, changes in peers.items() if name in changes}
        calls = [ours(name, texts), *(lambda c=change: [c(text) for text in texts] for change in theirs.values())]
        own, *other = best_times(calls, options.seconds)
        ratios = dict(zip(theirs, (f"{their / own:.1f} times" for their in other), strict=True))
        cells = [f"{1000 * own / len(texts):.0f}", ratios.get("nlpaug", ""), ratios.get("textattack", "")]
        print(f"| {name} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
