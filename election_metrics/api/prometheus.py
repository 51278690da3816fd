"""How the API does, for Prometheus: requests, seconds, hits of the cache, whether commits are heard of."""

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from election_metrics.api.cache import ResponseCache


class Observed(Collector):
    """Counts of this process, read when they are asked for."""

    def __init__(self, answers: ResponseCache) -> None:
        """Registers itself."""
        self._answers = answers
        self._registry = CollectorRegistry()
        self._registry.register(self)

    def collect(self) -> Iterator[CounterMetricFamily | GaugeMetricFamily]:
        """Every metric."""
        asked = CounterMetricFamily(
            "election_metrics_cache_answers", "Answers of the API since its start", labels=["from"]
        )
        asked.add_metric(["cache"], self._answers.hits)
        asked.add_metric(["database"], self._answers.misses)
        yield asked
        yield GaugeMetricFamily(
            "election_metrics_cache_listening", "Whether commits empty the cache at once",
            value=int(self._answers.is_listening()),
        )  # fmt: skip

    def text(self) -> bytes:
        """All of it in Prometheus's format."""
        return generate_latest(self._registry)
