"""What the faults of Secrets set in them."""

import base64
import string
from datetime import UTC, datetime
from typing import Any, Final

from firedrill.api.faults import secrets
from firedrill.engines.chaos.editing import ABSENT, Wish, read
from firedrill.engines.chaos.faults.template import NotApplicable, Setting

Object = dict[str, Any]

_CERTIFICATE, _KEY = "tls.crt", "tls.key"
#: A character is replaced by another of its kind; what is in none of these stays, so that a form is kept.
_KINDS: Final = (string.ascii_lowercase, string.ascii_uppercase, string.digits)
_EXPIRED: Final = (datetime(2000, 1, 1, tzinfo=UTC), datetime(2000, 2, 1, tzinfo=UTC))
_WRONG_HOST: Final = "wrong-host.firedrill.invalid"
_TRIES: Final = 100


def check_secret(body: Object) -> None:
    """Raise NotApplicable for a Secret that could not be put back, or that is not a person's to change."""
    if body.get("immutable"):
        raise NotApplicable("it is immutable: nothing in it can be changed, and kubelets would not see another")
    if body.get("type") == "kubernetes.io/service-account-token":
        raise NotApplicable("it is a token of a service account, which the control plane would make anew")


def rotated(fault: secrets.SecretRotate, body: Object, setting: Setting) -> list[Wish]:
    """A wrong value of the same form."""
    check_secret(body)
    before = base64.b64decode(_value(body, fault.key))
    for _ in range(_TRIES):
        wrong = _wrong(before, setting)
        if wrong != before:
            return [Wish(("data", fault.key), base64.b64encode(wrong).decode())]
    raise NotApplicable(f"{fault.key} has no letter and no digit that could be another")


def flawed(fault: secrets.CertificateSecretExpired, body: Object, _: Setting) -> list[Wish]:
    """A pair that no client should accept."""
    check_secret(body)
    if body.get("type") != "kubernetes.io/tls":
        raise NotApplicable(f"it is of type {body.get('type') or 'Opaque'}, not kubernetes.io/tls")
    certificate, key = _pair(base64.b64decode(_value(body, _CERTIFICATE)), fault.flaw)
    _value(body, _KEY)
    return [
        Wish(("data", name), base64.b64encode(pem).decode())
        for name, pem in zip((_CERTIFICATE, _KEY), (certificate, key), strict=True)
    ]


def _value(body: Object, key: str) -> str:
    found = read(body, ("data", key))
    if found is ABSENT or not found:
        keys = ", ".join(sorted(body.get("data") or {})) or "none"
        raise NotApplicable(f"it holds nothing at {key}: there is {keys}")
    return str(found)


def _wrong(before: bytes, setting: Setting) -> bytes:
    try:
        text = before.decode()
    except UnicodeDecodeError:
        return setting.random.randbytes(len(before))
    return "".join(_another(each, setting) for each in text).encode()


def _another(character: str, setting: Setting) -> str:
    kind = next((kind for kind in _KINDS if character in kind), "")
    return setting.random.choice(kind) if kind else character


def _pair(original: bytes, flaw: secrets.CertificateFlaw) -> tuple[bytes, bytes]:
    # Late: no other fault needs it, and it takes a while to load.
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    try:
        before = x509.load_pem_x509_certificates(original)[0]
    except ValueError as error:
        raise NotApplicable(f"{_CERTIFICATE} is no certificate in PEM") from error
    expired = flaw is secrets.CertificateFlaw.EXPIRED
    begins, ends = _EXPIRED if expired else (before.not_valid_before_utc, before.not_valid_after_utc)
    name = x509.Name([x509.NameAttribute(x509.oid.NameOID.COMMON_NAME, _WRONG_HOST)])
    subject = before.subject if expired else name
    key = ec.generate_private_key(ec.SECP256R1())
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(ends)
    )
    hosts = x509.SubjectAlternativeName([x509.DNSName(_WRONG_HOST)])
    if expired:
        try:
            hosts = before.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        except x509.ExtensionNotFound:
            hosts = x509.SubjectAlternativeName([])
    if len(list(hosts)):
        builder = builder.add_extension(hosts, critical=False)
    plain = serialization.NoEncryption()
    return (
        builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM),
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain),
    )
