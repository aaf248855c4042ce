"""Metrics of the operator, in the exposition format of Prometheus."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from firedrill.api.resource import RunResource
from firedrill.api.run import RunStatus

_DURATIONS = (1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1800, 3600)


class Metrics:
    """All metrics, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.runs = Counter(
            "firedrill_runs_total",
            "Ended runs by target and verdict",
            ("kind", "cluster", "verdict"),
            registry=self.registry,
        )
        self.run_seconds = Histogram(
            "firedrill_run_duration_seconds",
            "From the start of a run to its verdict",
            ("kind",),
            buckets=_DURATIONS,
            registry=self.registry,
        )
        self.queue_depth = Gauge("firedrill_queue_depth", "Keys that wait for work", registry=self.registry)
        self.queue_oldest = Gauge(
            "firedrill_queue_oldest_key_seconds", "Age of the key that has waited longest", registry=self.registry
        )
        self.retries = Counter("firedrill_retries_total", "Keys retried after an error", registry=self.registry)
        self.requests = Counter(
            "firedrill_api_requests_total",
            "Requests to API servers; code 0 is no answer",
            ("cluster", "verb", "code"),
            registry=self.registry,
        )
        self.target_reachable = Gauge(
            "firedrill_target_reachable",
            "1 where the view of a target is whole",
            ("cluster",),
            registry=self.registry,
        )
        labels = ("kind", "namespace", "name")
        self.last_verdict = Gauge(
            "firedrill_last_verdict",
            "1 for the verdict of the last ended run",
            (*labels, "verdict"),
            registry=self.registry,
        )
        self.last_score = Gauge(
            "firedrill_last_score", "Score of the last ended run, 0 to 100", labels, registry=self.registry
        )
        self.unsettled = Gauge(
            "firedrill_unsettled_targets",
            "Targets in which a change was not seen undone",
            labels,
            registry=self.registry,
        )

    def request_seen(self, cluster: str, verb: str, status: int) -> None:
        """Count a request."""
        self.requests.labels(cluster, verb, str(status)).inc()

    def run_ended(self, resource: RunResource, status: RunStatus) -> None:
        """Count a run that has ended."""
        kind, run = resource.kind.name, status.last_run
        for cluster in status.clusters:
            self.runs.labels(kind, cluster.name, cluster.verdict.value if cluster.verdict else "").inc()
        if run and run.finished_at:
            self.run_seconds.labels(kind).observe((run.finished_at - run.started_at).total_seconds())

    def show(self, resource: RunResource, status: RunStatus) -> None:
        """Show the last verdict and score of a resource."""
        names = (resource.kind.name, resource.meta.namespace, resource.meta.name)
        self.forget(*names)
        if status.verdict:
            self.last_verdict.labels(*names, status.verdict.value).set(1)
        if status.score is not None:
            self.last_score.labels(*names).set(status.score)
        if resource.kind.mutates:
            self.unsettled.labels(*names).set(sum(not c.settled for c in status.clusters))

    def forget(self, kind: str, namespace: str, name: str) -> None:
        """A resource is gone."""
        match = {"kind": kind, "namespace": namespace, "name": name}
        for gauge in (self.last_verdict, self.last_score, self.unsettled):
            gauge.remove_by_labels(match)
