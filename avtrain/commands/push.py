"""`avtrain push`."""

from typing import Annotated

import typer

from avtrain.commands.options import DataPlace, OneRun


def push(
    run: OneRun,
    repository: Annotated[str, typer.Argument(help="OWNER/NAME on the Hugging Face Hub.")],
    public: Annotated[
        bool, typer.Option("--public", help="Make it visible to everyone; check the licences of the data first.")
    ] = False,
    data: DataPlace = None,
) -> None:
    """Send a finished run to the Hugging Face Hub as a model, with a card.

    The card has the scores of each scenario, the corruptions, the method, the licences of the data, limits and use. The
    run's configuration, weights and scores are sent as they are, with the paths in config.yaml, and an exported
    program beside them; predictions of single samples stay here. The repository is private unless --public is given.

    Examples:

        avtrain push runs/demo-finetune-tiny you/demo-classifier
        avtrain push runs/demo-finetune-tiny/seed0 you/demo-classifier --public
    """
    from avbuild.dataset.hub import check_repository
    from avbuild.progress import progress_bar

    check_repository(repository, "you/demo-classifier")
    notes: list[str] = []
    with progress_bar("preparing", 4) as advance:
        import torch

        from avbuild.errors import UserError
        from avtrain.device import Machine
        from avtrain.inference.export import exported
        from avtrain.inference.export_file import TOKENIZER
        from avtrain.inference.loaded_run import load_run
        from avtrain.inference.model_card import CardFacts, render_card
        from avtrain.inference.push import CARD, PROGRAM, find_build, run_files, scores_of, upload
        from avtrain.report.terminal import without_controls

        loaded = load_run(run, Machine(torch.device("cpu")))
        build, files, scores = find_build(loaded, data), run_files(loaded.run), scores_of(loaded.run)
        advance()
        content: dict[str, bytes] = {}
        inputs: tuple[str, ...] | None = None
        try:
            program = exported(loaded, advance=advance)
            content[PROGRAM], inputs = program.data, tuple(program.description["inputs"])
            if program.tokenizer is not None:
                content[TOKENIZER] = program.tokenizer
        except UserError as error:  # the model is of use without it
            notes.append(f"note: sent without {PROGRAM}: {error}")
        facts = CardFacts(loaded, repository, scores, build, inputs)
        content[CARD] = render_card(facts).encode()
    if facts.not_evaluated:
        names = ", ".join(facts.not_evaluated)
        notes.append(f"note: not evaluated, which the card says: {names}; avtrain eval {loaded.run} does it")
    if build is None:
        notes.append("note: the data set is not there or has changed, so the card names no licences; --data says where")
    for source in build.sources if build else ():
        typer.echo(without_controls(f"{source.role}: {source.name}, {source.licence}"))
    for note in notes:
        typer.echo(without_controls(note), err=True)
    address = upload(repository, {**files, **content}, public, f"avtrain push {loaded.run.folder.name}")
    typer.echo(without_controls(f"sent: {address}"))
    typer.echo(f'next: avtrain.load(huggingface_hub.snapshot_download("{repository}"))')
