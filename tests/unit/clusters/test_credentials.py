"""Credentials of a target: both forms of a Secret, and what is wrong with others."""

import base64
import json
import sys
from pathlib import Path

import pytest

from firedrill.api.errors import InvalidInput
from firedrill.clusters.credentials import api_from_environment, api_from_secret

KUBECONFIG = json.dumps(
    {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "x",
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": {"server": "https://api.example:6443"}}],
        "users": [{"name": "u", "user": {"token": "t"}}],
    }
)


def secret(**data: str) -> dict[str, str]:
    return {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}


def argo(**config: object) -> dict[str, str]:
    return secret(server="https://api.example:6443", config=json.dumps(config))


@pytest.mark.parametrize(
    ("data", "verified", "name"),
    [
        (secret(kubeconfig=KUBECONFIG), True, None),
        (argo(bearerToken="t"), True, None),
        (argo(bearerToken="t\n"), True, None),
        (secret(kubeconfig=KUBECONFIG.replace('"t"', '"t\\n"')), True, None),
        (argo(bearerToken="t", tlsClientConfig={"insecure": True}), False, None),
        (argo(bearerToken="t", tlsClientConfig={"serverName": "inside"}), True, "inside"),
    ],
    ids=["kubeconfig", "argo", "argo, a file's", "kubeconfig, a file's", "argo insecure", "argo server name"],
)
async def test_both_forms_are_read(data: dict[str, str], verified: bool, name: str | None) -> None:
    api = await api_from_secret(data)
    try:
        configuration = api.configuration
        assert configuration.host == "https://api.example:6443"
        assert (await configuration.get_api_key_with_prefix("BearerToken")).endswith("t")
        assert (configuration.verify_ssl, configuration.tls_server_name) == (verified, name)
        assert not configuration.retries, "our own queue retries"
    finally:
        await api.close()


@pytest.mark.parametrize(
    ("data", "says"),
    [
        ({}, "needs the key kubeconfig, or the keys server and config"),
        (secret(server="https://x"), "needs the key kubeconfig, or the keys server and config"),
        ({"kubeconfig": "***"}, "not text"),
        (secret(kubeconfig="{"), "kubeconfig can not be read"),
        (secret(kubeconfig="text"), "kubeconfig can not be read"),
        (secret(kubeconfig="{}"), "kubeconfig can not be read"),
        (secret(server="https://x", config="{"), "not that of an Argo CD cluster"),
        (secret(server="https://x", config="[]"), "not that of an Argo CD cluster"),
        (argo(), "no bearerToken"),
        (argo(username="u", password="p"), "no bearerToken"),
        (argo(bearerToken="t", tlsClientConfig={"caData": "***"}), "not that of an Argo CD cluster"),
        (argo(bearerToken="t", tlsClientConfig=7), "not that of an Argo CD cluster"),
        (argo(bearerToken="t", tlsClientConfig={"caData": "bm90IG9uZQ=="}), "certificates or keys can not be read"),
        (argo(bearerToken=7), "no bearerToken"),
        (argo(bearerToken="a\nb"), "no header may hold"),
        (secret(kubeconfig=KUBECONFIG.replace('"server"', '"certificate-authority-data": "x", "server"')), "read"),
        (secret(kubeconfig=KUBECONFIG.replace('"c"', '["c"]')), "kubeconfig can not be read"),
    ],
)
async def test_what_is_wrong_is_named(data: dict[str, str], says: str) -> None:
    with pytest.raises(InvalidInput, match=says):
        await api_from_secret(data)


async def test_the_environment_is_read_when_it_is_asked_for(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("k") / "config"
    path.write_text(KUBECONFIG)
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    monkeypatch.setenv("KUBECONFIG", str(path))
    api = await api_from_environment()
    assert api.configuration.host == "https://api.example:6443"
    await api.close()
    monkeypatch.setenv("KUBECONFIG", str(path.with_name("missing")))
    with pytest.raises(InvalidInput, match="set KUBECONFIG"):
        await api_from_environment()


async def test_what_a_plugin_gave_is_asked_for_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    plugin = tmp_path / "plugin"
    plugin.write_text(
        f"#!{sys.executable}\nfrom pathlib import Path\nimport json\n"
        f"path = Path({str(tmp_path / 'count')!r})\n"
        "count = int(path.read_text()) + 1 if path.exists() else 1\n"
        "path.write_text(str(count))\n"
        "kind = {'apiVersion': 'client.authentication.k8s.io/v1', 'kind': 'ExecCredential'}\n"
        "print(json.dumps({**kind, 'status': {'token': f't{count}'}}))\n"
    )
    plugin.chmod(0o755)
    kind = "client.authentication.k8s.io/v1"
    user = {"exec": {"apiVersion": kind, "command": str(plugin), "interactiveMode": "Never"}}
    body = {**json.loads(KUBECONFIG), "users": [{"name": "u", "user": user}]}
    api = await api_from_secret(secret(kubeconfig=json.dumps(body)))
    try:
        assert (await api.configuration.get_api_key_with_prefix("BearerToken")).endswith("t1")
        monkeypatch.setattr("firedrill.clusters.credentials._TOKEN_SECONDS", 0.0)
        assert (await api.configuration.get_api_key_with_prefix("BearerToken")).endswith("t2")
        plugin.unlink()
        assert (await api.configuration.get_api_key_with_prefix("BearerToken")).endswith("t2"), "the last one is kept"
    finally:
        await api.close()
