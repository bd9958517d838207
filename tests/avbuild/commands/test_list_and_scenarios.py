"""What `avbuild list` and `avbuild scenarios` print."""

import io

import pytest
from rich.console import Console

from avbuild.corruptions import CORRUPTIONS
from avbuild.corruptions.missing import PROTOCOLS
from avbuild.scenarios.presets import PRESETS
from tests.conftest import REPOSITORY
from tests.support.commands import fail, succeed


def test_list_and_scenarios_print_what_there_is() -> None:
    assert "urbansound8k-av" in succeed("list")
    listing = succeed("scenarios", REPOSITORY / "manifests" / "demo.yaml")
    assert "box_blur" in listing
    assert "any_of" in listing


def test_scenarios_lists_presets_and_protocols_but_no_scenarios_without_a_manifest() -> None:
    listing = succeed("scenarios")
    assert "night_call" in listing
    assert "cpm" in listing
    assert "any_of" not in listing


def test_in_a_pipe_every_name_is_whole_and_on_a_line_of_its_own() -> None:
    lines = [line.split("\t") for line in succeed("scenarios").splitlines()]
    names = {cells[1] for cells in lines if cells[0] in CORRUPTIONS}
    assert names == {name for corruptions in CORRUPTIONS.values() for name in corruptions}
    assert {*PRESETS, *PROTOCOLS} <= {cells[0] for cells in lines}


@pytest.mark.parametrize("width", [60, 80, 119, 200])
def test_no_name_is_cut_in_a_terminal(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    from avbuild.inspect import list_corruptions

    sink = io.StringIO()
    console = Console(file=sink, force_terminal=True, width=width, color_system=None)
    monkeypatch.setattr(list_corruptions, "Console", lambda: console)
    list_corruptions.list_corruptions()
    list_corruptions.list_presets()
    list_corruptions.list_protocols()
    shown = sink.getvalue()
    assert "\u2026" not in shown
    words = {word for line in shown.splitlines() for word in line.split()}
    assert {*PRESETS, *PROTOCOLS, *(name for corruptions in CORRUPTIONS.values() for name in corruptions)} <= words


def test_one_name_is_shown_in_full() -> None:
    shown = succeed("scenarios", "rain")
    for what in (
        "corruption of audio",
        "corruption of image",
        "preset",
        "density: 0.004",
        "{preset: rain, severity: 3}",
    ):
        assert what in shown
    assert "rate 50%" in succeed("scenarios", "cpm")
    assert "clips: FOLDER" in succeed("scenarios", "ambient_noise")
    assert 'did you mean "rain"?' in fail("scenarios", "ranin")
