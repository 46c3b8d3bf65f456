"""Int8 matrix products for inference on a CPU; everything between them stays fp32.

The linear layers of the encoder have weights in 7 bits with one scale per output, and take activations in 8 bits with
one scale per token. A token's scale is its own largest value, so no calibration is needed, and neither a token nor a
text changes the answer of another. ONNX Runtime computes the products, because its kernels are as fast for one short
text as for many; those of torch are not.
"""

import os
from importlib.util import find_spec
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from swissbert.encoder.bert import Bert
from swissbert.encoder.pooling import POOLINGS
from swissbert.errors import SwissbertError
from swissbert.forking import ForkLock, leak, renew_after_fork
from swissbert.inference.graph import to_graph

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
# From 1.32 on, ONNX Runtime reports its use to its maker, in a thread without which forked processes never end.


def has_int8() -> bool:
    """Whether onnx and onnxruntime are installed."""
    return all(find_spec(name) is not None for name in ("onnx", "onnxruntime"))


class Int8Layers:
    """The layers and the pooling of an encoder, with int8 products. Thread-safe.

    A call uses as many threads as torch has in the calling thread: all of them for few texts, one in each worker thread
    where texts are many. ONNX Runtime needs a session for each number of threads, which holds a copy of the int8
    weights (10 MB of MiniLM, 85 MB of bert-base) and is created on first use.

    Args:
        encoder: The encoder, on the CPU. Later changes of its weights have no effect.
    """

    def __init__(self, encoder: Bert) -> None:
        self._graph = to_graph(encoder)
        self._bias = None if encoder.relative_bias is None else encoder.attention_bias
        self._has_mean = POOLINGS[encoder.pooling].uses_mean
        self._lock = ForkLock()
        self._sessions: dict[int, InferenceSession] = {}
        self._session()
        renew_after_fork(self)

    def after_fork(self) -> None:
        """Create sessions anew: threads of those of the parent do not exist, and locks may be held."""
        for session in self._sessions.values():
            leak(session)  # its end would wait for its threads
        self._sessions = {}

    def _session(self) -> "InferenceSession":
        from onnxruntime import InferenceSession, SessionOptions

        threads = torch.get_num_threads()
        with self._lock:
            if threads not in self._sessions:
                options = SessionOptions()
                options.intra_op_num_threads = threads
                # ONNX Runtime caches a memory pattern per input shape, and nearly every batch has a shape of its own
                options.enable_mem_pattern = False
                options.log_severity_level = 3
                self._sessions[threads] = InferenceSession(self._graph, options, providers=["CPUExecutionProvider"])
            return self._sessions[threads]

    def __call__(self, hidden: Tensor, lengths: list[int]) -> Tensor:
        """Return pooled outputs, fp32 ``[B, W]``.

        Args:
            hidden: Embeddings of packed sequences, fp32 ``[T, H]``.
            lengths: Length of each of the B sequences.
        """
        sizes = np.array(lengths, np.int64)
        first = np.cumsum(sizes) - sizes
        longest = int(sizes.max())
        columns = np.arange(longest)
        inside = columns < sizes[:, None]  # [B, L]
        inputs = {
            "hidden": hidden.numpy(),
            "lengths": sizes.astype(np.int32),
            "first": first,
            # padding repeats the sequence's own last token, so that NaN in another text cannot get in
            "spread": first[:, None] + np.minimum(columns, sizes[:, None] - 1),
            "back": np.flatnonzero(inside),
        }
        if self._bias is not None:
            bias = self._bias(longest, hidden.device)
            assert bias is not None
            inputs["bias"] = bias[None].detach().float().contiguous().numpy()
        if self._has_mean:
            inputs["share"] = (inside / sizes[:, None]).astype(np.float32)[:, None]
        return torch.from_numpy(self._session().run(["pooled"], inputs)[0])


def to_int8(encoder: Bert) -> None:
    """Switch `Bert.pool` to int8 products, in place and for inference only.

    Args:
        encoder: The encoder, on the CPU.

    Raises:
        SwissbertError: If onnx or onnxruntime is not installed.
    """
    if not has_int8():
        raise SwissbertError(
            "precision 'int8' needs packages that are not installed: pip install 'swissbert[int8]', or use 'fp32'"
        )
    encoder.layers_instead = Int8Layers(encoder)
