"""`avtrain validate`."""

from pathlib import Path

import pytest

from avbuild.errors import UserError
from tests.avtrain.training.test_fit import avtrain_
from tests.conftest import REPOSITORY


def test_validate_reports_every_file_at_once(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("manifest: 2\n")
    (tmp_path / "b.yaml").write_text("manifest: 1\nname: b\n")
    with pytest.raises(UserError) as caught:
        avtrain_("validate", tmp_path / "a.yaml", tmp_path / "b.yaml")
    assert "a.yaml: 4 problems" in str(caught.value)
    assert "b.yaml: 2 problems" in str(caught.value)


def test_a_valid_manifest_is_called_that() -> None:
    assert "demo.yaml: valid; scenarios C, A, V, D" in avtrain_("validate", REPOSITORY / "manifests" / "demo.yaml")
