"""Eight-bit matrix products for answering on a CPU; everything between them stays fp32.

The linear maps of each layer have weights in 7 bits, one scale for each output, and take activations in 8 bits, one scale for
each token. A token's scale is its own largest value, so nothing is calibrated and no token, and no text, changes the answer
of another. ONNX Runtime computes: its products are as fast for one short text as for many, where torch's are not.
"""

import threading
from importlib.util import find_spec
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from swissbert.encoder.bert import Bert
from swissbert.errors import SwissbertError
from swissbert.inference.graph import to_graph

if TYPE_CHECKING:
    from onnxruntime import InferenceSession


def has_int8() -> bool:
    """Whether what it takes is installed: onnx and onnxruntime."""
    return all(find_spec(name) is not None for name in ("onnx", "onnxruntime"))


class Int8Layers:
    """What `Bert.pool` does after the embeddings. Threads may share one.

    A call works on as many threads as torch has where it is made: all for few texts, one each where texts are many.
    Each of the two takes a copy of the eight-bit weights (10 MB of MiniLM, 85 MB of bert-base) when it is first needed.
    """

    def __init__(self, encoder: Bert) -> None:
        self._graph = to_graph(encoder)
        self._lock = threading.Lock()
        self._sessions: dict[int, InferenceSession] = {}
        self._session()

    def _session(self) -> "InferenceSession":
        from onnxruntime import InferenceSession, SessionOptions

        threads = torch.get_num_threads()
        with self._lock:
            if threads not in self._sessions:
                options = SessionOptions()
                options.intra_op_num_threads = threads
                # it keeps one for each shape, and here nearly every batch has its own
                options.enable_mem_pattern = False
                options.log_severity_level = 3
                self._sessions[threads] = InferenceSession(self._graph, options, providers=["CPUExecutionProvider"])
            return self._sessions[threads]

    def __call__(self, hidden: Tensor, lengths: list[int]) -> Tensor:
        """Embeddings ``[T, H]`` of packed sequences -> pooled ``[B, H]``."""
        sizes = np.array(lengths, np.int64)
        first = np.cumsum(sizes) - sizes
        longest = int(sizes.max())
        columns = np.arange(longest)
        inside = columns < sizes[:, None]  # [B, L]
        inputs = {
            "hidden": hidden.numpy(),
            "lengths": sizes.astype(np.int32),
            "first": first,
            # padding is the sequence's own last token: whatever another text holds, it is not looked at
            "spread": first[:, None] + np.minimum(columns, sizes[:, None] - 1),
            "back": np.flatnonzero(inside),
        }
        return torch.from_numpy(self._session().run(["pooled"], inputs)[0])


def to_int8(encoder: Bert) -> None:
    """Let `encoder.pool` answer with eight-bit products from now on, on the CPU; nothing learns through them.

    Raises SwissbertError where there are none.
    """
    if not has_int8():
        raise SwissbertError(
            "precision is 'int8', which needs more packages: pip install 'swissbert[int8]' (or 'fp32', without)"
        )
    encoder.layers_instead = Int8Layers(encoder)
