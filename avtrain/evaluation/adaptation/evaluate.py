"""`avtrain eval --adapt`: scores of a run with an adapter on streams of test samples, beside the run's plain scores."""

from dataclasses import dataclass
from typing import Any

from avbuild.errors import UsageError
from avbuild.progress import progress_bar
from avtrain.data.samples import Rows
from avtrain.data.shards import content_of, read_rows, shared_recordings
from avtrain.device import Machine
from avtrain.evaluation.adaptation.base import TestTimeAdapter
from avtrain.evaluation.adaptation.follow import Followed, follow
from avtrain.evaluation.adaptation.registry import build_adapter, find_adapter
from avtrain.evaluation.adaptation.run_source import source_of_run, stream_source
from avtrain.evaluation.adaptation.stream_conditions import stream_conditions
from avtrain.evaluation.adaptation.streams import STREAMS, StreamKind, StreamSource, make_streams, read_items
from avtrain.evaluation.calibration import calibrated, describe_temperature, pick_temperature
from avtrain.evaluation.conditions import EvalCondition, EvalRequest
from avtrain.evaluation.evaluate import (
    describe_condition,
    inference_modes,
    load_method,
    read_condition,
    score,
    write_scores,
)
from avtrain.evaluation.location import open_run
from avtrain.evaluation.predict import Outputs
from avtrain.evaluation.predictions import scores_file, to_parquet
from avtrain.methods.base import Method
from avtrain.runs.folder import Run

BATCH = 64  # default of --adapt-batch


@dataclass(frozen=True)
class AdaptRequest:
    """The adapter and the streams that the user of `avtrain eval --adapt` asks for.

    Attributes:
        name: of the adapter.
        stream: kind of stream.
        batch: samples of a batch of the stream.
    """

    name: str
    stream: StreamKind = "one"
    batch: int = BATCH

    def label(self, method: str) -> str:
        """Return the name of a method with this adapter for tables; defaults are left out."""
        parts = [f"{method}+{self.name}", self.stream if self.stream != "one" else "", str(self.batch)]
        return ":".join(part for part in parts if part and part != str(BATCH))


def check_request(name: str, stream: str, batch: int) -> AdaptRequest:
    """Return a request.  Raises UsageError where there is no such adapter or stream."""
    find_adapter(name)
    for kind in STREAMS:
        if kind == stream:
            return AdaptRequest(name, kind, batch)
    raise UsageError(f"--stream {stream}: no such stream; allowed are {', '.join(STREAMS)}")


def evaluate_adapted(
    run: Run,
    request: EvalRequest,
    adapt: AdaptRequest,
    machine: Machine,
    precision: str,
    calibration: str | None = None,
) -> list[dict[str, Any]]:
    """Score a run with an adapter on streams of the test split, and write the JSON files into `adapted/`.

    The plain scores of the run stay as they are.  Of a method with ways of inference, those that are given the true
    scenario are left out: the condition of a stream is not known.

    Args:
        run: finished.
        request: which conditions; of another manifest also those that the run was trained on.
        adapt: adapter and streams.
        machine: where it is computed.
        precision: `fp32` or `bf16`.
        calibration: as for `pick_temperature`.

    Returns:
        The content of the files.

    Raises:
        UsageError: request and run do not fit, or the method has nothing that the adapter could change.
        UserError: the run is not finished, or its data have changed.
    """
    config, request, machine = open_run(run, request, machine)
    conditions, temperature = stream_conditions(config.manifest, request), pick_temperature(run, calibration)
    clean = read_rows(config.manifest, "test", machine.row_cache)
    method = load_method(run, config, len(clean.classes), machine)
    adapter = build_adapter(adapt.name, method, source_of_run(run, config, method, machine, precision))
    tested = [_read(condition, clean, method, adapter, machine, precision) for condition in conditions]
    known = {"leaky": bool(shared_recordings(config.manifest)), "content": content_of(config.manifest, ["test"])}
    streams = make_streams(adapt.stream, [each.name for each in conditions], len(clean.samples), config.manifest.seed)
    modes = inference_modes(method, scenario_known=False)
    results = []
    with progress_bar(f"adapting by {adapt.name}", len(modes) * len(conditions) * len(clean.samples)) as advance:
        for inference in modes:
            method.inference = inference
            for stream in streams:
                sources = [each.source for each in tested]
                batches = read_items(sources, stream.items, adapt.batch, machine.loader_options)
                followed = follow(adapter, stream, batches, machine, precision, advance)
                for index, raw in followed.outputs().items():
                    facts = describe_condition(run, config, conditions[index]) | known
                    facts |= {"method": adapt.label(config.fit.method), "computed": tested[index].computed}
                    outputs = calibrated(raw, temperature, inference)
                    facts |= {"calibration": describe_temperature(temperature, inference)}
                    facts |= {"inference": inference, "adaptation": _describe(adapt, adapter, followed)}
                    results.append(_write(run, conditions[index], facts, outputs, tested[index].rows))
        adapter.reset("")  # weights as trained
    return results


@dataclass(frozen=True)
class TestedCondition:
    """The test split under one condition.

    Attributes:
        rows: of the split.
        source: read by streams.
        computed: where its corruptions come from, for the scores.
    """

    rows: Rows
    source: StreamSource
    computed: str


def _read(
    condition: EvalCondition, clean: Rows, method: Method, adapter: TestTimeAdapter, machine: Machine, precision: str
) -> TestedCondition:
    data, computed = read_condition(condition, clean, method.backbone.frontend, machine)
    source = data if adapter.needs_inputs else stream_source(method, data, machine, precision)
    return TestedCondition(data.rows, source, computed)


def _describe(adapt: AdaptRequest, adapter: TestTimeAdapter, followed: Followed) -> dict[str, Any]:
    return {
        "name": adapt.name,
        "stream": adapt.stream,
        "batch": adapt.batch,
        "predicts": adapter.predicts,
        "seconds_per_sample": followed.seconds / max(1, len(followed.items)),
    }


def _write(run: Run, condition: EvalCondition, facts: dict[str, Any], outputs: Outputs, rows: Rows) -> dict[str, Any]:
    result = facts | score(outputs, rows) | {"choice": None}
    predicted = to_parquet(outputs, rows, condition.name, condition.severity, facts["inference"])
    return write_scores(run, scores_file(result), result, predicted)
