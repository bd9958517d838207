"""`avbuild list`."""


def list_data_sets() -> None:
    """List the data sets that can be built, what each of them needs, and its licence.

    The names are those that `avbuild make` takes.

    Example:

        avbuild list
    """
    from avbuild.inspect.list_data_sets import list_data_sets as print_data_sets

    print_data_sets()
