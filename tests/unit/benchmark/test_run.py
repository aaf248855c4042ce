"""Whole benchmarks against servers on this machine, and workers that share one."""

import asyncio
import ssl
from pathlib import Path
from typing import Any

import httpx
import pytest

from firedrill.api.task import Result, Task
from firedrill.api.verdict import Verdict
from firedrill.runner.benchmark import run
from firedrill.runner.parts import Crew, PartDone, PodCrew
from firedrill.runner.ports import SystemClock
from firedrill.sources.context import SourceContext
from support.certificates import self_signed
from support.config_maps import Store
from support.odd_servers import Answer, hanging, http, listening, read_request, resetting, saying
from support.tasks import check_task

pytestmark = pytest.mark.system

OPEN = {"openLoop": {"rate": 400, "duration": "400ms"}}
#: Wide enough for any machine: what is tested here is not its speed.
WIDE = {"maxP50": "3s", "maxErrorRate": 0.05}


def task(spec: dict[str, Any], seconds: float = 60) -> Task:
    return check_task(
        "PerformanceBenchmark", {"load": OPEN, "warmup": "0s", "thresholds": WIDE, **spec}, seconds=seconds
    )


async def bench(spec: dict[str, Any], seconds: float = 60, crew: Crew | None = None) -> Result:
    async with httpx.AsyncClient() as client:
        return await run(task(spec, seconds), SourceContext(client), crew=crew)


async def bench_http(answer: Answer, seconds: float = 60, crew: Crew | None = None, **spec: Any) -> Result:
    target = spec.pop("http", {})
    async with listening(answer) as port:
        url = f"http://127.0.0.1:{port}/"
        return await bench({"target": {"http": {"url": url, "timeout": "2s", **target}}, **spec}, seconds, crew)


async def test_a_good_service_passes_with_all_figures_in_the_report() -> None:
    result = await bench_http(saying(http(b"fine")), warmup="200ms", http={"contains": "fine"})
    assert (result.verdict, result.reason) == (Verdict.PASSED, "WithinLimits"), result.message
    [phase] = result.report["phases"]
    assert phase["requests"] == phase["answered"] > 100
    assert result.report["warmup"]["requests"] > 20
    assert sum(row["requests"] for row in phase["trend"]) == phase["requests"]


@pytest.mark.parametrize("load", [{"closedLoop": {"concurrency": 3, "duration": "300ms"}}, {"soak": OPEN["openLoop"]}])
async def test_other_loads_pass_too(load: dict[str, Any]) -> None:
    result = await bench_http(saying(http(b"fine")), load=load)
    assert result.verdict is Verdict.PASSED, result.message


async def test_a_ramp_finds_a_knee() -> None:
    load = {"ramp": {"start": 250, "end": 1000, "factor": 2, "step": "400ms", "refinements": 0}}
    result = await bench_http(saying(http(b"fine")), load=load, thresholds={**WIDE, "minKnee": 250})
    assert result.verdict is Verdict.PASSED, result.message
    assert [step["rate"] for step in result.report["ramp"]] == [250, 500, 1000]


@pytest.mark.parametrize(
    ("answer", "more", "verdict", "reason", "said"),
    [
        (saying(http(b"no", "500 Internal Server Error")), {}, Verdict.FAILED, "ErrorRateAboveLimit", "status 500, no"),
        (saying(http(b"bad")), {"contains": "fine"}, Verdict.FAILED, "ErrorRateAboveLimit", "does not contain 'fine'"),
        (saying(http(b"", "302 Found", "Location: /x")), {}, Verdict.FAILED, "ErrorRateAboveLimit", "status 302"),
        (saying(b"SSH-2.0-x\r\n"), {}, Verdict.FAILED, "ErrorRateAboveLimit", "not HTTP/1.1"),
        (hanging, {"timeout": "300ms"}, Verdict.FAILED, "ErrorRateAboveLimit", "no answer within 0.3 s"),
        (resetting, {}, Verdict.INCONCLUSIVE, "EndpointUnreachable", "closed before an answer"),
    ],
)
async def test_bad_services_are_told_as_what_they_are(
    answer: Answer, more: dict[str, Any], verdict: Verdict, reason: str, said: str
) -> None:
    result = await bench_http(answer, http=more)
    assert (result.verdict, result.reason) == (verdict, reason), result.message
    assert said in result.message


async def test_a_certificate_of_an_unknown_authority_is_refused(tmp_path: Path) -> None:
    certificate, key = self_signed("localhost")
    (tmp_path / "tls.pem").write_bytes(certificate + key)
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(tmp_path / "tls.pem")
    async with listening(saying(http(b"x")), tls) as port:
        result = await bench({"target": {"http": {"url": f"https://localhost:{port}/"}}})
    assert result.reason == "EndpointUnreachable"
    assert "its certificate is not accepted" in result.message


async def test_credentials_need_a_cluster() -> None:
    result = await bench({"target": {"http": {"url": "http://a/", "credentials": {"name": "s"}}}})
    assert (result.reason, "spec.target.http.credentials" in result.message) == ("SourceNotAllowed", True)


async def test_the_deadline_is_kept() -> None:
    # A closed loop has no schedule that a busy machine could fall behind.
    load = {"closedLoop": {"concurrency": 2, "duration": "20s"}}
    result = await bench_http(saying(http(b"x")), seconds=6, load=load)
    assert result.reason == "DeadlineReached", result.message


CHAT = b"".join(
    [b'data: {"choices":[{"delta":{"content":"a"}}]}\n\n' * 5, b"data: [DONE]\n\n"],
)


def chat(models: bytes, stream: bytes) -> Answer:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while request := await read_request(reader):
            if request.startswith(b"GET /v1/models "):
                writer.write(http(models))
                continue
            writer.write(http(stream, "200 OK", "Content-Type: text/event-stream"))

    return answer


async def test_tokens_of_a_chat_are_counted() -> None:
    async with listening(chat(b'{"data":[{"id":"tiny"}]}', CHAT)) as port:
        endpoint = {"chat": {"url": f"http://127.0.0.1:{port}/v1", "model": "tiny"}}
        target = {"model": {"endpoint": endpoint, "source": {"inline": {"csv": "prompt\nhello\nworld\n"}}}}
        limits = {"maxErrorRate": 0.05, "minTokensPerSecond": 10}
        result = await bench({"target": target, "thresholds": limits})
    assert result.verdict is Verdict.PASSED, result.message
    assert result.report["phases"][0]["tokens"]["count"] == 5 * result.report["phases"][0]["answered"]


@pytest.mark.parametrize(
    ("models", "stream", "said"),
    [
        (b'{"data":[{"id":"other"}]}', CHAT, "There is no model 'tiny'"),
        (b"<html><title>Portal</title>", CHAT, "the answer is a web page ('Portal')"),
        (b'{"data":[{"id":"tiny"}]}', CHAT[:60], "ended without [DONE]"),
        (
            b'{"data":[{"id":"tiny"}]}',
            CHAT.replace(b"data: [DONE]", b'data: {"error":{"message":"out of memory"}}\n\ndata: [DONE]'),
            "the stream holds an error after 5 pieces",
        ),
        (b'{"data":[{"id":"tiny"}]}', b'{"choices":[{"message":{"content":"all"}}]}', "asked for as a stream"),
    ],
)
async def test_a_chat_that_is_none_is_told(models: bytes, stream: bytes, said: str) -> None:
    async with listening(chat(models, stream)) as port:
        endpoint = {"chat": {"url": f"http://127.0.0.1:{port}/v1", "model": "tiny"}}
        target = {"model": {"endpoint": endpoint, "source": {"inline": {"csv": "prompt\nhello\n"}}}}
        result = await bench({"target": target})
    assert result.verdict is not Verdict.PASSED
    assert said in result.message, result.message


async def test_workers_begin_together_and_their_counts_are_one() -> None:
    store, clock = Store(), SystemClock()
    answer = saying(http(b"fine"))

    async with listening(answer) as port:
        spec = {"target": {"http": {"url": f"http://127.0.0.1:{port}/"}}, "workers": 2}
        crews = [PodCrew(store, clock, task(spec), i, 2) for i in range(2)]  # type: ignore[arg-type]
        results = await asyncio.gather(*(bench(spec, crew=crew) for crew in crews), return_exceptions=True)
    assert isinstance(results[1], PartDone)
    leader = results[0]
    assert isinstance(leader, Result)
    assert leader.verdict is Verdict.PASSED, leader.message
    # Together they send what one would: 400 a second for 0.4 s.
    assert 100 < leader.report["phases"][0]["requests"] < 220
    assert leader.report["workers"] == 2
