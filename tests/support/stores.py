"""Data stores on loopback, from the system's packages and from the archives of the components image."""

import os
import shutil
import socket
import subprocess
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psycopg

ROOT: Final = Path(__file__).resolve().parents[2]
PASSWORD: Final = "wonderland"
_PATIENCE: Final = 90.0
_NOBODY: Final = 65534


@dataclass(frozen=True)
class Store:
    """Where a server listens."""

    port: int
    host: str = "127.0.0.1"


@contextmanager
def postgres(max_connections: int = 20) -> Iterator[Store]:
    """A Postgres with the superuser ``admin``, the database ``shop``, and logins by password."""
    with tempfile.TemporaryDirectory() as folder:
        yield from _postgres(Path(folder), max_connections)


def _postgres(folder: Path, max_connections: int) -> Iterator[Store]:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    assert found, "Postgres is needed: apt-get install postgresql"
    bin_folder = found[-1]
    data, secret, port = folder / "data", folder / "secret", _free_port()
    secret.write_text(PASSWORD)
    as_nobody: list[str] = []
    if os.geteuid() == 0:
        # Postgres refuses to run as root.
        os.chown(folder, _NOBODY, _NOBODY)
        os.chown(secret, _NOBODY, _NOBODY)
        as_nobody = ["setpriv", f"--reuid={_NOBODY}", f"--regid={_NOBODY}", "--clear-groups"]
    initdb = [str(bin_folder / "initdb"), "-D", str(data), "-U", "admin", f"--pwfile={secret}", "-A", "scram-sha-256"]
    subprocess.run([*as_nobody, *initdb, "--no-sync", "-E", "UTF8"], check=True, stdout=subprocess.DEVNULL, cwd="/")
    settings = {
        "listen_addresses": "127.0.0.1",
        "port": port,
        "unix_socket_directories": "",
        "max_connections": max_connections,
        "fsync": "off",
    }
    flags = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
    where = f"host=127.0.0.1 port={port} user=admin password={PASSWORD}"

    def answers() -> None:
        with psycopg.connect(f"{where} dbname=postgres", autocommit=True) as connection:
            connection.execute("CREATE DATABASE shop")

    with _running([*as_nobody, str(bin_folder / "postgres"), "-D", str(data), *flags], folder / "log", answers):
        yield Store(port)


@contextmanager
def redis(folder: Path) -> Iterator[Store]:
    """A Redis that asks for a password."""
    assert shutil.which("redis-server"), "Redis is needed: apt-get install redis-server"
    port = _free_port()
    command = ["redis-server", "--bind", "127.0.0.1", "--port", str(port), "--save", "", "--requirepass", PASSWORD]
    with _running([*command, "--dir", str(folder)], folder / "log", lambda: _connects(port)):
        yield Store(port)


@contextmanager
def kafka(folder: Path, advertised: str = "127.0.0.1") -> Iterator[Store]:
    """A Kafka of one node."""
    assert shutil.which("java"), "Java is needed: apt-get install default-jre-headless"
    from firedrill.lab.imaging.jar_layer import jars

    images = ROOT / "images" / "components"
    layer = jars(images / "kafka.lock", images / "fetch.py", "opt/kafka/libs", folder / "fetch.log")
    with tarfile.open(layer.file) as archive:
        archive.extractall(folder, filter="data")
    port, controller = _free_port(), _free_port()
    properties = folder / "server.properties"
    properties.write_text(
        f"process.roles=broker,controller\nnode.id=1\ncontroller.quorum.voters=1@127.0.0.1:{controller}\n"
        f"listeners=CLIENTS://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}\n"
        f"advertised.listeners=CLIENTS://{advertised}:{port}\n"
        "listener.security.protocol.map=CLIENTS:PLAINTEXT,CONTROLLER:PLAINTEXT\n"
        "controller.listener.names=CONTROLLER\ninter.broker.listener.name=CLIENTS\n"
        f"log.dirs={folder / 'logs'}\nauto.create.topics.enable=true\nnum.partitions=4\n"
        "offsets.topic.replication.factor=1\nlog.cleaner.dedupe.buffer.size=8388608\nlog.index.size.max.bytes=1048576\n"
        "offsets.topic.num.partitions=2\ngroup.initial.rebalance.delay.ms=0\n"
    )
    logging = folder / "log4j.properties"
    logging.write_text(
        "log4j.rootLogger=WARN, stdout\nlog4j.appender.stdout=org.apache.log4j.ConsoleAppender\n"
        "log4j.appender.stdout.layout=org.apache.log4j.SimpleLayout\n"
    )
    java = ["java", f"-Dlog4j.configuration=file:{logging}", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]
    java += ["-cp", f"{folder / 'opt/kafka/libs'}/*"]
    prepare = [*java, "kafka.tools.StorageTool", "format", "--cluster-id", "RmlyZWRyaWxsU2ltdWxhdA"]
    subprocess.run([*prepare, "--config", str(properties)], check=True, stdout=subprocess.DEVNULL)
    run = [java[0], "-Xmx192m", *java[1:], "kafka.Kafka", str(properties)]
    with _running(run, folder / "log", lambda: _connects(port)):
        yield Store(port)


@contextmanager
def _running(command: Sequence[str], log: Path, answers: Callable[[], None]) -> Iterator[None]:
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, cwd="/")
    try:
        end = time.monotonic() + _PATIENCE
        while True:
            try:
                answers()
                break
            except (OSError, psycopg.OperationalError) as error:
                if process.poll() is not None or time.monotonic() > end:
                    raise RuntimeError(f"{command[0]} does not answer: {log.read_text()[-2000:]}") from error
                time.sleep(0.1)
        yield
    finally:
        process.terminate()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(15)


def _connects(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=2):
        pass


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])
