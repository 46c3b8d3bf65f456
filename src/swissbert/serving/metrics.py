"""What the server counts, for Prometheus."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest


class Metrics:
    """Counters of one server, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "swissbert_requests_total", "Requests answered", ["path", "status"], registry=self.registry
        )
        self.seconds = Histogram(
            "swissbert_request_seconds",
            "Time from a request to its answer",
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
            "swissbert_rejected_total", "Requests that there was no room or time for", registry=self.registry
        )
        self.dropped = Counter(
            "swissbert_dropped_total", "Inputs whose client left before they were computed", registry=self.registry
        )
        self.queue = Gauge("swissbert_queue_inputs", "Inputs that wait for an encoder pass", registry=self.registry)

    def watch(self, waiting: Callable[[], int]) -> None:
        """Let the gauge of the queue ask `waiting`."""
        self.queue.set_function(lambda: float(waiting()))

    def text(self) -> bytes:
        """Everything, as Prometheus reads it."""
        return generate_latest(self.registry)
