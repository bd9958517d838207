"""The sections of a report, in the order of the page.

A new section is a file here that ends with a `Section`, a line in this list, and a test.
"""

from avtrain.report.sections import (
    accuracy_tables,
    confusion,
    discrimination,
    level_curves,
    modality_contributions,
    reliability,
    robustness,
    router_choices,
    severity_curves,
    trainable_parameters,
    training_curves,
)
from avtrain.report.sections.base import Section

SECTIONS: list[Section] = [
    accuracy_tables.SECTION,
    discrimination.SECTION,
    robustness.SECTION,
    severity_curves.SECTION,
    level_curves.SECTION,
    trainable_parameters.SECTION,
    router_choices.SECTION,
    modality_contributions.SECTION,
    training_curves.SECTION,
    reliability.SECTION,
    confusion.SECTION,
]
