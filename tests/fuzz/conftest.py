"""Counts the cases of each group, for the table in docs/reliability.md."""

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.fuzz.damage import TRIED


@pytest.fixture(autouse=True)
def count_cases(record_property: Callable[[str, object], None]) -> Iterator[None]:
    """Report how many cases a test tried."""
    before = len(TRIED)
    yield
    record_property("cases", len(TRIED) - before)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Print the number of cases of each file."""
    counts: Counter[str] = Counter()
    for reports in terminalreporter.stats.values():
        for report in reports:
            if getattr(report, "when", "") == "teardown" and "tests/fuzz/" in report.nodeid:
                counts[report.nodeid.split("::")[0]] += dict(report.user_properties).get("cases", 0)
    for path, count in sorted(counts.items()):
        terminalreporter.write_line(f"{path}: {count:,} cases")
