from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID, NameOID

from firedrill.lab.certs import Authority, write_service_account_key
from firedrill.lab.kubeconfig import Access, document, pick


def load(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())


def test_a_signed_certificate_names_its_user_and_chains(tmp_path: Path) -> None:
    authority = Authority(tmp_path, "ca")
    pair = authority.sign("admin", "someone", "system:masters")
    certificate = load(pair.cert)
    certificate.verify_directly_issued_by(load(authority.files.cert))
    subject = certificate.subject
    assert subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value == "someone"
    assert subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)[0].value == "system:masters"
    usage = certificate.extensions.get_extension_for_oid(ExtensionOID.EXTENDED_KEY_USAGE).value
    assert isinstance(usage, x509.ExtendedKeyUsage)
    assert list(usage) == [ExtendedKeyUsageOID.CLIENT_AUTH]


def test_a_server_certificate_carries_names_and_addresses(tmp_path: Path) -> None:
    pair = Authority(tmp_path, "ca").sign("api", "kube-apiserver", server_names=("kubernetes", "10.208.0.10"))
    names = load(pair.cert).extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["kubernetes"]
    assert [str(address) for address in names.get_values_for_type(x509.IPAddress)] == ["10.208.0.10"]


def test_keys_are_their_owners_alone_and_fit_their_certificates(tmp_path: Path) -> None:
    pair = Authority(tmp_path, "ca").sign("admin", "someone")
    assert pair.key.stat().st_mode & 0o077 == 0
    key = load_pem_private_key(pair.key.read_bytes(), None)
    assert key.public_key() == load(pair.cert).public_key()


def test_the_service_account_key_has_its_public_half(tmp_path: Path) -> None:
    pair = write_service_account_key(tmp_path)
    private = load_pem_private_key(pair.key.read_bytes(), None)
    assert private.public_key() == load_pem_public_key(pair.cert.read_bytes())


def test_a_kubeconfig_holds_all_it_needs(tmp_path: Path) -> None:
    authority = Authority(tmp_path, "ca")
    user = authority.sign("admin", "someone")
    accesses = [
        Access(f"firedrill-{name}", f"https://{name}:6443", authority.files.cert, user) for name in ("hub", "iot")
    ]
    content = document(accesses)
    assert content["current-context"] == "firedrill-hub"
    assert str(tmp_path) not in str(content)
    picked = pick(content, {"firedrill-finance": "firedrill-iot"})
    assert [entry["name"] for entry in picked["clusters"]] == ["firedrill-finance"]
    assert picked["clusters"][0]["cluster"]["server"] == "https://iot:6443"
    assert picked["contexts"][0]["context"] == {"cluster": "firedrill-finance", "user": "firedrill-finance"}
