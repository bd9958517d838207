"""Training in two stages: when the student starts, what the teacher learns from, and what stays as it is then."""

from dataclasses import replace

import pytest
import torch

from avbuild.errors import UsageError
from avtrain.data.batch import Batch
from avtrain.methods.base import Method, TrainingProgress
from avtrain.methods.registry import METHODS
from avtrain.methods.shared.teacher import TaughtMethod, student_step
from tests.support.toys import toy_batch, toy_method, train

THREE = ("audio", "image", "text")
TAUGHT = [name for name, method in METHODS.items() if issubclass(method, TaughtMethod)]


def taught(name: str, **options: object) -> TaughtMethod:
    method = toy_method(name, THREE, **options)
    assert isinstance(method, TaughtMethod)
    return method.train()


def adam(method: Method) -> torch.optim.Optimizer:
    return torch.optim.AdamW(method.parameter_groups(1e-2))


def lacking(batch: Batch, rows: list[int]) -> Batch:
    """The batch with samples that lack their text."""
    text = batch.present["text"].clone()
    text[rows] = False
    return replace(batch, present={**batch.present, "text": text})


def moved(method: Method, before: dict[str, torch.Tensor]) -> set[str]:
    return {key for key, value in method.state_dict().items() if not torch.equal(value, before[key])}


def copied(method: Method) -> dict[str, torch.Tensor]:
    return {key: value.clone() for key, value in method.state_dict().items()}


@pytest.mark.parametrize(
    ("share", "epochs", "steps", "first"), [(0.25, 4, 3, 3), (0.25, 1, 4, 1), (0.3, 2, 5, 3), (0.01, 1, 2, 1)]
)
def test_the_student_starts_after_the_share_rounded_up(share: float, epochs: int, steps: int, first: int) -> None:
    found = [
        student_step(TrainingProgress(epoch, epochs, step, steps), share)
        for epoch in range(1, epochs + 1)
        for step in range(steps)
    ]
    assert found == list(range(-first, epochs * steps - first))


def test_a_training_too_short_for_both_is_refused() -> None:
    with pytest.raises(UsageError, match=r"teacher_share=0.9 gives the teacher all 3 steps"):
        student_step(TrainingProgress(1, 1, 0, 3), 0.9)


def test_there_are_methods_with_a_teacher() -> None:
    assert set(TAUGHT) == {"mmin", "if-mmin", "tate"}


@pytest.mark.parametrize("name", TAUGHT)
class TestEveryOne:
    def test_first_the_teacher_moves_and_then_the_student(self, name: str) -> None:
        method, batch = taught(name, teacher_share=0.5), toy_batch(12, THREE)
        before, optimizer = copied(method), adam(method)
        for step in range(2):
            method.progress = TrainingProgress(1, 1, step, 4)
            method.training_step(batch, optimizer)
        first = moved(method, before)
        assert first
        assert all(key.startswith("teacher.") for key in first)
        before = copied(method)
        for step in (2, 3):
            method.progress = TrainingProgress(1, 1, step, 4)
            method.training_step(batch, optimizer)
        second = moved(method, before)
        assert second
        assert not any(key.startswith(("teacher.", "backbone.")) for key in second)

    def test_the_student_starts_from_the_teachers_encoders(self, name: str) -> None:
        method, batch = taught(name, teacher_share=0.5), toy_batch(12, THREE)
        train(method, batch, adam(method), steps=4)
        method.start_student()
        state = method.state_dict()
        taken = [key for key in state if key.startswith(("encoders.", "encoder.", "projector."))]
        assert taken
        assert all(torch.equal(state[key], state[f"teacher.{key}"]) for key in taken)

    def test_a_learned_backbone_moves_with_the_teacher_only(self, name: str) -> None:
        method, batch = taught(name, teacher_share=0.5, frozen=False), toy_batch(12, THREE)
        before, optimizer = copied(method), adam(method)
        for step in range(2):
            method.progress = TrainingProgress(1, 1, step, 4)
            method.training_step(batch, optimizer)
        assert any(key.startswith("backbone.") for key in moved(method, before))
        before = copied(method)
        for step in (2, 3):
            method.progress = TrainingProgress(1, 1, step, 4)
            method.training_step(batch, optimizer)
        assert not any(key.startswith("backbone.") for key in moved(method, before))

    def test_the_teacher_learns_from_complete_samples_only(self, name: str) -> None:
        results = []
        for fill in (0.0, 5.0):
            method, batch = taught(name, dropout=0), lacking(toy_batch(12, THREE), [1, 4, 5])
            audio = batch.inputs["audio"].clone()
            audio[[1, 4, 5]] = fill  # what incomplete samples hold elsewhere
            method.progress = TrainingProgress(1, 4, 0, 1)
            results.append(method.loss(replace(batch, inputs={**batch.inputs, "audio": audio})).item())
        assert results[0] == results[1]

    def test_where_no_sample_is_complete_it_learns_from_what_there_is_and_says_so(
        self, name: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        method, batch = taught(name, teacher_share=0.5), lacking(toy_batch(12, THREE), list(range(12)))
        before = copied(method)
        losses = train(method, batch, adam(method), steps=4)
        assert losses[0] > 0
        assert any(key.startswith("teacher.") for key in moved(method, before))
        assert f"method {name}: no training sample has all modalities" in capsys.readouterr().err

    def test_where_some_are_it_says_nothing(self, name: str, capsys: pytest.CaptureFixture[str]) -> None:
        method, batch = taught(name, teacher_share=0.5), lacking(toy_batch(12, THREE), [0])
        train(method, batch, adam(method), steps=4)
        assert capsys.readouterr().err == ""

    def test_what_it_met_is_part_of_the_training_state(self, name: str) -> None:
        method = taught(name)
        method.progress = TrainingProgress(1, 4, 0, 1)
        method.loss(toy_batch(4, THREE))
        resumed = taught(name)
        assert not resumed.saw_complete
        resumed.load_training_state(method.training_state())
        assert resumed.saw_complete
