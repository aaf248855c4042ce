"""The result of a run: built once, made to fit, written once."""

import json
import logging
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from firedrill.api import meta
from firedrill.api.task import Result, Task
from firedrill.api.verdict import Finding, Measurement, Verdict
from firedrill.clusters import paths
from firedrill.clusters.errors import Conflict
from firedrill.core.naming import result_name
from firedrill.runner.container import TERMINATION_LOG
from firedrill.runner.ports import Clock, Cluster, Object
from firedrill.runner.record_store import labels, owner_reference
from firedrill.runner.retry import retry

log = logging.getLogger(__name__)

#: Room that a result may take in its ConfigMap.
LIMIT_BYTES: Final = 256 * 1024
_TERMINATION_LIMIT: Final = 4000
#: Status of the resource takes 1024 characters.
_MESSAGE_LIMIT: Final = 1000


def make(
    task: Task,
    verdict: Verdict,
    reason: str,
    message: str,
    *,
    started_at: datetime,
    finished_at: datetime,
    measurements: Sequence[Measurement] = (),
    findings: Sequence[Finding] = (),
    report: Mapping[str, Any] | None = None,
    settled: bool = True,
) -> Result:
    """A result of this task; ``settled`` is False where something is not seen undone."""
    return Result(
        uid=task.uid,
        run_id=task.run_id,
        cluster=task.cluster,
        verdict=verdict,
        reason=reason,
        message=message[:_MESSAGE_LIMIT],
        measurements=list(measurements),
        findings=list(findings),
        started_at=started_at,
        finished_at=finished_at,
        report=dict(report or {}),
        settled=settled,
    )


def fit(result: Result, limit: int = LIMIT_BYTES) -> Result:
    """The result with as much of its report as fits: long lists are thinned out, then the largest parts go.

    Verdict, message, measurements and findings always stay.
    """
    report = dict(result.report)
    while _size(result) > limit and report:
        name = max(report, key=lambda key: len(json.dumps(report[key])))
        thinner = _thin(report[name])
        if thinner is None:
            del report[name]
        else:
            report[name] = thinner
        result = result.model_copy(update={"report": dict(report), "shortened": True})
    return result


async def write(client: Cluster, clock: Clock, task: Task, result: Result) -> bool:
    """Write the result; False where there is one already, which is left as it is."""
    body: Object = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": result_name(task.job),
            "namespace": task.runner_namespace,
            "labels": labels(task, "result"),
            "annotations": {meta.ANNOTATION_RESOURCE: f"{task.namespace}/{task.name}"},
            "ownerReferences": [owner_reference(task)],
        },
        "data": {meta.RESULT_KEY: _dump(fit(result))},
    }

    async def create() -> bool:
        try:
            await client.create(paths.configmaps(task.runner_namespace), body)
        except Conflict as error:
            if error.already_exists:
                return False
            raise
        return True

    return await retry(clock, create, "writing the result")


def leave_message(result: Result, path: Path | None = None) -> None:
    """Leave the verdict in one line as the termination message of the pod."""
    path = path or TERMINATION_LOG
    line = f"{result.verdict} {result.reason}: {result.message}".replace("\n", " ")
    try:
        path.write_text(line.encode()[:_TERMINATION_LIMIT].decode("utf-8", "ignore"))
    except OSError as error:
        log.warning("no termination message could be left in %s: %s", path, error)


def _dump(result: Result) -> str:
    return json.dumps(result.to_wire(), separators=(",", ":"))


def _size(result: Result) -> int:
    return len(_dump(result).encode())


def _thin(part: Any) -> Any:
    """Half as much of a part of a report; None where it can not be halved."""
    if isinstance(part, list) and len(part) > 1:
        # The first quarter whole, for what is sorted worst first; of the rest a third, so that a series keeps its end.
        quarter = len(part) // 4
        return part[:quarter] + part[quarter::3]
    if isinstance(part, str) and len(part) > 200:
        return part[: len(part) // 2]
    if isinstance(part, dict) and part:
        name = max(part, key=lambda key: len(json.dumps(part[key])))
        thinner = _thin(part[name])
        if thinner is not None:
            return {**part, name: thinner}
    return None
