"""Prometheus metrics of the server."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest


class ServerMetrics:
    """Counters and histograms of one server, in a registry of their own, with memory, processor time and open files.

    Attributes:
        requests: Responses by path and status.
        seconds: Seconds from a request to its response, by path.
        batch_tokens: Tokens of an encoder pass.
        batch_inputs: Inputs that share an encoder pass.
        rejected: Requests rejected because the queue was full.
        dropped: Inputs that were cancelled before they were computed.
        queue: Inputs that wait for an encoder pass; see `watch_queue`.
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)  # process_resident_memory_bytes and others, on Linux
        self.requests = Counter(
            "swissbert_requests_total", "Requests answered", ["path", "status"], registry=self.registry
        )
        self.seconds = Histogram(
            "swissbert_request_seconds",
            "Seconds from a request to its response",
            ["path"],
            buckets=(0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30),
            registry=self.registry,
        )
        self.batch_tokens = Histogram(
            "swissbert_batch_tokens",
            "Tokens of an encoder pass",
            buckets=(16, 32, 64, 128, 256, 512, 1024, 2048, 4096),
            registry=self.registry,
        )
        self.batch_inputs = Histogram(
            "swissbert_batch_inputs",
            "Inputs that share an encoder pass",
            buckets=(1, 2, 4, 8, 16, 32, 64, 128),
            registry=self.registry,
        )
        self.rejected = Counter(
            "swissbert_rejected_total", "Requests rejected because the server is overloaded", registry=self.registry
        )
        self.dropped = Counter(
            "swissbert_dropped_total", "Inputs cancelled before they were computed", registry=self.registry
        )
        self.queue = Gauge("swissbert_queue_inputs", "Inputs that wait for an encoder pass", registry=self.registry)

    def watch_queue(self, length: Callable[[], int]) -> None:
        """Read the queue gauge from `length` whenever metrics are collected."""
        self.queue.set_function(lambda: float(length()))

    def observe_batch(self, tokens: int, inputs: int) -> None:
        """Record the size of one encoder pass."""
        self.batch_tokens.observe(tokens)
        self.batch_inputs.observe(inputs)

    def text(self) -> bytes:
        """Return all metrics in Prometheus' text format."""
        return generate_latest(self.registry)
