"""``firedrill webhook``: the process of admission."""

import argparse
import asyncio
import logging
import os
import signal
import ssl
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from aiohttp import web

from firedrill.api.errors import InvalidInput
from firedrill.clusters.client import KubeClient
from firedrill.clusters.credentials import api_from_environment
from firedrill.clusters.errors import ClusterError
from firedrill.clusters.logs import set_up
from firedrill.handlers.admission.certificate import Keeper, Material
from firedrill.handlers.admission.review import Reviewer

logger = logging.getLogger(__name__)

#: How often it is looked whether the certificate is to be renewed, was renewed by another pod, or is trusted still.
_LOOK_EVERY: Final = 300.0
_RETRY_AFTER: Final = 2.0


@dataclass(frozen=True)
class Settings:
    """What the chart sets."""

    namespace: str
    host: str
    configuration: str
    port: int
    log_level: str


def from_environment(environ: Mapping[str, str] = os.environ) -> Settings:
    """Read settings; raises InvalidInput that names the variable."""
    port = environ.get("FIREDRILL_PORT", "8443")
    if not port.isdigit():
        raise InvalidInput(f"FIREDRILL_PORT is not a number: {port!r}")
    namespace = environ.get("POD_NAMESPACE", "firedrill-system")
    return Settings(
        namespace=namespace,
        host=environ.get("FIREDRILL_WEBHOOK_HOST", f"firedrill-webhook.{namespace}.svc"),
        configuration=environ.get("FIREDRILL_WEBHOOK_CONFIGURATION", "firedrill-requests"),
        port=int(port),
        log_level=environ.get("FIREDRILL_LOG_LEVEL", "INFO").upper(),
    )


class Webhook:
    """Serves reviews over TLS, and keeps its certificate."""

    def __init__(self, hub: KubeClient, settings: Settings) -> None:
        self._hub = hub
        self._settings = settings
        self._keeper = Keeper(hub, settings.namespace, settings.host, settings.configuration)
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._tls.minimum_version = ssl.TLSVersion.TLSv1_2
        self._known: Material | None = None
        self._reviewer: Reviewer | None = None
        self._trusted = False

    async def run(self, stop: asyncio.Event) -> None:
        """Serve until asked to stop."""
        await self._renew_until_it_works(stop)
        app = web.Application()
        app.add_routes([web.post("/review", self._review), web.get("/readyz", self._readyz)])
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, port=self._settings.port, ssl_context=self._tls).start()
        logger.info("reviews are answered on port %d", self._settings.port)
        try:
            while not stop.is_set():
                try:
                    await asyncio.wait_for(stop.wait(), _LOOK_EVERY if self._trusted else _RETRY_AFTER)
                except TimeoutError:
                    await self._renew()
        finally:
            await runner.cleanup()

    async def _renew_until_it_works(self, stop: asyncio.Event) -> None:
        while not stop.is_set() and self._known is None:
            await self._renew()
            if self._known is None:
                await asyncio.sleep(_RETRY_AFTER)

    async def _renew(self) -> None:
        try:
            material = await self._keeper.material()
            if material != self._known:
                self._load(material)
            await self._keeper.trust(material)
            self._trusted = True
        except ClusterError as error:
            logger.warning("the certificate could not be looked after: %s", error)
            self._trusted = False

    def _load(self, material: Material) -> None:
        with tempfile.TemporaryDirectory() as folder:
            certificate, key = Path(folder) / "tls.crt", Path(folder) / "tls.key"
            certificate.write_bytes(material.certificate)
            key.touch(mode=0o600)
            key.write_bytes(material.key)
            self._tls.load_cert_chain(certificate, key)
        self._known, self._reviewer = material, Reviewer(self._hub, material.stamp_key)

    async def _review(self, request: web.Request) -> web.Response:
        assert self._reviewer is not None  # it serves once it has a certificate, and with it a key
        review: dict[str, Any] = await request.json()
        return web.json_response(await self._reviewer.answer(review))

    async def _readyz(self, _: web.Request) -> web.Response:
        return web.Response(text="ok\n" if self._trusted else "not trusted yet\n", status=200 if self._trusted else 503)


async def _run(settings: Settings) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    hub = KubeClient(await api_from_environment(), "hub", timeout=5)
    try:
        await Webhook(hub, settings).run(stop)
    finally:
        await hub.close()


def main(argv: list[str]) -> int:
    """Start admission; 0 when it was asked to end, 64 for wrong settings."""
    parser = argparse.ArgumentParser(prog="firedrill webhook", description=__doc__)
    parser.parse_args(argv)
    try:
        settings = from_environment()
        set_up(settings.log_level)
        asyncio.run(_run(settings))
    except InvalidInput as error:
        sys.stderr.write(f"firedrill webhook: {error}\n")
        return 64
    return 0
