"""Train and score the runs of a plan, with the functions that `avtrain fit` and `avtrain eval` call."""

from collections.abc import Callable, Sequence
from pathlib import Path

from avbuild.dataset.build_record import BuildRecord, read_build
from avbuild.dataset.storage import Folder
from avtrain.device import Machine
from avtrain.evaluation.conditions import EvalRequest
from avtrain.evaluation.evaluate import evaluate
from avtrain.methods.registry import find_method
from avtrain.reproduction.plan import PlannedRun, ReproductionPlan
from avtrain.runs.folder import Run
from avtrain.training.start import fit_run


def reproduce(plan: ReproductionPlan, machine: Machine, resume: str, say: Callable[[str], None]) -> None:
    """Train every run that is not finished, and score every run that is not scored.

    Args:
        plan: from `make_plan`.
        machine: where runs are computed.
        resume: auto, restart or never: what happens to a run that was started before.
        say: receives one line a run.
    """
    for planned in plan.runs:
        fit = planned.config.fit
        source = None if fit.init_from is None else Path(fit.init_from)
        say(fit_run(planned.folder, planned.config, machine, resume, source))
        wanted = plan.scenarios_of(planned.config.manifest)
        if not scored(planned, wanted):
            evaluate(planned.run, EvalRequest(wanted), machine, "fp32")


def scored(planned: PlannedRun, scenarios: Sequence[str]) -> bool:
    """Return whether a run is scored on all scenarios, with every way of inference, on the data of its manifest.

    Args:
        planned: the run.
        scenarios: names of scenarios of its manifest.
    """
    manifest = planned.config.manifest
    modes = find_method(planned.system.method).inference_modes or (None,)
    there = {
        (e["scenario"], e["inference"], e["scenario_hash"])
        for e in planned.run.evaluations()
        if e["other_manifest"] is None
    }
    return all((name, mode, manifest.scenario_hash(name)) in there for name in scenarios for mode in modes)


def builds(plan: ReproductionPlan) -> list[BuildRecord]:
    """Return the build record of each manifest's data set.  Raises UserError where a data set is missing."""
    return [read_build(Folder(manifest.dataset)) for manifest in plan.manifests]


def devices(runs: Sequence[Run]) -> list[str]:
    """Return the devices and torch versions that runs were made with, each once, as text."""
    environments = [run.read_json("env.json") for run in runs]
    texts = (f"{e['device']} ({e['device_name']}), torch {e['versions']['torch']}" for e in environments)
    return list(dict.fromkeys(texts))
