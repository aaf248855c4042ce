"""``make bench-load``: what one worker can send on one core, beside k6 in the same run, and what a stall looks like.

The server has one core, the client another. Every client puts the same load: requests with a body of 1 KB at the same
rate. k6 is taken from the argument, or from PATH; without it ours is measured alone. Figures are printed and kept in
out/bench_load.json; nothing passes or fails.
"""

import argparse
import asyncio
import json
import multiprocessing
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parent.parent
OUT = ROOT / "out"
BODY = "x" * 1024
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1024\r\n\r\n" + BODY.encode()
CORES = sorted(os.sched_getaffinity(0))
SERVER, CLIENT = CORES[0], CORES[-1]


class Fixed(asyncio.Protocol):
    """Answers every request with the same bytes; requests must be whole in what comes."""

    stalled_until = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._buffer = b""

    def data_received(self, data: bytes) -> None:
        """Answer what is whole."""
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            at = self._buffer[:end].lower().find(b"content-length:")
            length = int(self._buffer[at + 15 : end].split(b"\r\n", 1)[0]) if at >= 0 else 0
            if len(self._buffer) < end + 4 + length:
                return
            self._buffer = self._buffer[end + 4 + length :]
            self._transport.write(ANSWER)


def serve(port: Any, stall_after: float | None) -> None:
    """Serve for ever on one core; ``stall_after`` seconds after the first connection stand still for one second."""
    os.sched_setaffinity(0, {SERVER})

    async def run() -> None:
        loop = asyncio.get_running_loop()
        begun: list[float] = []

        def made() -> Fixed:
            if stall_after is not None and not begun:
                begun.append(loop.time())
                loop.call_later(stall_after, time.sleep, 1.0)
            return Fixed()

        server = await loop.create_server(made, "127.0.0.1", 0, backlog=4096)
        port.value = server.sockets[0].getsockname()[1]
        await server.serve_forever()

    asyncio.run(run())


class Server:
    """A server in a process of its own."""

    def __init__(self, stall_after: float | None = None) -> None:
        self._port = multiprocessing.Value("i", 0)
        self._process = multiprocessing.Process(target=serve, args=(self._port, stall_after), daemon=True)

    def __enter__(self) -> str:
        self._process.start()
        while not self._port.value:
            time.sleep(0.01)
        return f"http://127.0.0.1:{self._port.value}/"

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.join()


def timed(command: list[str], stdin: str | None = None) -> tuple[str, float]:
    """Output of a command on the client's core, and the seconds of processor that it took."""
    before = os.times()
    done = subprocess.run(
        command,
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: os.sched_setaffinity(0, {CLIENT}),
        env={**os.environ, "GOMAXPROCS": "1", "K6_NO_USAGE_REPORT": "true"},
    )
    after = os.times()
    cpu = after.children_user - before.children_user + after.children_system - before.children_system
    return done.stdout or done.stderr, cpu


def ours(url: str, load: dict[str, Any]) -> dict[str, Any]:
    """A PerformanceBenchmark of the command line."""
    spec = {"target": {"http": {"url": url, "method": "POST", "body": BODY}}, "load": load, "warmup": "1s"}
    resource = {"apiVersion": "firedrill.dev/v1alpha1", "kind": "PerformanceBenchmark", "metadata": {"name": "bench"}}
    command = [sys.executable, "-m", "firedrill", "run", "--offline", "-f", "-", "-o", "json"]
    text, cpu = timed(command, json.dumps({**resource, "spec": spec}))
    phase = json.loads(text)["results"][0]["report"]["phases"][0]
    latency = {name: (found or {}).get("value") for name, found in phase["latency"].items()}
    return {
        "tool": "firedrill",
        "sent": phase["requests"] / phase["seconds"],
        "failed": phase["requests"] - phase["answered"],
        "busy": phase["client"]["busy"],
        "late": phase["client"]["late"],
        "cpu": cpu,
        **latency,
    }


def k6(binary: str, url: str, rate: int | None, seconds: int) -> dict[str, Any]:
    """k6 at a constant rate, or without one as ten clients in a closed loop."""
    held = f"duration: '{seconds}s'"
    arrivals = f"executor: 'constant-arrival-rate', rate: {rate}, timeUnit: '1s', preAllocatedVUs: 300, maxVUs: 1000"
    clients = "executor: 'constant-vus', vus: 10"
    scenario = f"{arrivals if rate else clients}, {held}"
    script = f"""
import http from 'k6/http';
const body = 'x'.repeat(1024);
export const options = {{
  discardResponseBodies: true, summaryTrendStats: ['med', 'p(95)', 'p(99)', 'p(99.9)', 'count'],
  scenarios: {{ s: {{ {scenario} }} }},
}};
export default function () {{ http.post('{url}', body); }}
"""
    with tempfile.TemporaryDirectory() as place:
        file, summary = Path(place) / "s.js", Path(place) / "summary.json"
        file.write_text(script)
        text, cpu = timed([binary, "run", "--quiet", "--summary-export", str(summary), str(file)])
        if not summary.exists():
            raise SystemExit(f"k6: {text[-500:]}")
        metrics = json.loads(summary.read_text())["metrics"]
    found = metrics["http_req_duration"]
    names = {"p50": "med", "p95": "p(95)", "p99": "p(99)", "p999": "p(99.9)"}
    return {
        "tool": "k6",
        "sent": metrics["http_reqs"]["count"] / seconds,
        "failed": metrics["http_req_failed"]["passes"],
        "busy": cpu / seconds,
        "late": metrics.get("dropped_iterations", {}).get("count", 0),
        "cpu": cpu,
        **{name: found[key] / 1000 for name, key in names.items()},
    }


def show(title: str, rows: list[dict[str, Any]]) -> None:
    """Print figures."""
    columns = ("tool", "sent/s", "failed", "late or dropped", "busy", "cpu s", "p50 ms", "p95 ms", "p99 ms", "p99.9 ms")
    table = Table(*columns, title=title)
    for row in rows:
        times = [f"{row[name] * 1000:.3g}" if row[name] else "-" for name in ("p50", "p95", "p99", "p999")]
        counts = [row["tool"], f"{row['sent']:.0f}", str(row["failed"]), str(row["late"])]
        table.add_row(*counts, f"{row['busy']:.0%}", f"{row['cpu']:.1f}", *times)
    Console(width=None if sys.stdout.isatty() else 140).print(table)


def main() -> int:
    """Run the benchmarks; returns 0."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--k6", default=shutil.which("k6"), help="binary of k6")
    parser.add_argument("--rates", default="1000,5000,8000", help="requests a second")
    parser.add_argument("--seconds", type=int, default=10, help="of each")
    args = parser.parse_args()
    kept: dict[str, Any] = {"load": os.getloadavg(), "cores": len(CORES)}
    with Server() as url:
        for rate in (int(text) for text in args.rates.split(",")):
            rows = [ours(url, {"openLoop": {"rate": rate, "duration": f"{args.seconds}s"}})]
            rows += [k6(args.k6, url, rate, args.seconds)] if args.k6 else []
            show(f"Open loop at {rate} a second, one core, body of 1 KB", rows)
            kept[f"open {rate}"] = rows
    rows = []
    loads = {
        "firedrill open": {"openLoop": {"rate": 500, "duration": f"{args.seconds}s"}},
        "firedrill closed": {"closedLoop": {"concurrency": 10, "duration": f"{args.seconds}s"}},
    }
    for name, load in loads.items():
        # After warm-up and in the middle of the load.
        with Server(stall_after=1 + args.seconds / 2) as url:
            rows.append({**ours(url, load), "tool": name})
    if args.k6:
        with Server(stall_after=args.seconds / 2) as url:
            rows.append({**k6(args.k6, url, None, args.seconds), "tool": "k6 closed"})
    show("A server that stalls for one second", rows)
    kept["stall"] = rows
    OUT.mkdir(exist_ok=True)
    (OUT / "bench_load.json").write_text(json.dumps(kept, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
