"""An application that is not run, with all that a fault can be put in: objects for the API server."""

from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from firedrill.api.meta import LABEL_OPT_IN

Object = dict[str, Any]
PASSWORD: Final = "Correct-horse-0815"  # noqa: S105 - of a system that does not exist
LABELS: Final = {"app": "shop"}
#: The only one that could be pulled.
IMAGE: Final = "shop:1"
#: So many pods are said to be on one node.
NODE_PODS: Final = 100
_RBAC: Final = "rbac.authorization.k8s.io"


def node_of(namespace: str, index: int) -> str:
    """Name of the node that the pod of that place is said to be on."""
    return f"{namespace}-{index // NODE_PODS}"


def objects_of(namespace: str, pods: int) -> list[Object]:
    """The namespace and all in it, in an order in which it can be created; of the Deployment so many pods."""
    meta = {"name": "shop", "namespace": namespace}
    container = {"name": "app", "image": IMAGE, "env": [{"name": "MODE", "value": "ok"}]}
    template = {"metadata": {"labels": LABELS}, "spec": {"containers": [container]}}
    deployment = {"replicas": pods, "selector": {"matchLabels": LABELS}, "template": template}
    scaled = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "shop"}
    role = {"apiGroup": _RBAC, "kind": "Role", "name": "shop"}
    account = {"kind": "ServiceAccount", "name": "default", "namespace": namespace}
    rules = [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]
    certificate, key = _certificate()
    return [
        _object("v1", "Namespace", {"name": namespace, "labels": {LABEL_OPT_IN: "enabled"}}),
        _object("v1", "ConfigMap", meta, data={"mode": "ok"}),
        _object("v1", "ConfigMap", {**meta, "name": "flags"}, data={"flags.json": '{"flags": []}'}),
        _object("v1", "Secret", meta, stringData={"password": PASSWORD}),
        _object(
            "v1",
            "Secret",
            {**meta, "name": "shop-tls"},
            type="kubernetes.io/tls",
            stringData={"tls.crt": certificate, "tls.key": key},
        ),
        _object("v1", "Service", meta, spec={"selector": LABELS, "ports": [{"port": 80, "targetPort": 8080}]}),
        _object(f"{_RBAC}/v1", "Role", meta, rules=rules),
        _object(f"{_RBAC}/v1", "RoleBinding", meta, roleRef=role, subjects=[account]),
        _object("apps/v1", "Deployment", meta, spec=deployment),
        _object(
            "autoscaling/v2",
            "HorizontalPodAutoscaler",
            meta,
            # Of pods that nobody runs there are no metrics: it leaves them as many as they are.
            spec={"scaleTargetRef": scaled, "minReplicas": pods, "maxReplicas": pods + 9},
        ),
    ]


def _object(api: str, kind: str, metadata: Object, **fields: Any) -> Object:
    return {"apiVersion": api, "kind": kind, "metadata": metadata, **fields}


@cache
def _certificate() -> tuple[str, str]:
    """A certificate that is its own authority, and its key, in PEM."""
    now, key = datetime.now(UTC), ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "shop")])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(now).not_valid_after(now + timedelta(days=9))
    names = x509.SubjectAlternativeName([x509.DNSName("shop")])
    signed = builder.add_extension(names, critical=False).sign(key, hashes.SHA256())
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain)
    return signed.public_bytes(pem).decode(), private.decode()
