"""The poster's statements, checked against the cells of its own tables."""

from collections.abc import Sequence
from statistics import mean

from avtrain.reproduction.arithmetic import ArithmeticCheck, rounds_to
from avtrain.reproduction.prompt_the_missing.published import (
    AVERAGE,
    CIFAR_CELLS,
    EFFICIENCY_CELLS,
    URBANSOUND_CELLS,
    own_saving,
)
from avtrain.reproduction.published_cells import PublishedCell, by_place

TABLES = {"UrbanSound8K-AV": URBANSOUND_CELLS, "CIFAR10-AV": CIFAR_CELLS}
CONDITIONS = ("C", "A", "V", "D")
PROMPT_COLUMN = "Prompt learning"


def own_averages(cells: Sequence[PublishedCell]) -> dict[str, float]:
    """Return the mean over the four conditions of each column of an accuracy table, not rounded."""
    places = by_place(cells)
    return {column: mean(places[row, column].number for row in CONDITIONS) for column in _columns(cells)}


def averages_follow(data: str) -> ArithmeticCheck:
    """Return whether the printed averages are the means of their columns.  data: a key of TABLES."""
    cells = TABLES[data]
    own, printed = own_averages(cells), by_place(cells)
    texts = {column: printed[AVERAGE, column].printed for column in own}
    working = ", ".join(f"{column} {value:.4f} (printed {texts[column]})" for column, value in own.items())
    says = f"the averages on {data} follow from their columns"
    return ArithmeticCheck(says, all(rounds_to(own[column], texts[column]) for column in own), working)


def gain(stated: str) -> ArithmeticCheck:
    """Return whether some average of prompt learning is a stated number of points, or per cent, above another one.

    Args:
        stated: such as "10.4".
    """
    candidates: dict[str, float] = {}
    for data, cells in TABLES.items():
        places, own = by_place(cells), own_averages(cells)
        printed = {column: places[AVERAGE, column].number for column in own}
        for kind, values in (("averages", own), ("printed averages", printed)):
            best = values[PROMPT_COLUMN]
            for column in (column for column in values if column != PROMPT_COLUMN):
                place = f"over {column} on {data}, {kind}"
                candidates[f"points {place}"] = 100 * (best - values[column])
                candidates[f"% of the other, {place}"] = 100 * (best / values[column] - 1)
    nearest = min(candidates, key=lambda name: abs(candidates[name] - float(stated)))
    working = f"the nearest of {len(candidates)} differences of averages is {candidates[nearest]:.2f} {nearest}"
    says = f"prompt learning is up to {stated} % more accurate"
    return ArithmeticCheck(says, any(rounds_to(value, stated) for value in candidates.values()), working)


def accuracy_is_an_average() -> ArithmeticCheck:
    """Return whether the accuracy of prompt learning in the efficiency table is one of the averages elsewhere."""
    stated = by_place(EFFICIENCY_CELLS)[PROMPT_COLUMN, "accuracy"]
    averages = [cell for cells in TABLES.values() for cell in cells if cell.row[0] == AVERAGE]
    found = any(cell.number == stated.number for cell in averages)
    says = f"prompt learning has an accuracy of {stated.printed} (efficiency table, data not named)"
    return ArithmeticCheck(says, found, f"the averages are {', '.join(cell.printed for cell in averages)}")


def both_at_least_as_hard() -> ArithmeticCheck:
    """Return whether noise to both is at least as strong as noise to one: nothing is more accurate under D."""
    easier = []
    for data, cells in TABLES.items():
        places = by_place(cells)
        for column in _columns(cells):
            both = places["D", column]
            for single in (places["A", column], places["V", column]):
                if both.number > single.number:
                    easier.append(f"{column} on {data}: {both.printed} under D, {single.printed} under {single.row[0]}")
    says = "noise to both (D) is at least as strong as noise to audio (A) or vision (V)"
    return ArithmeticCheck(says, not easier, "; ".join(easier) or "no accuracy is higher under D")


def saving(says: str, stated: str, column: str) -> ArithmeticCheck:
    """Return whether a stated saving of time or memory follows from the efficiency table.

    Args:
        says: the statement.
        stated: per cent saved, such as "96".
        column: of the efficiency table.
    """
    places = by_place(EFFICIENCY_CELLS)
    full, prompts = places["Fine-tuning", column], places[PROMPT_COLUMN, column]
    own = 100 * own_saving(column)
    return ArithmeticCheck(says, rounds_to(own, stated), f"{full.printed} to {prompts.printed} is {own:.1f} % less")


def trained_share(stated: str) -> ArithmeticCheck:
    """Return whether prompt learning trains the stated share of fine-tuning's weights.  stated: per cent."""
    places, column = by_place(EFFICIENCY_CELLS), "trainable (M)"
    prompts, full = places[PROMPT_COLUMN, column], places["Fine-tuning", column]
    own = 100 * prompts.number / full.number
    says = f"prompt learning trains {stated} % of the weights"
    return ArithmeticCheck(says, rounds_to(own, stated), f"{prompts.printed} / {full.printed} is {own:.1f} %")


def _columns(cells: Sequence[PublishedCell]) -> list[str]:
    return list(dict.fromkeys(cell.column for cell in cells))


CHECKS = (
    trained_share("3.7"),
    saving("prompt learning takes 96 % less time", "96", "time an epoch (s)"),
    saving("prompt learning needs 82.3 % less memory", "82.3", "total memory (GiB)"),
    gain("10.4"),
    accuracy_is_an_average(),
    both_at_least_as_hard(),
    *map(averages_follow, TABLES),
)
