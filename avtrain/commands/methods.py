"""`avtrain methods`."""


def methods() -> None:
    """List the methods: name, summary, source and options.

    The names are those that `avtrain fit --method` takes.

    Example:

        avtrain methods
    """
    import inspect

    from rich.console import Console
    from rich.table import Table

    from avtrain.methods.registry import METHODS
    from avtrain.report.terminal import plain

    table = Table("method", "what it does", "source", "options (--set method.KEY=VALUE)")
    for name, method in METHODS.items():
        summary = next(iter((inspect.getdoc(method) or "").splitlines()), "")  # python -OO leaves out docstrings
        options = "\n".join(
            f"{key}={field.default}  {field.description or ''}" for key, field in method.Config.model_fields.items()
        )
        table.add_row(*map(plain, (name, summary, method.source, options)))
    Console().print(table)
