"""The sections of a report, in the order of the page.

A new section is a file here that ends with a `Section`, a line in this list, and a test; or a plug-in, whose sections
come last.
"""

from avbuild.plugins.registry import defined, refuse_shipped
from avtrain.report.sections import (
    accuracy_tables,
    adaptation,
    confusion,
    cross_validation,
    discrimination,
    level_curves,
    modality_contributions,
    option_sweeps,
    reliability,
    risk_coverage,
    robustness,
    router_choices,
    severity_curves,
    swap_test,
    trainable_parameters,
    training_curves,
)
from avtrain.report.sections.base import Section

SECTIONS: list[Section] = [
    accuracy_tables.SECTION,
    adaptation.SECTION,
    option_sweeps.SECTION,
    cross_validation.SECTION,
    discrimination.SECTION,
    robustness.SECTION,
    severity_curves.SECTION,
    level_curves.SECTION,
    trainable_parameters.SECTION,
    router_choices.SECTION,
    swap_test.SECTION,
    modality_contributions.SECTION,
    training_curves.SECTION,
    reliability.SECTION,
    risk_coverage.SECTION,
    confusion.SECTION,
]


def all_sections() -> list[Section]:
    """Return the sections of avtrain, then those of plug-ins, in the order of the page.

    Raises:
        UserError: a plug-in cannot be loaded, or takes the name of a section of avtrain.
    """
    plugged = [d for d in defined(Section.plugin_group).values() if all(d.item is not section for section in SECTIONS)]
    refuse_shipped(plugged, {section.name for section in SECTIONS})
    return [*SECTIONS, *(definition.item for definition in plugged)]
