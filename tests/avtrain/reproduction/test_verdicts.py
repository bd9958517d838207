"""Published numbers of *Prompt the Missing*: their sources, and the verdicts on them."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from avtrain.methods.registry import METHODS
from avtrain.report.results import Cell
from avtrain.reproduction.prompt_the_missing.published import (
    ACCURACIES,
    CAV_MAE,
    DATA,
    EFFICIENCY,
    PROMPT,
    Accuracy,
    Efficiency,
)
from avtrain.reproduction.prompt_the_missing.report import measured_cost
from avtrain.reproduction.prompt_the_missing.systems import SYSTEMS
from avtrain.reproduction.prompt_the_missing.verdicts import PromptSetting, judge_accuracy, judge_efficiency
from avtrain.runs.cost import Cost, seconds_to_nearly

THEIRS = PromptSetting("urbansound8k-av", True, True, "poster", "cav-mae", "base", "scale++.pth", 1.0)
CLAIM = Accuracy("finetune-clean", "D", None, 0.71, "made up", "seen", "urbansound8k-av")
SIZE = Efficiency("trains 86.4 M", "trainable", CAV_MAE, 86.4e6, "made up", "seen")


class TestPublished:
    def test_every_number_has_a_source_and_a_system(self) -> None:
        systems = {system.name: system for system in SYSTEMS}
        for claim in ACCURACIES:
            assert claim.source
            assert claim.data is None or claim.data in DATA
            assert 0 < claim.value < 1
            assert claim.scenario in ("C", "A", "V", "D", "mean")
            modes = METHODS[systems[claim.system].method].inference_modes or (None,)
            assert claim.inference in modes
            assert claim.data is not None or claim.reasons, "a number without data can never be compared"
        for cost in EFFICIENCY:
            assert cost.source
            assert cost.system is None or cost.system in systems

    def test_the_published_time_saving_agrees_with_its_parts_and_that_of_memory_does_not(self) -> None:
        own = {claim.quantity: claim.own_arithmetic for claim in EFFICIENCY if claim.own_arithmetic}
        assert own["time_saving"] == pytest.approx(1 - 2.4 / 60.0)
        assert own["memory_saving"] == pytest.approx(1 - 17.8 / 95.1)
        verdicts = {claim.quantity: judge_efficiency(claim, None, THEIRS) for claim in EFFICIENCY}
        assert verdicts["memory_saving"].word == "not reproduced"
        assert "81.3 %" in verdicts["memory_saving"].why[0]
        assert verdicts["time_saving"].word == "not run"
        measured = {claim.quantity: judge_efficiency(claim, 0.96, THEIRS).word for claim in EFFICIENCY}
        assert measured["time_saving"] == "not comparable"


class TestVerdicts:
    @pytest.mark.parametrize(
        ("values", "word"),
        [
            ((0.72, 0.73), "reproduced"),
            ((0.73,), "reproduced"),  # 2 points, to the last bit
            ((0.69,), "reproduced"),
            ((0.731,), "not reproduced"),
            ((0.689, 0.689), "not reproduced"),
            ((0.59, 0.67), "reproduced"),  # 8 points off, standard deviation 5.7
            ((0.76, 0.78), "not reproduced"),  # 6 points off, two standard deviations are 2.8
        ],
    )
    def test_an_accuracy_is_reproduced_within_2_points_or_2_deviations(
        self, values: tuple[float, ...], word: str
    ) -> None:
        assert judge_accuracy(CLAIM, Cell(values), THEIRS).word == word

    @pytest.mark.parametrize(
        ("change", "reason"),
        [
            ({"backbone": "dual", "size": None, "weights": None}, "other backbone: dual"),
            ({"size": "small"}, "size small"),
            ({"weights": None}, "random weights"),
            ({"data": "cifar10-av"}, "other data: CIFAR10-AV, not UrbanSound8K-AV"),
            ({"data": "demo-av"}, "other data: demo-av"),
            ({"their_pairs": False}, "other images"),
            ({"row_split": False}, "leak recordings"),
            ({"preset": "fair"}, "whose D is weaker than A and V"),
            ({"epochs_scale": 0.5}, "epochs was scaled by 0.5"),
            ({"differences": ((CAV_MAE, ("learning rate: 1 here",)), ("prompt", ("no",)))}, "learning rate: 1 here"),
        ],
    )
    def test_one_thing_that_differs_is_one_reason_not_to_compare(self, change: dict[str, Any], reason: str) -> None:
        verdict = judge_accuracy(CLAIM, Cell((0.71,)), replace(THEIRS, **change))
        assert verdict.word == "not comparable"
        assert len(verdict.why) == 1
        assert reason in verdict.why[0]

    def test_the_noise_protocol_is_no_reason_on_clean_data(self) -> None:
        clean = replace(CLAIM, scenario="C")
        assert judge_accuracy(clean, Cell((0.71,)), replace(THEIRS, preset="fair")).word == "reproduced"

    def test_what_was_not_measured_is_not_judged(self) -> None:
        for verdict in (judge_accuracy(CLAIM, None, THEIRS), judge_efficiency(SIZE, None, THEIRS)):
            assert verdict.word == "not run"
            assert "not measured" in verdict.why[0]

    @pytest.mark.parametrize(
        ("measured", "word"),
        [(164.5e6, "not reproduced"), (95.04e6, "reproduced"), (95.1e6, "not reproduced"), (77.8e6, "reproduced")],
    )
    def test_a_size_is_reproduced_within_a_tenth(self, measured: float, word: str) -> None:
        assert judge_efficiency(SIZE, measured, THEIRS).word == word

    def test_sizes_do_not_depend_on_weights_but_on_the_architecture(self) -> None:
        assert judge_efficiency(SIZE, 86.4e6, replace(THEIRS, weights=None)).word == "reproduced"
        assert judge_efficiency(SIZE, 86.4e6, replace(THEIRS, backbone="dual")).word == "not comparable"


class TestCost:
    def test_time_to_99_percent_of_the_final_accuracy(self) -> None:
        means = [0.5, 0.791, 0.85, 0.8]
        lines = [{"mean": mean, "seconds": {"train": 2.0**i, "all": 99}} for i, mean in enumerate(means)]
        assert seconds_to_nearly(lines) == 1 + 2 + 4  # 0.791 is below 0.792
        assert seconds_to_nearly(lines[:1]) == 1

    def test_ratios_need_equal_batch_sizes_and_memory_of_single_runs(self) -> None:
        full = Cost(100, 100, 32, 6.0, 6.0, 0.0, 900, "cuda allocator")
        prompts = Cost(10, 110, 32, 2.0, 2.0, 1.0, 300, "cuda allocator")
        claims = {claim.quantity: claim for claim in EFFICIENCY if claim.system is None}

        def ratios(*costs: Cost) -> list[float | None]:
            by_name = dict(zip(("finetune", PROMPT), costs, strict=True))
            return [measured_cost(claims[quantity], by_name) for quantity in ("time_saving", "memory_saving")]

        assert ratios(full, prompts) == pytest.approx([2 / 3, 2 / 3])
        assert ratios(full, replace(prompts, memory_of="process")) == [pytest.approx(2 / 3), None]
        assert ratios(full, replace(prompts, batch_size=16)) == [None, None]

    @pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the reference is the count of Linux")
    def test_peak_memory_of_a_process_is_what_it_held(self) -> None:
        from avtrain.device import Machine

        found = Machine(torch.device("cpu")).peak_memory()
        assert found is not None
        assert found["of"] == "process"
        reference = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
        assert reference is not None
        # the peak of a child includes that of the parent that started it; the kernel counts pages in batches
        assert 0.95 * 1024 * int(reference[1]) <= int(found["bytes"]) < 64 * 1024 * int(reference[1])
