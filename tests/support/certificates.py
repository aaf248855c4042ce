"""Certificates of systems that do not exist."""

from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec


def self_signed(*hosts: str) -> tuple[bytes, bytes]:
    """A certificate for these hosts that is its own authority, and its key, in PEM."""
    now = datetime.now(UTC)
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.oid.NameOID.COMMON_NAME, hosts[0])])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = (
        builder.serial_number(1).not_valid_before(now - timedelta(hours=1)).not_valid_after(now + timedelta(days=9))
    )
    names = x509.SubjectAlternativeName([x509.DNSName(host) for host in hosts])
    constraints = x509.BasicConstraints(ca=True, path_length=0)
    builder = builder.add_extension(names, critical=False).add_extension(constraints, critical=True)
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    certificate = builder.sign(key, hashes.SHA256()).public_bytes(pem)
    return certificate, key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain)
