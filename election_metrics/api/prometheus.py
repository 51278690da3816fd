"""Prometheus metrics of the API: requests, durations, cache hits, whether notifications of commits arrive."""

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from election_metrics.api.cache import ResponseCache


class Observed(Collector):
    """Counts of this process, read at scrape time."""

    def __init__(self, answers: ResponseCache) -> None:
        """Registers itself."""
        self._answers = answers
        self._registry = CollectorRegistry()
        self._registry.register(self)

    def collect(self) -> Iterator[CounterMetricFamily | GaugeMetricFamily]:
        """Every metric."""
        answers = CounterMetricFamily(
            "election_metrics_cache_answers", "Answers of the API since its start", labels=["from"]
        )
        answers.add_metric(["cache"], self._answers.hits)
        answers.add_metric(["database"], self._answers.misses)
        yield answers
        yield GaugeMetricFamily(
            "election_metrics_cache_listening", "Whether commits invalidate the cache",
            value=int(self._answers.is_listening()),
        )  # fmt: skip

    def text(self) -> bytes:
        """All metrics in Prometheus's text format."""
        return generate_latest(self._registry)
