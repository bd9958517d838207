"""The arguments of `avtrain fit`."""

import re
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
    with pytest.raises(UserError) as caught:
        avtrain_("fit", manifest, "--backbone", "tiny", "--out", tmp_path / "runs", *arguments)
    assert caught.value.exit_code == 2
    assert re.search(expected, str(caught.value)), str(caught.value)
    assert not (tmp_path / "runs").exists()
