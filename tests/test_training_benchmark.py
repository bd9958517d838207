"""benchmarks/training.py: the costs of each method relative to fine-tuning, with encoders of the published sizes."""

import importlib
import sys
from pathlib import Path
from types import ModuleType

import pytest

from avtrain.backbones.registry import build_backbone
from tests.avtrain.training.test_fit import SMALL
from tests.conftest import REPOSITORY


@pytest.fixture(scope="module")
def manifest(small_data: Path) -> Path:
    return small_data / "manifest.yaml"


class TestBenchmark:
    @pytest.fixture
    def script(self, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
        monkeypatch.syspath_prepend(str(REPOSITORY / "benchmarks"))
        return importlib.import_module("training")

    def test_every_method_is_compared_with_fine_tuning(
        self, script: ModuleType, manifest: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        asked = ["--backbone", "tiny", "--methods", "linear-probe", "--epochs", "1", "--device", "cpu"]
        sets = [word for setting in SMALL for word in setting.split("=", 1)]
        monkeypatch.setattr(sys, "argv", ["training.py", str(manifest), *asked, *sets])
        script.main()
        printed = capsys.readouterr().out
        rows = [line.strip("| ").split(" | ") for line in printed.splitlines() if line.startswith("|")]
        assert [row[0] for row in rows] == ["method", "---", "finetune", "linear-probe"]
        full, probe = (dict(zip(rows[0], row, strict=True)) for row in rows[2:])
        assert full["trained weights"] == full["all weights"] == probe["all weights"]
        assert int(probe["trained weights"].replace(",", "")) < int(full["trained weights"].replace(",", ""))
        assert float(full["times faster"]) == float(full["times less memory"]) == 1
        assert float(full["s for the cache"]) < float(probe["s for the cache"])
        assert float(full["peak memory, GiB"]) > 0.05
        assert "96 % of time saved" in printed

    def test_a_command_that_fails_ends_the_program_with_its_message(
        self, script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with pytest.raises(SystemExit, match=r"nowhere\.yaml: no such manifest"):
            script.run(*script.command("avtrain", "validate", tmp_path / "nowhere.yaml"))

    def test_random_encoders_have_the_published_sizes(self, script: ModuleType, tmp_path: Path) -> None:
        script.write_encoders(tmp_path)
        backbone = build_backbone("dual", {part: str(tmp_path / f"{part}.safetensors") for part in ("vision", "audio")})
        sizes = {m: sum(p.numel() for p in backbone.encoder(m).parameters()) for m in backbone.modalities}
        mask_token = 384  # part of DINOv2's 22,056,576 weights, and not used
        assert sizes == {"image": 22_056_576 - mask_token, "audio": 8_208_384}
