"""A surge of requests: bounded, felt or not, and over with the process that sends it."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from aiohttp import web
from chaos_lab import API_SURGE, Lab, spec, task
from pydantic import ValidationError

from firedrill.api.chaosexperiment import ChaosExperimentSpec
from firedrill.api.verdict import Verdict
from firedrill.clusters.errors import Forbidden, Throttled
from firedrill.runner.faults.surging import _effect
from firedrill.runner.surge.port import Surge, Told
from firedrill.runner.surge.sending import send
from firedrill.runner.surge.system import SystemSurges

PODS = "/api/v1/namespaces/payments/pods"


async def test_it_is_felt_and_is_over() -> None:
    lab = Lab(task(spec(API_SURGE)))
    await lab.play()
    assert lab.result is not None
    assert (lab.result.verdict, lab.result.reason) == (Verdict.PASSED, "SteadyStateHeld")
    findings = {each.type: each.reason for each in lab.result.findings}
    assert findings == {"Injected": "FaultObserved", "Recovered": "SteadyStateHolds", "RecoveryVerified": "SeenUndone"}
    assert lab.problems() == []
    record = lab.record()
    assert record is not None
    assert record.changes[0].evidence.startswith("the process that sent has ended: ")
    assert (record.undone_by, record.residues) == ("runner", [])


async def test_who_may_not_list_is_told_before_anything_is_written() -> None:
    lab = Lab(task(spec(API_SURGE)))
    runner = lab.runner_process()
    asked = 0

    def fail(verb: str, path: str) -> Any:
        nonlocal asked
        asked += verb == "GET" and path == PODS
        # The first ones look for the target.
        return Forbidden(403, "Forbidden", "not you") if asked > 1 and path == PODS else None

    runner.fail = fail
    await lab.clock.run(lab.runner(runner))
    assert lab.result is not None
    assert lab.result.reason == "NotPermitted"
    assert runner.writes == []


async def test_more_than_an_api_server_can_hold_is_refused() -> None:
    lab = Lab(task(spec({"apiSurge": {"acknowledgeClusterWide": True, "rate": 500}})))
    for path, body in lab.world.objects.items():
        if "/payments/pods/" in path:
            body["metadata"]["annotations"] = {"large": "x" * 2**20}
    runner = lab.runner_process()
    await lab.clock.run(lab.runner(runner))
    assert lab.result is not None
    assert lab.result.reason == "NotApplicable"
    assert "500 a second are more than" in lab.result.message
    assert runner.writes == []


@pytest.mark.parametrize(
    ("before", "during", "refused", "says"),
    [
        ([0.01] * 12, [0.01] * 12, 3, "refused 3 of 100 requests with 429"),
        ([0.01 + n / 1e4 for n in range(12)], [0.1 + n / 1e4 for n in range(12)], 0, "took 101 ms instead of 11 ms"),
        ([0.01 + n / 1e4 for n in range(12)], [0.0105 + n / 1e4 for n in range(12)], 0, ""),
        ([], [0.1], 0, ""),
    ],
)
def test_what_counts_as_felt(before: list[float], during: list[float], refused: int, says: str) -> None:
    found = _effect(refused, 100, before, during)
    assert says in found
    assert bool(says) == bool(found)


def test_what_was_answered_in_words() -> None:
    assert (
        str(Told(Counter({200: 7, 429: 90, 0: 1}))) == "98 requests: 90 answered 429, 7 answered 200, 1 without answer"
    )
    assert str(Told()) == "0 requests"


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({}, "acknowledgeClusterWide"),
        ({"acknowledgeClusterWide": False}, "must be true"),
        ({"acknowledgeClusterWide": True, "rate": 501}, "rate"),
        ({"acknowledgeClusterWide": True, "concurrency": 101}, "concurrency"),
        ({"acknowledgeClusterWide": True, "resource": "Secrets"}, "resource"),
    ],
)
def test_a_wrong_surge_is_refused_by_name(fields: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        ChaosExperimentSpec.model_validate(spec({"apiSurge": fields}))


async def test_rate_and_concurrency_are_kept_whatever_is_answered() -> None:
    at_once, most, count = 0, 0, 0

    async def ask(_path: str) -> None:
        nonlocal at_once, most, count
        at_once += 1
        most, count = max(most, at_once), count + 1
        await asyncio.sleep(0.01)
        at_once -= 1
        raise Throttled(429, "TooManyRequests", "later")

    begun = time.monotonic()
    await send(Surge(PODS, 100, 3, time.time() + 1.0), ask)
    took = time.monotonic() - begun
    assert 10 <= count <= 100 * took + 3
    assert most <= 3


class Api:
    """An API server that counts, and refuses every third."""

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()
        self.tokens: set[str] = set()
        self.port = 0

    async def answer(self, request: web.Request) -> web.Response:
        self.asked[request.path] += 1
        self.tokens.add(request.headers.get("Authorization", ""))
        return web.json_response({"items": []}, status=429 if self.asked[request.path] % 3 == 0 else 200)


@pytest.fixture
async def api(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Api]:
    found = Api()
    application = web.Application()
    application.router.add_get("/{path:.*}", found.answer)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    found.port = site._server.sockets[0].getsockname()[1]  # type: ignore[union-attr]
    config = {
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": {"server": f"http://127.0.0.1:{found.port}"}}],
        "users": [{"name": "u", "user": {"token": "sesame"}}],
    }
    (tmp_path / "config").write_text(yaml.safe_dump(config))
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "config"))
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    yield found
    await runner.cleanup()


async def told(surge: Any, count: int) -> None:
    async with asyncio.timeout(60):
        while surge.told().count < count:  # noqa: ASYNC110 - it is another process
            await asyncio.sleep(0.05)


@pytest.mark.system
async def test_the_child_asks_tells_and_is_ended(api: Api) -> None:
    surge = await SystemSurges().begin(Surge(PODS, 200, 4, time.time() + 60.0))
    await told(surge, 20)
    assert (await surge.look())[0]
    assert surge.told().refused > 0
    assert api.tokens == {"Bearer sesame"}
    await surge.close()
    assert not (await surge.look())[0]
    after = sum(api.asked.values())
    await asyncio.sleep(0.3)
    assert sum(api.asked.values()) == after, "nothing is asked any more"
    await surge.close()


@pytest.mark.system
async def test_the_child_ends_by_itself(api: Api) -> None:
    surge = await SystemSurges().begin(Surge(PODS, 50, 2, time.time() + 8.0))
    async with asyncio.timeout(60):
        while (await surge.look())[0]:  # noqa: ASYNC110 - it is another process
            await asyncio.sleep(0.05)
    await surge.close()
    assert 1 <= surge.told().count <= 450


@pytest.mark.system
async def test_the_child_ends_with_the_one_that_has_started_it(api: Api) -> None:
    parent = (
        "import asyncio, os, sys, time\n"
        "from firedrill.runner.surge.port import Surge\n"
        "from firedrill.runner.surge.system import SystemSurges\n"
        "async def main():\n"
        f"    surge = await SystemSurges().begin(Surge({PODS!r}, 100, 2, time.time() + 60.0))\n"
        "    while not surge.told().count:\n"
        "        await asyncio.sleep(0.05)\n"
        "    print(surge._process.pid, flush=True)\n"
        "    await asyncio.sleep(60)\n"
        "asyncio.run(main())\n"
    )
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", parent, stdout=subprocess.PIPE)
    assert process.stdout is not None
    child = int(await asyncio.wait_for(process.stdout.readline(), 60))
    process.send_signal(signal.SIGKILL)
    await process.wait()
    async with asyncio.timeout(30):
        while _runs(child):  # noqa: ASYNC110 - the kernel tells nobody
            await asyncio.sleep(0.05)


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def arguments(**other: str) -> list[str]:
    given = {"path": PODS, "rate": "1", "concurrency": "1", "until": str(time.time() + 60), "parent": str(os.getpid())}
    return [part for name, value in (given | other).items() for part in (f"--{name}", value)]


@pytest.mark.parametrize("other", [{"path": "/metrics"}, {"until": "1"}, {"until": "9999999999"}], ids=str)
@pytest.mark.system
def test_the_child_refuses_what_is_out_of_bounds(other: dict[str, str]) -> None:
    from firedrill.runner.surge import child

    with pytest.raises(SystemExit):
        child.main(arguments(**other))


@pytest.mark.system
def test_a_child_whose_parent_has_ended_before_it_could_tell_sends_nothing() -> None:
    command = [sys.executable, "-m", "firedrill", "surge", *arguments(parent="1")]
    ended = subprocess.run(command, capture_output=True, check=False, timeout=60)
    assert (ended.returncode, ended.stdout) == (1, b"")


@pytest.mark.system
def test_its_time_is_limited_before_anything_heavy_is_imported() -> None:
    code = "import sys, firedrill.runner.surge.child; print(sorted({'pydantic', 'aiohttp'} & set(sys.modules)))"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, timeout=60)
    assert shown.stdout.strip() == b"[]"


def test_what_the_child_tells_is_json() -> None:
    assert json.loads(json.dumps(Counter({200: 3}))) == {"200": 3}
