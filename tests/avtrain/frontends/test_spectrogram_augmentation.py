"""SpecAugment, noise and roll: what may change, how far, and that seed, sample and epoch alone decide it."""

import numpy as np
import pytest
import torch

from avtrain.frontends.kaldi_fbank import FbankFrontend
from avtrain.frontends.spectrogram_augmentation import SpectrogramAugmentation, draw_span

BANKS = torch.arange(128 * 1024, dtype=torch.float32).reshape(128, 1024) + 100
FILL = FbankFrontend().fill


def augmented(sample: str = "a", epoch: int = 1, **options: int) -> torch.Tensor:
    return SpectrogramAugmentation(options.pop("seed", 0), FILL, **options)(BANKS, sample, epoch)


def test_padding_is_what_masks_are_filled_with() -> None:
    assert pytest.approx(5.081 / 4.4849) == FILL
    silent = FbankFrontend(32).prepare("audio", torch.randn(1_600))
    assert silent[:, -1].eq(FILL).all()


def test_without_masks_it_is_noise_of_up_to_a_tenth_and_a_roll() -> None:
    shifts, strengths = [], []
    for epoch in range(1, 60):
        found = augmented(epoch=epoch)
        first = int(found[0].argmin())  # where the first frame is now
        back = found.roll(-first, dims=1) - BANKS
        assert back.min() >= 0
        assert back.max() < 0.11  # a tenth, and float32 at 131,000
        shifts.append(first)
        strengths.append(float(back[:2].max()))  # where float32 is fine enough
    assert np.std(shifts) == pytest.approx(1024 / 12**0.5, rel=0.2)
    assert max(strengths) > 0.08
    assert min(strengths) < 0.03


def test_masks_are_one_band_and_one_span() -> None:
    for epoch in range(1, 30):
        found = augmented(epoch=epoch, frequency_mask=48, time_mask=192) < 50
        rows, columns = found.all(dim=1), found.all(dim=0)
        assert torch.equal(found, rows[:, None] | columns[None])
        assert int(rows.sum()) < 48
        assert int(columns.sum()) < 192
        edges = (columns != columns.roll(1)).sum()  # around the end, too: time is rolled afterwards
        assert edges <= 2
        assert (rows[1:] != rows[:-1]).sum() <= 2


@pytest.mark.parametrize(("size", "most"), [(128, 48), (1024, 192), (32, 192)])
def test_lengths_and_places_are_uniform(size: int, most: int) -> None:
    rng, most_here = np.random.default_rng(0), min(size, most)
    spans = [draw_span(size, most, rng) for _ in range(4_000)]
    lengths = np.array([span.stop - span.start for span in spans])
    assert min(span.start for span in spans) == 0
    assert max(span.stop for span in spans) <= size
    np.testing.assert_allclose(lengths.mean(), most_here / 2 - 0.5, rtol=0.05)
    starts = np.array([span.start / (size - length) for span, length in zip(spans, lengths, strict=True) if length < 5])
    np.testing.assert_allclose(starts.mean(), 0.5, atol=0.15)


def test_seed_sample_and_epoch_decide_it_and_nothing_else() -> None:
    torch.manual_seed(0)
    once = augmented(frequency_mask=48)
    torch.manual_seed(1)
    assert torch.equal(augmented(frequency_mask=48), once)
    others = (augmented("b", frequency_mask=48), augmented(epoch=2, frequency_mask=48), augmented(seed=1))
    assert not any(torch.equal(other, once) for other in others)
    assert BANKS[0, 0] == 100  # it is a copy that is changed
