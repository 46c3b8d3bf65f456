"""Int8 matrix products for inference on a CPU; everything between them stays fp32. Does not import torch.

The linear layers of the encoder have weights in 7 bits with one scale per output, and take activations in 8 bits with
one scale per token. A token's scale is its own largest value, so no calibration is needed, and neither a token nor a
text changes the answer of another. ONNX Runtime computes the products, because its kernels are as fast for one short
text as for many; those of torch are not.
"""

import math
import os
from collections.abc import Mapping
from importlib.util import find_spec
from typing import TYPE_CHECKING

import numpy as np

from swissbert.data.packing import PackedArrays
from swissbert.encoder.pooling import POOLINGS
from swissbert.errors import SwissbertError
from swissbert.family.config import FARTHEST, BertConfig
from swissbert.forking import ForkLock, leak, renew_after_fork
from swissbert.inference.graph import attention_graph, pooling_graph, round_parameters
from swissbert.missing import has_torch
from swissbert.threads import thread_count

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
# From 1.32 on, ONNX Runtime reports its use to its maker, in a thread without which forked processes never end.


def has_int8() -> bool:
    """Whether onnxruntime is installed."""
    return find_spec("onnxruntime") is not None


def need_int8() -> None:
    """Raise SwissbertError if onnxruntime is not installed."""
    if not has_int8():
        remedy = "'swissbert[int8]', or use 'fp32'" if has_torch() else "onnxruntime"
        raise SwissbertError(f"precision 'int8' needs onnxruntime, which is not installed: pip install {remedy}")


class Int8Encoder:
    """An encoder with its pooling, with int8 products. Thread-safe.

    A call uses as many threads as `thread_count` says in the calling thread: all of them for few texts, one in each worker
    thread where texts are many. ONNX Runtime needs a session for each number of threads, and one more for attention. Each
    holds a copy of the int8 weights (10 MB of MiniLM, 85 MB of bert-base) and is created on first use.

    Args:
        config: Sizes of the encoder.
        pooling: Name of the way to pool, in `POOLINGS`.
        parameters: Its parameters, fp32, by the names that `swissbert.encoder.Bert` gives them. What is kept is copied, so
            later changes have no effect.

    Raises:
        SwissbertError: If onnxruntime is not installed.
    """

    def __init__(self, config: BertConfig, pooling: str, parameters: Mapping[str, np.ndarray]) -> None:
        need_int8()
        self.config, self.pooling = config, POOLINGS[pooling]
        # copies: the parameters may be mapped from a file that changes later, or belong to a network that is trained
        self._word, self._position = (parameters[f"embeddings.{name}.weight"].copy() for name in ("word", "position"))
        self._token_type, self._relative_bias = (
            parameters[name].copy() if name in parameters else None
            for name in ("embeddings.token_type.weight", "relative_bias.weight")
        )
        self._rounded = round_parameters(parameters)
        self._lock, self._attention_lock = ForkLock(), ForkLock()
        self._sessions: dict[int, InferenceSession] = {}
        self._attention: InferenceSession | None = None
        renew_after_fork(self)

    @property
    def width(self) -> int:
        """Size W of a pooled output: H, or a multiple of it."""
        return self.config.hidden_size * self.pooling.parts

    def after_fork(self) -> None:
        """Create sessions anew: threads of those of the parent do not exist, and locks may be held."""
        for session in (*self._sessions.values(), self._attention):
            leak(session)  # its end would wait for its threads
        self._sessions, self._attention = {}, None

    def prepare(self) -> None:
        """Create the session that the first call of `pool` from this thread needs."""
        self._session()

    def _session(self) -> "InferenceSession":
        threads = thread_count()
        with self._lock:
            if threads not in self._sessions:
                self._sessions[threads] = _open(pooling_graph(self.config, self.pooling, self._rounded), threads)
            return self._sessions[threads]

    def pool(self, batch: PackedArrays) -> np.ndarray:
        """Return the pooled outputs of a batch, fp32 ``[B, W]``."""
        sizes = batch.lengths
        first = np.cumsum(sizes) - sizes
        longest = int(sizes.max())
        columns = np.arange(longest)
        inside = columns < sizes[:, None]  # [B, L]
        inputs = {
            "embedded": self._embedded(batch, first),
            "lengths": sizes.astype(np.int32),
            "first": first,
            # padding repeats the sequence's own last token, so that NaN in another text cannot get in
            "spread": first[:, None] + np.minimum(columns, sizes[:, None] - 1),
            "back": np.flatnonzero(inside),
        }
        if self._relative_bias is not None:
            inputs["bias"] = self._bias(longest)
        if self.pooling.uses_mean:
            inputs["share"] = (inside / sizes[:, None]).astype(np.float32)[:, None]
        pooled: np.ndarray = self._session().run(["pooled"], inputs)[0]
        return pooled

    def attention(self, batch: PackedArrays) -> np.ndarray:
        """Return the attention probabilities over a batch of one sequence, fp32 ``[layers, heads, T, T]``."""
        with self._attention_lock:  # not that of `pool`, which goes on while this session is created
            if self._attention is None:
                self._attention = _open(attention_graph(self.config, self._rounded), thread_count())
            session = self._attention
        inputs = {"embedded": self._embedded(batch, np.zeros(1, np.int64))}
        if self._relative_bias is not None:
            inputs["bias"] = self._bias(batch.tokens)
        return np.stack(session.run([f"attention.{place}" for place in range(self.config.layers)], inputs))

    def _embedded(self, batch: PackedArrays, first: np.ndarray) -> np.ndarray:
        """Return the sum of the embeddings of each token, fp32 ``[T, E]``; `first` has each sequence's first token."""
        positions = np.arange(batch.tokens) - np.repeat(first, batch.lengths)
        total: np.ndarray = self._word[batch.input_ids]
        total += self._position[positions + self.config.position_offset]
        if self._token_type is not None:
            total += self._token_type[batch.token_type_ids]
        return total

    def _bias(self, longest: int) -> np.ndarray:
        """Return what is added to attention scores, fp32 ``[1, heads, L, L]``."""
        assert self._relative_bias is not None
        buckets = distance_buckets(longest, self.config.relative_buckets)
        return np.ascontiguousarray(self._relative_bias[buckets].transpose(2, 0, 1)[None])


def distance_buckets(longest: int, count: int) -> np.ndarray:
    """Number the distances of tokens, int64 ``[L, L]``, as `swissbert.encoder.attention.distance_buckets` does."""
    places = np.arange(longest)
    distance = places[None, :] - places[:, None]
    half, single = count // 2, count // 4
    far = np.abs(distance)
    ratio = np.log(np.maximum(far, 1).astype(np.float32) / np.float32(single)) / np.float32(math.log(FARTHEST / single))
    ranges = np.minimum(single + (ratio * np.float32(half - single)).astype(np.int64), half - 1)
    buckets: np.ndarray = (distance > 0) * half + np.where(far < single, far, ranges)
    return buckets


def _open(graph: bytes, threads: int) -> "InferenceSession":
    """Create a session that computes a graph with a number of threads."""
    from onnxruntime import InferenceSession, SessionOptions

    options = SessionOptions()
    options.intra_op_num_threads = threads
    # ONNX Runtime caches a memory pattern per input shape, and nearly every batch has a shape of its own
    options.enable_mem_pattern = False
    options.log_severity_level = 3
    return InferenceSession(graph, options, providers=["CPUExecutionProvider"])
