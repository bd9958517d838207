"""Contributions of modalities: one row an entry that has them, mean over seeds, clean data alone."""

from pathlib import Path
from typing import Any

from avtrain.report.sections import modality_contributions
from tests.support.reports import score, view_of


def contributions(audio: float, image: float) -> dict[str, Any]:
    both = audio + image
    return {
        "coalitions": {"audio": audio, "image": image, "audio+image": both},
        "shapley": {"audio": audio, "image": image},
    }


def test_contributions_are_means_over_seeds_of_the_first_scenario_that_has_them(tmp_path: Path) -> None:
    view = view_of(
        tmp_path,
        [
            score("late", "C", 0.8, seed=0, **contributions(0.5, 0.3)),
            score("late", "C", 0.6, seed=1, **contributions(0.5, 0.1)),
            score("late", "D", 0.2, seed=0, **contributions(0.1, 0.1)),
            score("old", "C", 0.7),
        ],
    )
    markdown = modality_contributions.markdown(view)
    assert "| method | audio | image | audio+image | Shapley audio | Shapley image | n |" in markdown
    cells = "50.0 ± 0.0 | 20.0 ± 14.1 | 70.0 ± 14.1 | 50.0 ± 0.0 | 20.0 ± 14.1 | 2"
    assert f"| late (tiny, trained on scenarios) | {cells} |" in markdown
    assert "old" not in markdown
    drawn = modality_contributions.html(view)
    assert "<td class=number>70.0 ± 14.1</td>" in drawn
    assert "old" not in drawn


def test_a_modality_that_an_entry_lacks_is_an_empty_cell(tmp_path: Path) -> None:
    audio_only = {"coalitions": {"audio": 0.4}, "shapley": {"audio": 0.4}}
    view = view_of(
        tmp_path, [score("late", "C", 0.8, **contributions(0.5, 0.3)), score("audio", "C", 0.4, **audio_only)]
    )
    markdown = modality_contributions.markdown(view)
    assert "| audio (tiny, trained on scenarios) | 40.0 |  |  | 40.0 |  | 1 |" in markdown
