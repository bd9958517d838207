"""The `avtrain` commands before anything is trained: wrong options, validate, methods, help."""

from pathlib import Path

import pytest

from avbuild.errors import UserError
from tests.avtrain.training.test_fit import avtrain_


@pytest.fixture(scope="module")
def manifest(small_data: Path) -> Path:
    return small_data / "manifest.yaml"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("--method", "finetun"), 'did you mean "finetune"'),
        (("--backbone", "tinny"), 'did you mean "tiny"'),
        (("--set", "method.head_l=1", "--set", "backbone.widht=1", "--set", "lrr=1"), "head_l.*\n.*\n.*widht"),
        (("--set", "lr"), "write key=value"),
        (("--seeds", "0,0"), "different whole numbers"),
        (("--device", "gpu"), "allowed are auto, cpu, cuda"),
        (("--precision", "fp8"), "allowed are auto, fp32, bf16"),
        (("--resume", "maybe"), "allowed are auto, restart, never"),
        (("--set", "epochs=0"), "epochs: "),
    ],
)
def test_a_wrong_option_is_explained_and_nothing_is_written(
    manifest: Path, tmp_path: Path, arguments: tuple[str, ...], expected: str
) -> None:
    import re

    with pytest.raises(UserError) as caught:
        avtrain_("fit", manifest, "--backbone", "tiny", "--out", tmp_path / "runs", *arguments)
    assert caught.value.exit_code == 2
    assert re.search(expected, str(caught.value)), str(caught.value)
    assert not (tmp_path / "runs").exists()


def test_validate_reports_every_file_at_once(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("manifest: 2\n")
    (tmp_path / "b.yaml").write_text("manifest: 1\nname: b\n")
    with pytest.raises(UserError) as caught:
        avtrain_("validate", tmp_path / "a.yaml", tmp_path / "b.yaml")
    assert "a.yaml: 4 problems" in str(caught.value)
    assert "b.yaml: 2 problems" in str(caught.value)


def test_methods_lists_name_line_and_source() -> None:
    listed = avtrain_("methods")
    for word in ("finetune", "linear-probe", "prompt", "CVPRW"):
        assert word in listed


def test_help_comes_without_loading_torch() -> None:
    import subprocess
    import sys

    for package in ("avtrain", "avbuild"):
        code = (
            f"import sys; from {package}.cli import app; "
            "heavy = {'torch', 'datasets', 'pyarrow', 'scipy', 'matplotlib', 'numpy'} & set(sys.modules); "
            "sys.exit(f'loaded {heavy}' if heavy else 0)"
        )
        subprocess.run([sys.executable, "-c", code], check=True)
