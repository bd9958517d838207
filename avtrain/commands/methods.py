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

    table = Table("method", "what it does", "source", "options (--set method.KEY=VALUE)")
    for name, method in METHODS.items():
        summary = (inspect.getdoc(method) or "").splitlines()[0]
        options = "\n".join(
            f"{key}={field.default}  {field.description or ''}" for key, field in method.Config.model_fields.items()
        )
        table.add_row(name, summary, method.source, options)
    Console().print(table)
