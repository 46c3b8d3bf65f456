"""The gradient of the word table is added row by row, in memory that is used again; parameters are converted once a step."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from swissbert.config import make_config
from swissbert.training import Prepared
from swissbert.training.preparation import prepare
from swissbert.training.table_gradient import TableGradient

pytestmark = pytest.mark.usefixtures("one_thread")

BATCHES = [torch.tensor([3, 1, 3, 0]), torch.tensor([1, 6, 6, 6, 3])]


def table() -> nn.Embedding:
    torch.manual_seed(0)
    return nn.Embedding(7, 4)


def passes(embedding: nn.Embedding, batches: list[Tensor]) -> None:
    for ids in batches:
        rows = embedding(ids)
        (rows * torch.arange(float(rows.numel())).view_as(rows).sin()).sum().backward()


def dense(embedding: nn.Embedding) -> Tensor:
    assert embedding.weight.grad is not None
    assert embedding.weight.grad.layout == torch.strided
    return embedding.weight.grad


def test_rows_that_occur_again_within_and_between_batches_are_added() -> None:
    usual, ours = table(), table()
    passes(usual, BATCHES)
    gradient = TableGradient(ours, are_kept=True)
    with gradient.by_rows():
        gradient.begin()
        passes(ours, BATCHES)
    torch.testing.assert_close(dense(ours), dense(usual), rtol=1e-6, atol=1e-7)
    assert dense(ours)[2].count_nonzero() == 0


def test_gradients_that_are_moved_aside_have_memory_of_their_own_which_the_next_step_uses_again() -> None:
    embedding = table()
    gradient = TableGradient(embedding, are_kept=True)
    places = []
    for _ in range(2):
        with gradient.by_rows():
            kept = []
            for ids in BATCHES:
                gradient.begin()
                passes(embedding, [ids])
                kept.append(dense(embedding))
                embedding.weight.grad = None
        assert not torch.equal(*kept)
        assert kept[0][6].count_nonzero() == 0, "rows of the second batch are not in the gradient of the first"
        places.append([one.data_ptr() for one in kept])
    assert places[0] == places[1]
    assert places[0][0] != places[0][1]


def test_outside_of_a_step_gradients_are_as_usual_also_after_an_error() -> None:
    embedding = table()
    gradient = TableGradient(embedding, are_kept=True)
    with pytest.raises(RuntimeError, match="stop"), gradient.by_rows():
        raise RuntimeError("stop")
    passes(embedding, BATCHES)
    dense(embedding)


def test_a_table_that_does_not_learn_gets_no_gradient() -> None:
    embedding = table().requires_grad_(False)
    gradient = TableGradient(embedding, are_kept=True)
    with gradient.by_rows():
        gradient.begin()
    assert embedding.weight.grad is None


class Conversions(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts conversions of parameters to bf16 by the parameters' addresses."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.parameters = {parameter.data_ptr() for parameter in network.parameters()}
        self.count: Counter[int] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is torch.ops.aten._to_copy.default and (kwargs or {}).get("dtype") == torch.bfloat16:
            self.count[args[0].data_ptr()] += 1
        return func(*args, **(kwargs or {}))


def prepared_run(tiny: Path, **settings: Any) -> Prepared:
    table: dict[str, Any] = {
        "tasks": ["sst", "para", "sts"],
        "data": {"dir": "starter", "limit": 24},
        "encoder": {"name": str(tiny), "max_length": 16},
        "train": {"batch_size": 4, "device": "cpu", "precision": "bf16", "threads": 1},
        **settings,
    }
    return prepare(make_config(table, "here"))


@pytest.mark.parametrize("loss", [{}, {"surgery": True}])
def test_the_tasks_of_a_step_share_one_bf16_copy_of_each_weight(tiny: Path, loss: dict[str, Any]) -> None:
    prepared = prepared_run(tiny, loss=loss)
    step, batches = prepared.training_step(), prepared.batches()
    weights = [layer.up.weight for layer in prepared.network.encoder.stack]
    for number in range(2):
        before = weights[0].detach().clone()
        with Conversions(prepared.network) as conversions:
            step(number, batches(number))
        assert [conversions.count[weight.data_ptr()] for weight in weights] == [1] * len(weights)
        assert not torch.equal(weights[0], before), "the next step needs a copy of its own"


def test_shared_copies_change_no_number(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from contextlib import nullcontext

    from swissbert.device import Hardware

    def losses() -> list[dict[str, float]]:
        prepared = prepared_run(tiny)
        step, batches = prepared.training_step(), prepared.batches()
        return [step(number, batches(number)).loss for number in range(3)]

    shared = losses()
    monkeypatch.setattr(Hardware, "shared_copies", lambda self: nullcontext())
    assert losses() == shared


def test_one_memory_is_enough_where_gradients_are_copied_between_tasks() -> None:
    embedding = nn.Embedding(5, 2)
    gradient = TableGradient(embedding, are_kept=False)
    copies, places = [], set()
    with gradient.by_rows():
        for token in (1, 3):
            gradient.begin()
            embedding(torch.tensor([token])).sum().backward()
            assert embedding.weight.grad is not None
            copies.append(embedding.weight.grad.clone())
            places.add(embedding.weight.grad.data_ptr())
    assert len(places) == 1
    assert [copy.sum(dim=1).nonzero().flatten().tolist() for copy in copies] == [[1], [3]]
