"""moto's server as a process of its own: its libraries ask for others than the project's, so it has its own place."""

import os
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

#: The command; MOTO_SERVER names one that is not on PATH.
MOTO_SERVER: Final = os.environ.get("MOTO_SERVER") or shutil.which("moto_server")
_PATIENCE = 60.0


@contextmanager
def moto_server() -> Iterator[str]:
    """Start it on loopback and give its address."""
    assert MOTO_SERVER is not None
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [MOTO_SERVER, "-H", "127.0.0.1", "-p", str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        _await_answer(f"http://127.0.0.1:{port}/moto-api/", process)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(10)


def _await_answer(url: str, process: "subprocess.Popen[bytes]") -> None:
    end = time.monotonic() + _PATIENCE
    while process.poll() is None and time.monotonic() < end:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    raise RuntimeError(f"moto_server does not answer (exit code {process.poll()})")
