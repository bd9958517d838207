"""The training data of a run as adapters may know them: read, computed and stored with the run when asked for."""

import sys
from collections.abc import Sequence

from avbuild.dataset.splits import Split
from avbuild.errors import UserError
from avtrain.config import RunConfig
from avtrain.data.batch import Batch
from avtrain.data.dataset import MultimodalData
from avtrain.data.regimes import train_scenarios
from avtrain.data.shards import read_rows
from avtrain.device import Machine
from avtrain.evaluation.adaptation.base import AdaptationSource
from avtrain.evaluation.adaptation.collect import choose_rows, collect_statistics
from avtrain.evaluation.adaptation.source import FILE, SourceStatistics, load_statistics, save_statistics
from avtrain.evaluation.adaptation.streams import StreamSource, read_items
from avtrain.features.cache import cached_source
from avtrain.methods.base import Method
from avtrain.runs.folder import Run
from avtrain.runs.guards import require_same_data

SOURCE_SAMPLES = 32  # training samples that an adapter may look at


def source_of_run(run: Run, config: RunConfig, method: Method, machine: Machine, precision: str) -> AdaptationSource:
    """Return what adapters may know of a run's training data.

    The statistics of its features are in the run's folder, or are computed from the data set and stored there.

    Args:
        run: finished.
        config: of the run; its manifest says where the data are.
        method: with the weights of the run.
        machine: where it is computed.
        precision: `fp32` or `bf16`.
    """
    manifest, scenarios = config.manifest, train_scenarios(config.fit, config.manifest)

    def read(splits: Sequence[Split], epoch: int = 0) -> list[MultimodalData]:
        """Read splits, the training split as in an epoch, the others as evaluated."""
        try:
            require_same_data(run, manifest)
            rows = {split: read_rows(manifest, split, machine.row_cache) for split in splits}
        except UserError as error:
            raise UserError(
                f"{run}: the adapter needs training data, and they are not here: {error}\n"
                f"avtrain eval {run} --data PATH --adapt align reads them once, and stores {FILE} with the run"
            ) from error
        frontend = method.backbone.frontend
        epochs = {split: epoch if split == "train" else 0 for split in splits}
        return [MultimodalData(rows[s], manifest, frontend, scenarios, epochs[s], draws=1) for s in splits]

    def statistics() -> SourceStatistics:
        if (found := load_statistics(run)) is not None:
            return found
        print(f"{run}: {FILE} is computed from the training data and stored", file=sys.stderr)
        splits: list[Split] = ["train", "validation"] if config.fit.select_on == "validation" else ["train"]
        # tokens of frozen backbones are those that training has cached: of its first draw
        streams = [stream_source(method, data, machine, precision) for data in read(splits, epoch=1)]
        held_out = streams[1] if len(streams) > 1 else None
        found = collect_statistics(method, streams[0], held_out, scenarios, machine, precision, manifest.seed)
        save_statistics(run, found)
        return found

    def samples() -> Batch:
        (training,) = read(["train"])
        items = choose_rows(len(training), SOURCE_SAMPLES, manifest.seed)
        return next(read_items([training], items, SOURCE_SAMPLES, machine.loader_options)).to(machine.device)

    return AdaptationSource(manifest.seed, statistics, samples)


def stream_source(method: Method, data: MultimodalData, machine: Machine, precision: str) -> StreamSource:
    """Return the data with cached tokens where `avtrain eval` would use them."""
    source = cached_source(method, data, machine, precision)
    assert isinstance(source, StreamSource)
    return source
