"""benchmarks/text.py: it measures every corruption of texts, beside what is installed of the other libraries."""

import importlib
import sys
from types import ModuleType, SimpleNamespace

import pytest

from avbuild.corruptions import CORRUPTIONS
from tests.conftest import REPOSITORY


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(REPOSITORY / "benchmarks"))
    monkeypatch.setattr(sys, "argv", ["text.py", "--texts", "2", "--seconds", "0"])
    return importlib.import_module("text")


def test_what_is_not_installed_is_said_and_left_out(
    script: ModuleType, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("nlpaug", "textattack"):
        monkeypatch.setitem(sys.modules, name, None)  # type: ignore[arg-type]  # so that importing it fails
    script.main()
    printed = capsys.readouterr().out
    assert "skipped: nlpaug is not importable here" in printed
    assert "skipped: textattack is not importable here" in printed
    assert all(f"| {name} | " in printed for name in CORRUPTIONS["text"])
    assert "times" not in printed


def test_ratios_are_printed_for_what_a_library_has(
    script: ModuleType, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Augmenter:
        def __init__(self, **options: object) -> None:
            self.options = options

        def augment(self, text: str) -> list[str]:
            return [text[::-1] for _ in range(50)]

    made = SimpleNamespace(KeyboardAug=Augmenter, OcrAug=Augmenter, RandomCharAug=Augmenter, RandomWordAug=Augmenter)
    monkeypatch.setattr(script, "installed", lambda name: made if name.startswith("nlpaug") else None)
    script.main()
    lines = {line.split(" | ")[0].strip("| "): line for line in capsys.readouterr().out.splitlines()}
    assert set(script.nlpaug_peers()) <= set(CORRUPTIONS["text"])
    assert {name for name, line in lines.items() if " times |" in line} == set(script.nlpaug_peers())
