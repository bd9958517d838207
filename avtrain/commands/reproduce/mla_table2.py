"""`avtrain reproduce mla-table2`: numbers whose systems avtrain does not have yet."""

from pathlib import Path

import typer

from avtrain.commands.reproduce.options import ListAll, ListAs, Out, print_list


def mla_table2(list_numbers: ListAll = False, list_as: ListAs = "text", out: Out = Path("reproduced")) -> None:
    """Show Table 2 of MLA (CVPR 2024), accuracy by missing rate, and what its runs would need.

    Nothing is run: neither the data nor most of its systems are part of avtrain. All 84 numbers are "not run".

    Examples:

        avtrain reproduce mla-table2
        avtrain reproduce mla-table2 --list --format csv
    """
    if print_list("mla-table2", list_numbers, list_as):
        return
    from avtrain.reproduction.mla.missing_rates_page import printed, write

    typer.echo("\n".join(printed()))
    typer.echo(f"written: {', '.join(map(str, write(out)))}")
