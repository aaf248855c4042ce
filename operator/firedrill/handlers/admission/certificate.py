"""The certificate of admission: made by its own pods, kept in a Secret that they share, renewed before it ends."""

import base64
import ipaddress
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from firedrill.api.meta import STAMP_KEY, WEBHOOK_SECRET
from firedrill.clusters import paths
from firedrill.clusters.client import JSON_PATCH, KubeClient
from firedrill.clusters.errors import Conflict, Invalid, NotFound

Object = dict[str, Any]

LIFETIME: Final = timedelta(days=365)
#: It is renewed when less than this is left.
RENEW_BEFORE: Final = timedelta(days=30)
#: A clock that was set back must not make it "not yet valid".
_BACKDATED: Final = timedelta(hours=1)
_CERTIFICATE, _KEY = "tls.crt", "tls.key"
_CONFIGURATIONS: Final = ("admissionregistration.k8s.io/v1", "mutatingwebhookconfigurations")


@dataclass(frozen=True)
class Material:
    """What admission serves with, in PEM, and the key of its stamps."""

    certificate: bytes
    key: bytes
    stamp_key: bytes


def make(host: str, now: datetime, stamp_key: bytes = b"") -> Material:
    """A certificate that signs itself, for a host; with a new key for stamps unless one is given."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "firedrill-webhook")])
    names = _names(host)
    usage = x509.KeyUsage(True, False, False, False, False, True, False, False, False)
    signed = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BACKDATED)
        .not_valid_after(now + LIFETIME)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return Material(signed.public_bytes(serialization.Encoding.PEM), private, stamp_key or secrets.token_bytes(32))


def _names(host: str) -> list[x509.GeneralName]:
    try:
        return [x509.IPAddress(ipaddress.ip_address(host))]
    except ValueError:
        return [x509.DNSName(name) for name in (host, f"{host}.cluster.local")]


def is_good(material: Material, host: str, now: datetime) -> bool:
    """Whether it is for this host and lasts for a while."""
    try:
        parsed = x509.load_pem_x509_certificate(material.certificate)
        names = list(parsed.extensions.get_extension_for_class(x509.SubjectAlternativeName).value)
    except (ValueError, x509.ExtensionNotFound):
        return False
    return names == _names(host) and bool(material.key) and parsed.not_valid_after_utc - now > RENEW_BEFORE


class Keeper:
    """Keeps the Secret, and has the API server trust what is in it. Several may do so at once."""

    def __init__(self, hub: KubeClient, namespace: str, host: str, configuration: str) -> None:
        self._hub = hub
        self._namespace = namespace
        self._host = host
        self._configuration = paths.path(*_CONFIGURATIONS, name=configuration)
        self._secret = paths.path("v1", "secrets", namespace, WEBHOOK_SECRET)

    async def material(self) -> Material:
        """What is in the Secret, made or renewed where that is due. Raises ClusterError."""
        while True:
            now = datetime.now(UTC)
            try:
                found = await self._hub.get(self._secret)
            except NotFound:
                found = None
            known = _read(found) if found else None
            if known and known.stamp_key and is_good(known, self._host, now):
                return known
            fresh = make(self._host, now, known.stamp_key if known else b"")
            try:
                await self._write(found, fresh)
            except Conflict:
                continue  # another pod was first
            return fresh

    async def trust(self, material: Material) -> None:
        """Have the API server trust the certificate. Raises ClusterError."""
        found = await self._hub.get(self._configuration)
        bundle = base64.b64encode(material.certificate).decode()
        patch: list[Object] = [
            {"op": "test", "path": "/metadata/resourceVersion", "value": found["metadata"]["resourceVersion"]}
        ]
        patch += [
            {"op": "add", "path": f"/webhooks/{number}/clientConfig/caBundle", "value": bundle}
            for number, hook in enumerate(found.get("webhooks") or ())
            if hook["clientConfig"].get("caBundle") != bundle
        ]
        if len(patch) > 1:
            try:
                await self._hub.patch(self._configuration, patch, content_type=JSON_PATCH)
            except Invalid as error:
                raise Conflict(409, "Conflict", f"the webhook's configuration has changed: {error.message}") from error

    async def _write(self, found: Object | None, fresh: Material) -> None:
        given = {_CERTIFICATE: fresh.certificate, _KEY: fresh.key, STAMP_KEY: fresh.stamp_key}
        data = {name: base64.b64encode(value).decode() for name, value in given.items()}
        if found is None:
            metadata = {"name": WEBHOOK_SECRET, "namespace": self._namespace}
            body = {"apiVersion": "v1", "kind": "Secret", "type": "Opaque", "metadata": metadata, "data": data}
            await self._hub.create(paths.path("v1", "secrets", self._namespace), body)
            return
        version = found["metadata"]["resourceVersion"]
        await self._hub.patch(self._secret, {"metadata": {"resourceVersion": version}, "data": data})


def _read(secret: Object) -> Material:
    data = secret.get("data") or {}
    certificate, key, stamp_key = (base64.b64decode(data.get(name, "")) for name in (_CERTIFICATE, _KEY, STAMP_KEY))
    return Material(certificate, key, stamp_key)
