"""Starting a pretraining: begin it, continue it, report that it is finished, or refuse it."""

from avbuild.errors import UserError
from avbuild.scenarios.manifest import Manifest
from avtrain.device import Machine
from avtrain.pretraining.cav_mae import pretrain
from avtrain.pretraining.config import EARLIER, WEIGHTS, PretrainConfig, described
from avtrain.runs.folder import Run
from avtrain.runs.guards import require_same_configuration
from avtrain.runs.lock import locked

# files that a restart deletes; pretrain.json, which marks a pretraining, is the last
FILES = ("state.pt", "metrics.jsonl", "env.json", "result.json", WEIGHTS, "pretrain.json")


def pretrain_run(run: Run, config: PretrainConfig, manifest: Manifest, machine: Machine, resume: str) -> str:
    """Pretrain to the end, from wherever the folder is.

    Args:
        run: the folder.
        config: of the pretraining.
        manifest: of the data.
        machine: where it is computed.
        resume: `auto`, `restart` or `never`, as for `fit_run`.

    Returns:
        A line for the user: the loss that was reached.

    Raises:
        UserError: the folder holds something else, or pretraining fails.
    """
    with locked(run.folder):
        return _pretrain_locked(run, config, manifest, machine, resume)


def _pretrain_locked(run: Run, config: PretrainConfig, manifest: Manifest, machine: Machine, resume: str) -> str:
    run.remove_abandoned()
    begun = (run.folder / "pretrain.json").exists()
    if run.begun:
        raise UserError(f"{run}: holds a run of avtrain fit; choose another --out")
    if begun and resume == "never":
        raise UserError(f"{run}: holds a pretraining already; --resume auto finishes it, restart begins anew")
    if begun and resume == "restart":
        for name in FILES:  # other files of the folder stay
            (run.folder / name).unlink(missing_ok=True)
    elif begun:
        check_same(run, config, manifest)
    if run.finished:
        return f"{run}: finished already, loss {run.read_json('result.json')['loss']:.3f}"
    result = pretrain(run, config, manifest, machine)
    return f"{run}: loss {result['loss']:.3f} after {config.epochs} epochs, {result['parameters']:,} parameters"


def check_same(run: Run, config: PretrainConfig, manifest: Manifest) -> None:
    """Refuse to continue a pretraining that was begun with other options or another manifest.  Raises UserError."""
    before, asked = run.read_json("pretrain.json"), described(config, manifest)
    before = {**before, "pretrain": {**EARLIER, **before["pretrain"]}}
    compared = [(before[section], asked[section]) for section in asked]
    require_same_configuration(run, compared, holds="a pretraining", choose="--out")
