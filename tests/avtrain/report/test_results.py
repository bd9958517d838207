"""Gathering evaluations: what a report refuses."""

from pathlib import Path

import pytest

from avbuild.errors import UserError
from tests.support.reports import report, score


def test_evaluations_of_an_earlier_version_are_refused(tmp_path: Path) -> None:
    old = {key: value for key, value in score("map", "D", 0.5).items() if key != "inference"}
    with pytest.raises(UserError, match=r"written by an earlier version of avtrain.*delete that folder"):
        report(tmp_path, [old])
