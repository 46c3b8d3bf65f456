"""Several processes that communicate by torch.distributed: gloo for tensors on a CPU, NCCL for those on GPUs."""

import itertools
import re
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.distributed_c10d import PrefixStore, Store
from torch.distributed.rendezvous import rendezvous

from swissbert.distributed.launch import Launch
from swissbert.distributed.world import LostError, World
from swissbert.errors import SwissbertError, clipped

TIMEOUT = timedelta(minutes=10)
"""Time after which a process that does not answer within a step counts as lost. One that has ended is noticed at once."""
PREPARATION_TIMEOUT = timedelta(days=2)
"""The same where `wait` is called: teachers may answer for hours before the first step, and callbacks may take long."""

SOURCE_LINE = re.compile(r"^\[[^\]]*\]\s*|\n.*", re.DOTALL)
"""What torch's messages begin with, a line of its source code, and what follows their first line."""

_numbers = itertools.count()  # of the groups of this process, so that each has its own names in the store


class Processes(World):
    """The processes that were started together, once all have joined.

    Args:
        launch: The place of this process.
        store: Where the processes meet. Left out, the address that the environment variables of torchrun give; a process
            group that exists already is used as it is.

    Raises:
        LostError: If the others do not join.
    """

    def __init__(self, launch: Launch, store: Store | None = None) -> None:
        self.rank, self.size, self.local_rank, self.local_size = launch
        self._owns_group = not dist.is_initialized()
        has_gpus = torch.cuda.is_available() and dist.is_nccl_available()
        if has_gpus and self.local_rank < torch.cuda.device_count():
            torch.cuda.set_device(self.local_rank)
        with self._losing():
            if self._owns_group:
                met = store if store is not None else next(rendezvous("env://", timeout=TIMEOUT))[0]
                self._store: Store | None = PrefixStore(f"swissbert/{next(_numbers)}", met)
                dist.init_process_group(
                    "cpu:gloo,cuda:nccl" if has_gpus else "gloo",
                    store=self._store,
                    rank=self.rank,
                    world_size=self.size,
                    timeout=TIMEOUT,
                )
            else:
                self._store = store
            # of its own, since a group that exists may have no gloo
            self._control: dist.ProcessGroup | None = dist.new_group(backend="gloo", timeout=TIMEOUT)
            self._patient: dist.ProcessGroup | None = dist.new_group(backend="gloo", timeout=PREPARATION_TIMEOUT)

    def _group(self, tensor: Tensor) -> dist.ProcessGroup | None:
        """Return the group that communicates a tensor; None is the default one."""
        return self._control if tensor.device.type == "cpu" else None

    def sum(self, tensor: Tensor) -> Tensor:
        """Replace a tensor by its sum over all processes, and return it."""
        with self._losing():
            dist.all_reduce(tensor, group=self._group(tensor))
        return tensor

    def start_sum(self, tensor: Tensor) -> Callable[[], None]:
        """Start `sum` and return a function that waits for its result."""
        with self._losing():
            work = dist.all_reduce(tensor, group=self._group(tensor), async_op=True)

        def arrive() -> None:
            with self._losing():
                work.wait()

        return arrive

    def copy_first(self, tensors: Iterable[Tensor]) -> None:
        """Replace tensors by those of the first process."""
        with self._losing():
            for tensor in tensors:
                dist.broadcast(tensor, 0, group=self._group(tensor))

    def first_value(self, value: float) -> float:
        """Return a number of the first process."""
        tensor = torch.tensor(value, dtype=torch.float64)
        self.copy_first([tensor])
        return tensor.item()

    def any(self, flag: bool) -> bool:
        """Return whether the flag of any process is true."""
        return bool(self._largest(torch.tensor(int(flag))))

    def check_same(self, number: int, message: str) -> None:
        """Raise SwissbertError with a message if a number, below 2**62, is not the same in all processes."""
        largest, smallest = self._largest(torch.tensor([number, -number])).tolist()
        if largest != -smallest:
            raise SwissbertError(message)

    def wait(self) -> None:
        """Wait until all processes are here, for hours if need be."""
        with self._losing():
            dist.all_reduce(torch.zeros(1), group=self._patient)

    def _largest(self, tensor: Tensor) -> Tensor:
        with self._losing():
            dist.all_reduce(tensor, dist.ReduceOp.MAX, group=self._control)
        return tensor

    def is_first_to_end(self) -> bool:
        """Whether no process has said before that it ends the run; true where that cannot be told."""
        with suppress(RuntimeError):  # the store may have ended with the process that had it
            return self._store is None or self._store.add("ended", 1) == 1
        return True

    def leave(self) -> None:
        """Close all connections; the others then notice that this process has ended."""
        groups = [self._control, self._patient]
        self._control = self._patient = None
        with suppress(Exception), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if self._owns_group:
                dist.destroy_process_group()
            else:
                for group in groups:
                    dist.destroy_process_group(group)

    @contextmanager
    def _losing(self) -> Iterator[None]:
        """Turn an error of communication into a `LostError`."""
        try:
            yield
        except RuntimeError as error:  # torch has several classes, all of them derived from it
            reason = clipped(" ".join(SOURCE_LINE.sub("", str(error)).partition(". ")[0].split()), 200)
            raise LostError(
                f"process {self.rank} of {self.size}: another process of this run has ended or does not answer ({reason}); "
                "resume=True goes on from the last checkpoint",
                argument="resume",
            ) from error
