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

    from avbuild.plugins.registry import defined
    from avtrain.methods.base import Method
    from avtrain.methods.registry import all_methods
    from avtrain.report.terminal import plain

    plugins = defined(Method.plugin_group)
    table = Table("method", "what it does", "source", "options (--set method.KEY=VALUE)")
    for name, method in all_methods().items():
        summary = next(iter((inspect.getdoc(method) or "").splitlines()), "")  # python -OO leaves out docstrings
        options = "\n".join(
            f"{key}={field.default}  {field.description or ''}" for key, field in method.Config.model_fields.items()
        )
        plugin = plugins.get(name)
        source = method.source if plugin is None else f"{method.source} (plug-in: {plugin.source.origin})"
        table.add_row(*map(plain, (name, summary, source, options)))
    Console().print(table)
