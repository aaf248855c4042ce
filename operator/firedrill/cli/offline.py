"""Documents run in this process, with no cluster at all."""

import asyncio
import traceback
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import httpx

from firedrill.api.credentials import CredentialsRef
from firedrill.api.kinds import RunKind
from firedrill.api.run import RunSpec
from firedrill.api.targetcluster import TargetPolicy
from firedrill.api.task import Result, Task
from firedrill.api.verdict import Verdict
from firedrill.cli.documents import Document, Documents
from firedrill.cli.errors import UsageError
from firedrill.cli.local import LOCAL
from firedrill.cli.output import tell
from firedrill.report.entry import Entry
from firedrill.runner import benchmark, datapipeline, drift, model
from firedrill.runner.results import make
from firedrill.sources.context import SourceContext
from firedrill.sources.login import LOGIN_KEYS, CredentialsRefused, Login

Runner = Callable[[Task, SourceContext], Awaitable[Result]]

RUNNERS: Final[dict[str, Runner]] = {
    "DataPipelineTest": datapipeline.run,
    "DriftCheck": drift.run,
    "ModelValidation": model.run,
    "PerformanceBenchmark": benchmark.run,
}
_WHY_NOT: Final = {
    "ChaosExperiment": "it injects a fault into the pods of a cluster",
    "AutoFix": "it repairs a Deployment of a cluster",
    "Simulation": "it builds services in a cluster",
    "TargetCluster": "it describes a cluster and is not run",
}


def run_offline(documents: Documents) -> list[Entry]:
    """Run every document, one after the other, so that they do not take each other's time.

    Raises UsageError, before anything is run, when one is of a kind that needs a cluster.
    """
    problems = [
        f"{item.path}: line {item.line}: {item.title} can not run offline: "
        f"{_WHY_NOT.get(item.kind.name, 'it needs a cluster')}"
        for item in documents.items
        if item.kind.name not in RUNNERS
    ]
    if problems:
        raise UsageError("\n".join(problems))
    return asyncio.run(_run_all(documents))


async def _run_all(documents: Documents) -> list[Entry]:
    entries = []
    beside = _Beside(documents)
    async with httpx.AsyncClient() as http:
        for item in documents.items:
            tell(f"{item.title}: running")
            base = Path() if item.path == "-" else Path(item.path).parent
            context = SourceContext(
                http,
                # ConfigMaps can be read when the files bring them along; else there is nobody to ask.
                read_config_map=beside.config_map if documents.config_maps else None,
                allow_files=True,
                base_dir=base,
                read_login=beside.login,
            )
            result = await _run_one(item, context)
            tell(f"{item.title}: {result.verdict.value} ({result.reason})")
            entries.append(Entry(item.kind.name, item.namespace, item.name, result))
    return entries


async def _run_one(item: Document, context: SourceContext) -> Result:
    assert isinstance(item.spec, RunSpec)
    started = datetime.now(UTC)
    task = _task(item, item.spec, started)
    try:
        async with asyncio.timeout(item.spec.timeout.total_seconds()):
            return await RUNNERS[item.kind.name](task, context)
    except TimeoutError:
        message = f"The run took longer than spec.timeout ({item.spec.timeout.total_seconds():g} s)"
        return make(task, Verdict.INCONCLUSIVE, "Timeout", message, started_at=started, finished_at=datetime.now(UTC))
    except Exception as error:  # noqa: BLE001 - a bug in one run must not throw away the results of the others
        traceback.print_exc()
        message = f"the runner failed: {type(error).__name__}"
        return make(task, Verdict.ERROR, "RunnerCrashed", message, started_at=started, finished_at=datetime.now(UTC))


def _task(item: Document, spec: RunSpec, started: datetime) -> Task:
    assert isinstance(item.kind, RunKind)
    return Task(
        kind=item.kind.name,
        namespace=item.namespace,
        name=item.name,
        uid="",
        run_id="offline",
        cluster=LOCAL,
        runner_namespace="",
        job="",
        job_uid="",
        started_at=started,
        deadline=started + spec.timeout,
        image="",
        policy=TargetPolicy(),
        spec=spec.to_wire(),
    )


class _Beside:
    """What lies beside the resources in their files."""

    def __init__(self, documents: Documents) -> None:
        self._documents = documents

    async def config_map(self, name: str, key: str) -> bytes:
        """The value of a key; raises LookupError where there is none."""
        return self._documents.config_maps[name][key]

    async def login(self, ref: CredentialsRef | None, *, tls: bool = False, username: str = "") -> Login:
        """What a Secret of the files holds; raises CredentialsRefused where there is none."""
        if ref is None:
            return Login(username, tls=tls)
        found = self._documents.secrets.get(ref.name)
        if found is None:
            raise CredentialsRefused(f"Secret {ref.name!r} is in none of the files")
        texts = {key: found[key].decode(errors="replace") for key in LOGIN_KEYS if key in found}
        return Login.of(texts, tls=tls, username=username)
