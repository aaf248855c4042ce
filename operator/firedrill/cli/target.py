"""``firedrill target add``: tells a hub of a target, with the credentials that the chart made there."""

import argparse
import asyncio
import base64
import json
import sys
from typing import Any

from firedrill.api.errors import InvalidInput
from firedrill.api.kinds import TARGET_CLUSTER
from firedrill.api.meta import API_VERSION
from firedrill.api.resource import parse_spec
from firedrill.api.targetcluster import TargetClusterSpec
from firedrill.clusters import paths
from firedrill.clusters.client import APPLY_PATCH, KubeClient
from firedrill.clusters.credentials import api_from_environment
from firedrill.clusters.errors import ClusterError, NotFound

_TOKEN_SECRET = "firedrill-operator-token"  # noqa: S105 - the name of a Secret
_TOKEN_TRIES = 30


def parser(prog: str) -> argparse.ArgumentParser:
    """Arguments of the command."""
    made = argparse.ArgumentParser(prog=prog, description=__doc__)
    actions = made.add_subparsers(dest="action", required=True)
    add = actions.add_parser("add", help="add or update a TargetCluster and its Secret on the hub")
    add.add_argument("name", help="name of the TargetCluster")
    add.add_argument("--context", required=True, help="context of the target in the kubeconfig")
    add.add_argument("--hub-context", help="context of the hub; else the current one")
    add.add_argument("--namespace", default="firedrill-system", help="namespace of the operator on the hub")
    add.add_argument("--target-namespace", default="firedrill", help="namespace of Firedrill in the target")
    add.add_argument("--server", help="address of the target's API server as the hub reaches it")
    add.add_argument("--label", action="append", default=[], metavar="KEY=VALUE", help="label, such as industry=iot")
    add.add_argument("--fault-family", action="append", default=[], help="fault family that may be injected")
    return made


def main(argv: list[str]) -> int:
    """Run the command; 0, or 64 for wrong input, 3 for a cluster that refuses."""
    args = parser("firedrill target").parse_args(argv)
    try:
        asyncio.run(_add(args))
    except InvalidInput as error:
        sys.stderr.write(f"firedrill target: {error}\n")
        return 64
    except ClusterError as error:
        sys.stderr.write(f"firedrill target: {error}\n")
        return 3
    return 0


async def _add(args: argparse.Namespace) -> None:
    labels = _labels(args.label)
    spec = {
        "secretRef": {"name": f"target-{args.name}"},
        "runnerNamespace": args.target_namespace,
        "policy": {"faultFamilies": args.fault_family},
    }
    parse_spec(TargetClusterSpec, spec)
    target = KubeClient(await api_from_environment(args.context), args.name)
    try:
        hub = KubeClient(await api_from_environment(args.hub_context), "hub")
        try:
            secret = await _credentials(target, args)
            await _apply(hub, paths.path("v1", "secrets", args.namespace, secret["metadata"]["name"]), secret)
            body = {
                "apiVersion": API_VERSION,
                "kind": TARGET_CLUSTER.name,
                "metadata": {"name": args.name, "labels": labels},
                "spec": spec,
            }
            await _apply(hub, paths.firedrill(TARGET_CLUSTER.plural, name=args.name), body)
        finally:
            await hub.close()
    finally:
        await target.close()
    sys.stdout.write(f"targetcluster.firedrill.dev/{args.name} applied\n")


def _labels(pairs: list[str]) -> dict[str, str]:
    labels = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key:
            raise InvalidInput(f"--label {pair}: write it like industry=finance")
        labels[key] = value
    return labels


async def _credentials(target: KubeClient, args: argparse.Namespace) -> dict[str, Any]:
    """The token in the form of an Argo CD cluster Secret."""
    data = await _token(target, args.target_namespace)
    config = {"bearerToken": base64.b64decode(data["token"]).decode(), "tlsClientConfig": {"caData": data["ca.crt"]}}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": f"target-{args.name}", "namespace": args.namespace},
        "stringData": {"name": args.name, "server": args.server or target.server, "config": json.dumps(config)},
    }


async def _token(target: KubeClient, namespace: str) -> dict[str, str]:
    """The token, for which the controller of the target may need a moment after the install."""
    where = paths.path("v1", "secrets", namespace, _TOKEN_SECRET)
    for _ in range(_TOKEN_TRIES):
        try:
            data: dict[str, str] = (await target.get(where)).get("data") or {}
        except NotFound as error:
            raise InvalidInput(
                f"no Secret {namespace}/{_TOKEN_SECRET} in the target: install the chart there with "
                "target.enabled=true and operator.enabled=false"
            ) from error
        if "token" in data:
            return data
        await asyncio.sleep(0.5)
    raise InvalidInput(f"Secret {namespace}/{_TOKEN_SECRET} in the target got no token: is its controller running?")


async def _apply(hub: KubeClient, path: str, body: dict[str, Any]) -> None:
    await hub.patch(path, body, content_type=APPLY_PATCH)
