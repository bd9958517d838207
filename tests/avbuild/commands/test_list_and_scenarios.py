"""What `avbuild list` and `avbuild scenarios` print."""

from tests.conftest import REPOSITORY
from tests.support.commands import succeed


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
