"""An API server as ``firedrill telemetry export`` sees one: a simulation's Prometheus and recorder behind its proxy."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from aiohttp import web

from support.background import Background

Series = Mapping[str, Any]


class ProxiedSimulation:
    """Serves, on loopback, what it is given; the namespace is ``bank``."""

    def __init__(self) -> None:
        self.series: Sequence[Series] = ()
        self.calls: Sequence[Series] = ()
        self.records: Mapping[str, Sequence[Mapping[str, Any]]] = {}
        self.experiments: Sequence[Mapping[str, Any]] = ()
        self.failing = False
        self._background = Background()
        self._server = self._background.run(self._start())
        self.url = f"http://127.0.0.1:{self._server.addresses[0][1]}"

    def close(self) -> None:
        """End it."""
        self._background.run(self._server.cleanup())
        self._background.close()

    def kubeconfig(self, path: Path) -> Path:
        """Write a kubeconfig with the contexts target and hub; both are this server."""
        named = [{"name": name, "context": {"cluster": "c", "user": "u"}} for name in ("target", "hub")]
        document = {
            "clusters": [{"name": "c", "cluster": {"server": self.url}}],
            "users": [{"name": "u", "user": {"token": "t"}}],
            "contexts": named,
            "current-context": "target",
        }
        path.write_text(yaml.safe_dump(document))
        return path

    async def _start(self) -> web.AppRunner:
        app = web.Application()
        services = "/api/v1/namespaces/bank/services"
        app.router.add_get(f"{services}/prometheus:9090/proxy/api/v1/{{what:.*}}", self._prometheus)
        app.router.add_get(f"{services}/recorder:8080/proxy/records", self._records)
        app.router.add_get("/api/v1/namespaces/kube-system", self._kube_system)
        app.router.add_get("/apis/firedrill.dev/v1alpha1/chaosexperiments", self._experiments)
        app.router.add_get("/{rest:.*}", self._missing)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        return runner

    async def _prometheus(self, request: web.Request) -> web.Response:
        if self.failing:
            body = {"kind": "Status", "code": 503, "reason": "ServiceUnavailable", "message": "no endpoints available"}
            return web.json_response(body, status=503)
        data: Any
        if request.match_info["what"] == "label/__name__/values":
            data = sorted({each["metric"]["__name__"] for each in self.series})
        elif request.match_info["what"] == "query":
            data = {"result": [] if "code" in request.query["query"] else list(self.calls)}
        else:
            low, high = float(request.query["start"]), float(request.query["end"])
            name = json.loads(request.query["query"].removeprefix("{__name__=").removesuffix("}"))
            found = [each for each in self.series if each["metric"]["__name__"] == name]
            result = [
                {**each, "values": [list(pair) for pair in each["values"] if low <= pair[0] <= high]} for each in found
            ]
            data = {"result": result}
        return web.json_response({"status": "success", "data": data})

    async def _records(self, request: web.Request) -> web.Response:
        low, high = request.query.get("from", ""), request.query["to"]
        rows = [row for row in self.records.get(request.query["stream"], ()) if low <= row["time"] < high]
        return web.Response(text="".join(json.dumps(row) + "\n" for row in rows))

    async def _kube_system(self, _request: web.Request) -> web.Response:
        return web.json_response({"metadata": {"uid": "here"}})

    async def _experiments(self, _request: web.Request) -> web.Response:
        return web.json_response({"items": list(self.experiments)})

    async def _missing(self, _request: web.Request) -> web.Response:
        body = {"kind": "Status", "code": 404, "reason": "NotFound", "message": 'services "prometheus" not found'}
        return web.json_response(body, status=404)
