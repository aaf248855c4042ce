"""One service of a simulated system: answers, after it has called the services that it needs.

Runs as ``python3 -m firedrill.simulation.service --name gateway --call http://fraud.payments:8080/check``. It imports
the standard library alone and knows nothing of Firedrill. Each call is a new connection with a time limit, so that
what happens on the network is felt at once; it is not repeated.
"""

import argparse
import http.client
import json
import logging
import signal
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import FrameType
from typing import Final
from urllib.parse import SplitResult, urlsplit

READY_PATH: Final = "/healthz"
_OK: Final = 200
_BAD_GATEWAY: Final = 502
_NOT_READY: Final = 503

log = logging.getLogger("service")


@dataclass(frozen=True)
class Settings:
    """What a service is called, whom it calls, how long a call may take and how long it answers after SIGTERM."""

    name: str
    port: int
    calls: tuple[SplitResult, ...]
    timeout: float
    drain: float


@dataclass(frozen=True)
class Answer:
    """What a called service answered: its status, or 0 and the error."""

    url: str
    status: int
    error: str
    seconds: float


def call(url: SplitResult, timeout: float) -> Answer:
    """GET over a connection of its own; never raises."""
    started = time.monotonic()
    status, error = 0, ""
    connection = http.client.HTTPConnection(url.hostname or "", url.port or 80, timeout=timeout)
    try:
        connection.request("GET", url.path or "/", headers={"Connection": "close"})
        response = connection.getresponse()
        response.read()
        status = response.status
    except (OSError, http.client.HTTPException) as failure:
        error = str(failure) or type(failure).__name__
    finally:
        connection.close()
    return Answer(url.geturl(), status, error, time.monotonic() - started)


class Service(ThreadingHTTPServer):
    """The server, with its settings and whether it is on its way out."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, settings: Settings) -> None:
        super().__init__(("", settings.port), Handler)
        self.settings = settings
        self.draining = threading.Event()

    def drain(self) -> None:
        """Say that it is not ready, answer on for a while, and end."""
        self.draining.set()
        threading.Timer(self.settings.drain, self.shutdown).start()

    def answer(self, path: str) -> tuple[int, dict[str, object]]:
        """Status and body for a path."""
        name = self.settings.name
        if path == READY_PATH:
            status = _NOT_READY if self.draining.is_set() else _OK
            return status, {"service": name, "ready": status == _OK}
        answers = [call(url, self.settings.timeout) for url in self.settings.calls]
        failed = [answer for answer in answers if answer.status != _OK]
        for answer in failed:
            log.warning("%s answered %s %s after %.3f s", answer.url, answer.status, answer.error, answer.seconds)
        body: dict[str, object] = {
            "service": name,
            "calls": [{"url": answer.url, "status": answer.status, "error": answer.error} for answer in answers],
        }
        return (_BAD_GATEWAY if failed else _OK), body


class Handler(BaseHTTPRequestHandler):
    """Answers GET; one request a connection."""

    server: Service
    #: Seconds that a client may take to send its request.
    timeout = 5

    def do_GET(self) -> None:
        """Answer with what the service says."""
        status, body = self.server.answer(urlsplit(self.path).path)
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        try:
            self.wfile.write(content)
        except OSError as error:
            log.info("the client went away: %s", error)

    def log_message(self, format: str, *args: object) -> None:
        """Requests are not logged one by one."""


def parse(argv: Sequence[str]) -> Settings:
    """Settings from the command line; exits with a message for a wrong one."""
    parser = argparse.ArgumentParser(prog="service", description="One service of a simulated system.")
    parser.add_argument("--name", required=True)
    parser.add_argument("--port", type=int, default=8080)
    parser.add_argument("--call", action="append", default=[], metavar="URL", help="may be repeated")
    parser.add_argument("--timeout", type=float, default=0.8, help="seconds that a call may take")
    parser.add_argument("--drain", type=float, default=3.0, help="seconds of answering on after SIGTERM")
    options = parser.parse_args(argv)
    calls = tuple(urlsplit(url) for url in options.call)
    for url in calls:
        if url.scheme != "http" or not url.hostname:
            parser.error(f"--call {url.geturl()}: only http://host[:port]/path can be called")
    return Settings(options.name, options.port, calls, options.timeout, options.drain)


def main(argv: Sequence[str]) -> int:
    """Serve until SIGTERM."""
    settings = parse(argv)
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format=f"{settings.name} %(levelname)s %(message)s")
    service = Service(settings)

    def end(_signal: int, _frame: FrameType | None) -> None:
        if not service.draining.is_set():
            service.drain()

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    log.info("serves on port %d", service.server_port)
    with service:
        service.serve_forever(poll_interval=0.1)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
