"""A service of a simulated system, as a real process."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from firedrill.simulation import service

pytestmark = pytest.mark.system

ROOT = Path(service.__file__).parents[2]


def get(port: int, path: str = "/") -> tuple[int, dict[str, object]]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


class Services:
    """Services that run until the test is over."""

    def __init__(self) -> None:
        self._running: list[subprocess.Popen[bytes]] = []

    def start(self, name: str, *arguments: str) -> tuple[int, "subprocess.Popen[bytes]"]:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        command = [sys.executable, "-m", "firedrill.simulation.service", "--name", name, "--port", str(port)]
        process = subprocess.Popen([*command, *arguments], env={**os.environ, "PYTHONPATH": str(ROOT)})
        self._running.append(process)
        end = time.monotonic() + 30
        while time.monotonic() < end:
            try:
                if get(port, service.READY_PATH)[0] == 200:
                    return port, process
            except OSError:
                time.sleep(0.05)
        raise TimeoutError(name)

    def stop(self) -> None:
        for process in self._running:
            process.kill()
            process.wait()


@pytest.fixture
def services() -> Iterator[Services]:
    running = Services()
    yield running
    running.stop()


def test_it_answers_when_those_it_calls_do(services: Services) -> None:
    ledger, process = services.start("ledger")
    gateway, _ = services.start("gateway", "--call", f"http://127.0.0.1:{ledger}/entries", "--timeout", "0.3")
    status, body = get(gateway, "/pay")
    assert (status, body["service"]) == (200, "gateway")
    process.kill()
    process.wait()
    status, body = get(gateway, "/pay")
    assert status == 502
    assert "refused" in str(body["calls"])
    assert get(gateway, service.READY_PATH)[0] == 200


def test_a_call_that_hangs_costs_its_time_limit_alone(services: Services) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        gateway, _ = services.start("gateway", "--call", url, "--timeout", "0.3")
        started = time.monotonic()
        assert get(gateway)[0] == 502
        assert 0.25 < time.monotonic() - started < 3


def test_it_answers_on_for_a_while_after_sigterm(services: Services) -> None:
    port, process = services.start("ledger", "--drain", "1.5")
    process.send_signal(signal.SIGTERM)
    time.sleep(0.3)
    assert get(port, service.READY_PATH)[0] == 503
    assert get(port, "/entries")[0] == 200
    assert process.wait(timeout=15) == 0


@pytest.mark.parametrize("url", ["ftp://a/", "ledger:8080", "http:///x"])
def test_a_wrong_address_is_told(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        service.parse(["--name", "a", "--call", url])
    assert "--call" in capsys.readouterr().err


def test_it_imports_the_standard_library_alone() -> None:
    program = (
        "import sys; import firedrill.simulation.service; "
        "print([m for m in ('pydantic', 'aiohttp', 'kubernetes', 'yaml') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_workload_is_what_the_experiments_expect() -> None:
    found = yaml.safe_load_all((ROOT.parent / "manifests/workloads/finance.yaml").read_text())
    objects = {(item["kind"], item["metadata"]["name"]): item for item in found}
    assert objects[("Namespace", "payments")]["metadata"]["labels"]["firedrill.dev/experiments"] == "enabled"
    for name in ("gateway", "fraud", "ledger"):
        pod = objects[("Deployment", name)]["spec"]["template"]
        assert pod["metadata"]["labels"]["app"] == name
        assert objects[("Service", name)]["spec"]["selector"] == {"app": name}
        (container,) = pod["spec"]["containers"]
        assert pod["spec"]["securityContext"]["runAsNonRoot"]
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
        settings = service.parse(container["args"])
        assert all(url.port == 8080 for url in settings.calls)
    assert objects[("Deployment", "ledger")]["spec"]["replicas"] == 2
