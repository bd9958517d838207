"""Properties that corruptions of texts have, for any text: what they change, how much of it, and what they leave."""

import unicodedata
from collections import Counter
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from avbuild.corruptions import CORRUPTIONS, Corruption
from avbuild.corruptions.registry import SEVERITIES
from avbuild.corruptions.text.keyboard import NEIGHBOURS
from avbuild.corruptions.text.scanning import LOOK_ALIKES
from avbuild.corruptions.text.units import FLAG_LETTERS, JOINER, characters, is_letter, joined, share, words
from avbuild.modalities.text import nfc
from avbuild.scenarios.seeding import rng_for
from tests.support.golden import TEXT

OPS = [*CORRUPTIONS["text"].values()]
NAMES = {
    "typos", "char_swap", "char_delete", "char_insert", "ocr", "word_drop", "word_swap", "word_repeat", "word_shuffle",
    "truncation", "case", "punctuation_removal",
}  # fmt: skip
ENGLISH = (
    "In 1999 the committee met twice, and (as the minutes show) agreed on very little; still, everybody who was there "
    "remembers the second meeting, in March, when the lights went out. \"Who did that?\" asked the chair. No one "
    "answered: some of the members laughed, others left, and the rest - about a dozen - stayed in the dark room until "
    "morning, talking about the weather, the harvest, their children and the war that had not yet begun."
)  # fmt: skip
MIXED = [*"abcXYZ09 \n\t.,!'é", "m\u0300", "ß", "ŉ", "ς", "İ", "한", "ᄒ", "ᅡ", "न", "म", "स्", "ते", "中", "文",
         "👩‍👩‍👧", "👍🏽", "🇰🇷", "🇩", "#️⃣", "\u0301", "\u200d", "\u200b", "\r\n", "ـ", "🏴󠁧󠁢󠁥󠁮󠁧󠁿"]  # fmt: skip


def texts() -> st.SearchStrategy[str]:
    """Texts in NFC: of letters, marks, emoji and white space of many scripts, and of any code points at all."""
    mixed = st.lists(st.sampled_from(MIXED), max_size=40).map("".join)
    anything = st.text(st.characters(exclude_categories=("Cs",)), max_size=40)
    return st.one_of(mixed, anything, st.just(TEXT)).map(nfc)


def rng(sample: str = "a") -> np.random.Generator:
    return rng_for(seed=0, scenario="T", sample=sample, modality="text", op=0)


def apply(name: str, text: str, *level: float, sample: str = "a") -> str:
    result = CORRUPTIONS["text"][name].apply(text, level, rng(sample))
    assert isinstance(result, str)
    return result


def edits(one: str, other: str) -> int:
    """Return the Levenshtein distance."""
    row = list(range(len(other) + 1))
    for i, a in enumerate(one, 1):
        before, row[0] = row[0], i
        for j, b in enumerate(other, 1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (a != b))
    return row[-1]


def test_every_corruption_that_is_promised_is_there() -> None:
    assert set(CORRUPTIONS["text"]) == NAMES


@pytest.mark.parametrize("op", OPS, ids=lambda op: op.name)
class TestEveryCorruptionOfTexts:
    @given(text=texts(), severity=st.sampled_from(SEVERITIES), sample=st.text(min_size=1))
    def test_it_is_a_pure_function_whose_result_is_a_text(
        self, op: Corruption, text: str, severity: int, sample: str
    ) -> None:
        level = op.level(severity, text)
        np.random.seed(1)  # global state must not matter
        first = op.apply(text, level, rng(sample))
        np.random.seed(2)
        assert first == op.apply(text, level, rng(sample))
        assert unicodedata.is_normalized("NFC", first)
        assert bool(first.strip()) == bool(text.strip())
        first.encode()  # has no lone surrogates

    @given(text=texts(), severity=st.sampled_from(SEVERITIES), sample=st.text(min_size=1))
    def test_no_mark_is_parted_from_its_letter(self, op: Corruption, text: str, severity: int, sample: str) -> None:
        alone = [c for c in characters(text) if len(c) == 1]
        assume(not any(JOINER in (c[0], c[-1]) for c in characters(text)))  # which joins whatever comes near it
        assume(not any(ord(c) in FLAG_LETTERS for c in alone))  # half a flag does so too

        def heads(of: str) -> Counter[str]:
            """Count the code points that marks follow directly, with these marks."""
            parted = [nfd for c in characters(of) if len(nfd := unicodedata.normalize("NFD", c)) > 1]
            return Counter(nfd.casefold() for nfd in parted if not any(ord(x) in range(0x1100, 0x1200) for x in nfd))

        result = op.apply(text, op.level(severity, text), rng(sample))
        if op.name not in ("ocr", "word_repeat", "char_insert"):  # these lose marks on purpose, or write letters twice
            assert not heads(result) - heads(text)

    def test_a_higher_severity_is_further_from_the_original_on_average(self, op: Corruption) -> None:
        means = [
            np.mean([edits(ENGLISH, op.apply(ENGLISH, op.level(s, ENGLISH), rng(str(n)))) for n in range(12)])
            for s in SEVERITIES
        ]
        assert means == sorted(means)
        assert means[0] > 0
        assert means[4] > 1.5 * means[0]

    @pytest.mark.parametrize("text", ["", " ", "\n\t ", "👍", "👩‍👩‍👧 👍🏽"])
    def test_a_text_with_nothing_to_act_on_stays_as_it_is(self, op: Corruption, text: str) -> None:
        emoji = set(characters(text)) | {" "}
        for severity in SEVERITIES:
            result = op.apply(text, op.level(severity, text), rng())
            if text.strip() and op.name in {"word_drop", "word_swap", "word_repeat", "word_shuffle", "truncation"}:
                assert set(characters(result)) <= emoji  # these act on words of any kind, and keep every emoji whole
            else:
                assert result == text

    def test_its_severities_are_levels_that_a_manifest_may_ask_for(self, op: Corruption) -> None:
        for level in op.severities:
            for value, (low, high) in zip(level, op.within, strict=True):
                assert low <= value <= high
        assert op.summary.endswith(".")


@given(text=texts())
def test_characters_and_words_are_the_text(text: str) -> None:
    assert "".join(characters(text)) == text
    found, gaps = words(text)
    assert joined(found, gaps) == text
    assert len(gaps) == len(found) + 1
    assert all(not word.isspace() and word for word in found)
    assert all(gap.isspace() for gap in gaps[1:-1])


@pytest.mark.parametrize("whole", ["é", "m\u0300", "👩‍👩‍👧", "👍🏽", "🇰🇷", "#️⃣", "\r\n", "ते", "🏴󠁧󠁢󠁥󠁮󠁧󠁿", "각"])
def test_what_a_reader_sees_as_one_character_is_one(whole: str) -> None:
    assert characters(f"a{whole}b{whole}") == ["a", whole, "b", whole]


def test_two_flags_are_two_characters() -> None:
    assert characters("🇰🇷🇩🇪") == ["🇰🇷", "🇩🇪"]


rates = st.floats(0, 1)


@given(text=texts(), rate=rates, sample=st.text(min_size=1))
def test_typos_hit_a_neighbouring_key_and_no_more_of_them_than_promised(text: str, rate: float, sample: str) -> None:
    before, after = characters(text), characters(apply("typos", text, rate, sample=sample))
    assert len(before) == len(after)
    changed = [(b, a) for b, a in zip(before, after, strict=True) if a != b]
    assert all(a in NEIGHBOURS[b] for b, a in changed)
    assert len(changed) == share(rate, sum(c in NEIGHBOURS for c in before))


def test_keys_are_neighbours_of_each_other() -> None:
    assert set(NEIGHBOURS["g"]) == set("fhtyvb")
    assert set(NEIGHBOURS["Q"]) == set("12WA")
    assert all(key in NEIGHBOURS[near] for key, others in NEIGHBOURS.items() for near in others if near.isalpha())


@given(text=texts(), rate=rates, sample=st.text(min_size=1))
def test_char_swap_keeps_every_letter(text: str, rate: float, sample: str) -> None:
    result = apply("char_swap", text, rate, sample=sample)
    assert _code_points(result) == _code_points(text)


@given(rate=rates, sample=st.text(min_size=1))
def test_char_swap_moves_no_letter_further_than_one_place(rate: float, sample: str) -> None:
    result = apply("char_swap", ENGLISH, rate, sample=sample)
    moved = [i for i, (a, b) in enumerate(zip(ENGLISH, result, strict=True)) if a != b]
    assert len(moved) <= 2 * share(rate, sum(map(is_letter, ENGLISH)) // 2)
    pairs = list(zip(moved[::2], moved[1::2], strict=True))
    assert all(j == i + 1 and result[i] == ENGLISH[j] and result[j] == ENGLISH[i] for i, j in pairs)


@given(rate=rates, sample=st.text(min_size=1))
def test_char_delete_and_insert_change_the_promised_number_of_letters(rate: float, sample: str) -> None:
    count = share(rate, sum(map(is_letter, ENGLISH)))
    shorter, longer = (apply(f"char_{what}", ENGLISH, rate, sample=sample) for what in ("delete", "insert"))
    assert len(ENGLISH) - len(shorter) == len(longer) - len(ENGLISH) == count
    assert _subsequence(shorter, ENGLISH)
    assert _subsequence(ENGLISH, longer)
    assert set(longer) == set(ENGLISH)


@given(text=texts(), rate=rates, sample=st.text(min_size=1))
def test_ocr_takes_letters_for_their_look_alikes_alone(text: str, rate: float, sample: str) -> None:
    result = apply("ocr", text, rate, sample=sample)
    lengths = {len(a) - len(b) for a, others in LOOK_ALIKES.items() for b in others}
    candidates = sum(c in LOOK_ALIKES for c in characters(text))
    pairs = sum(a + b in LOOK_ALIKES for a, b in zip(characters(text), characters(text)[1:], strict=False))
    assert abs(len(text) - len(result)) <= max(lengths) * share(rate, candidates + pairs)
    if not candidates + pairs:
        assert result == text


def test_ocr_reads_rn_as_m_and_keeps_what_has_a_mark() -> None:
    assert apply("ocr", "rn", 1.0) == "m"
    assert apply("ocr", "\u0441 m\u0300", 1.0) == "\u0441 m\u0300"  # a Cyrillic letter, and an m with an accent
    for one, others in LOOK_ALIKES.items():
        assert one not in others


@given(text=texts(), rate=rates, sample=st.text(min_size=1))
def test_words_are_dropped_in_the_promised_number_and_in_order(text: str, rate: float, sample: str) -> None:
    before, after = words(text)[0], words(apply("word_drop", text, rate, sample=sample))[0]
    assert len(before) - len(after) == share(rate, len(before), most=max(0, len(before) - 1))
    assert _subsequence(after, before)


def test_word_drop_leaves_one_space_where_a_word_was() -> None:
    for n in range(20):
        result = apply("word_drop", " one two\nthree  four ", 0.5, sample=str(n))
        assert (result[0], result[-1]) == (" ", " ")
        assert len(words(result)[0]) == 2
        assert words(result)[1][1] in (" ", "\n", "  ")


@pytest.mark.parametrize("name", ["word_swap", "word_shuffle"])
@example(text="\u200d#\ufe0f\u20e3 a", severity=1, sample="0")  # a joiner at the beginning joins nothing
@given(text=texts(), severity=st.sampled_from(SEVERITIES), sample=st.text(min_size=1))
def test_words_in_another_order_are_the_same_words(name: str, text: str, severity: int, sample: str) -> None:
    op = CORRUPTIONS["text"][name]
    result = op.apply(text, op.level(severity, text), rng(sample))
    assert sorted(words(result)[0]) == sorted(words(text)[0])
    assert words(result)[1] == words(text)[1]


@given(window=st.integers(1, 12), sample=st.text(min_size=1))
def test_word_shuffle_moves_no_word_out_of_its_window(window: int, sample: str) -> None:
    numbers = " ".join(map(str, range(60)))
    order = [int(word) for word in apply("word_shuffle", numbers, window, sample=sample).split()]
    assert sorted(order) == list(range(60))
    assert max(abs(place - number) for place, number in enumerate(order)) < window


@given(rate=rates, sample=st.text(min_size=1))
def test_word_swap_moves_no_word_further_than_one_place(rate: float, sample: str) -> None:
    numbers = " ".join(map(str, range(60)))
    order = [int(word) for word in apply("word_swap", numbers, rate, sample=sample).split()]
    moves = [abs(place - number) for place, number in enumerate(order)]
    assert max(moves) <= 1
    assert sum(moves) <= 2 * share(rate, 30)


@given(text=texts(), rate=rates, sample=st.text(min_size=1))
def test_word_repeat_writes_the_promised_number_of_words_twice(text: str, rate: float, sample: str) -> None:
    before, after = words(text)[0], words(apply("word_repeat", text, rate, sample=sample))[0]
    assert len(after) - len(before) == share(rate, len(before))
    assert _subsequence(before, after)


@given(text=texts(), kept=rates, sample=st.text(min_size=1))
def test_truncation_keeps_the_beginning(text: str, kept: float, sample: str) -> None:
    result = apply("truncation", text, kept, sample=sample)
    assert text.startswith(result)
    core, left = characters(text.strip()), characters(result.strip())
    assert left == core[: len(left)]
    assert len(left) <= max(1, round(kept * len(core)))


@given(text=texts(), rate=rates, sample=st.text(min_size=1))
def test_case_changes_no_letter_but_its_case(text: str, rate: float, sample: str) -> None:
    before, after = characters(text), characters(apply("case", text, rate, sample=sample))
    assert len(before) == len(after)
    assert all(a in (b, nfc(b.swapcase())) for b, a in zip(before, after, strict=True))
    assert sum(a != b for a, b in zip(before, after, strict=True)) <= share(rate, len(before))


@given(text=texts(), rate=rates, sample=st.text(min_size=1))
def test_punctuation_removal_leaves_the_rest(text: str, rate: float, sample: str) -> None:
    result = apply("punctuation_removal", text, rate, sample=sample)
    assert _subsequence(result, text)
    lost = Counter(text) - Counter(result)
    assert all(unicodedata.category(mark)[0] == "P" for mark in lost)
    assert lost.total() <= share(rate, sum(unicodedata.category(c)[0] == "P" for c in text))


def test_punctuation_removal_at_severity_5_leaves_none_and_spares_emoji() -> None:
    assert apply("punctuation_removal", "Well, well... #️⃣ 10 %!", 1.0) == "Well well #️⃣ 10 "
    assert apply("punctuation_removal", "?!?", 1.0) in ("?", "!")


NESTED: dict[str, Callable[[str], set[int]]] = {
    name: (lambda after: {i for i, (a, b) in enumerate(zip(ENGLISH, after, strict=True)) if a != b})
    for name in ("typos", "case", "char_swap")
}


@pytest.mark.parametrize("name", NESTED)
@given(low=rates, high=rates, sample=st.text(min_size=1))
def test_what_changes_at_one_rate_changes_at_every_higher_one(name: str, low: float, high: float, sample: str) -> None:
    few, many = (NESTED[name](apply(name, ENGLISH, rate, sample=sample)) for rate in sorted((low, high)))
    assert few <= many


def _code_points(text: str) -> list[str]:
    return sorted(unicodedata.normalize("NFD", text))


def _subsequence(short: str | list[str], long: str | list[str]) -> bool:
    """Whether one sequence is the other with some elements left out."""
    rest = iter(long)
    return all(element in rest for element in short)
