"""What is wrong with a Secret under fault: of the form that it had, so that only its meaning is another."""

import base64
import re
from datetime import UTC, datetime
from random import Random
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from hypothesis import given
from hypothesis import strategies as st

from firedrill.api.changes import ObjectDeleted, ObjectEdited, PasswordChanged, VaultRef
from firedrill.api.faults.union import Fault
from firedrill.engines.chaos import editing, sealing
from firedrill.engines.chaos.faults.fields import wishes
from firedrill.engines.chaos.faults.template import Setting
from firedrill.runner.data.verifiers import unmatched_verifier
from support.certificates import self_signed

Object = dict[str, Any]
REF = VaultRef(namespace="firedrill", secret="firedrill-vault-secret", key="k")
#: Bytes that are no text in UTF-8.
NO_TEXT = st.binary(min_size=12).map(lambda each: b"\xff" + each)


def set_by(fault: Object, body: Object, seed: int = 1) -> dict[str, bytes]:
    chosen = Fault.model_validate(fault).chosen
    found = wishes(chosen, body, Setting("run1", "i", Random(seed)))
    return {wish.path[-1]: base64.b64decode(wish.value) for wish in found}


def secret(kind: str = "Opaque", **data: bytes) -> Object:
    values = {key.replace("_", "."): base64.b64encode(value).decode() for key, value in data.items()}
    return {"kind": "Secret", "type": kind, "metadata": {"resourceVersion": "1"}, "data": values}


@given(value=st.one_of(st.from_regex(r"[a-zA-Z0-9]{1,40}", fullmatch=True).map(str.encode), NO_TEXT))
def test_a_rotated_value_is_another_of_the_same_length(value: bytes) -> None:
    (wrong,) = set_by({"secretRotate": {"name": "a", "key": "token"}}, secret(token=value)).values()
    assert wrong != value
    assert len(wrong) == len(value)


def test_a_rotated_value_keeps_its_form() -> None:
    before = b"postgres://shop:Secret-42@db:5432/shop"
    (wrong,) = set_by({"secretRotate": {"name": "a", "key": "url"}}, secret(url=before)).values()

    def form(text: bytes) -> str:
        kinds = ((str.islower, "a"), (str.isupper, "A"), (str.isdigit, "0"))
        return "".join(next((sign for test, sign in kinds if test(each)), each) for each in text.decode())

    assert form(wrong) == form(before)


@pytest.mark.parametrize(
    ("flaw", "expired", "names"), [("Expired", True, ["shop.example"]), ("WrongHost", False, None)]
)
def test_a_flawed_certificate_is_wrong_in_one_thing(flaw: str, expired: bool, names: Any) -> None:
    now = datetime.now(UTC)
    body = secret("kubernetes.io/tls", **dict(zip(("tls_crt", "tls_key"), self_signed("shop.example"), strict=True)))
    found = set_by({"certificateSecretExpired": {"name": "a", "flaw": flaw}}, body)
    certificate = x509.load_pem_x509_certificate(found["tls.crt"])
    assert (certificate.not_valid_after_utc < now) == expired
    alternatives = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    hosts = alternatives.get_values_for_type(x509.DNSName)
    assert hosts == names if names else "shop.example" not in hosts
    key = serialization.load_pem_private_key(found["tls.key"], password=None)
    assert key.public_key() == certificate.public_key(), "a server starts with it"


@pytest.mark.parametrize(
    "change",
    [
        ObjectDeleted(namespace="a", name="b", api="v1", plural="secrets", kind="Secret", body={"data": {"k": "djE="}}),
        ObjectEdited(
            namespace="a",
            name="b",
            api="v1",
            plural="secrets",
            kind="Secret",
            edits=[editing.edit({"data": {"k": "djE="}}, editing.Wish(("data", "k"), "djI="))],
        ),
    ],
)
def test_a_sealed_change_holds_no_value_and_opens_to_what_it_was(change: Any) -> None:
    sealed = sealing.sealed(change, REF)
    text = sealed.model_dump_json()
    assert "djE=" not in text
    assert "djI=" not in text
    opened = sealing.opened(sealed, sealing.values_of(change))
    assert opened.model_copy(update={"kept_in": None}) == change


def test_a_verifier_leaves_a_change_and_comes_back_to_it() -> None:
    where = {"namespace": "payments", "name": "db", "port": 5432, "application": "a", "role": "app"}
    change = PasswordChanged(**where, original="before", value="ours")  # type: ignore[arg-type]
    closed = sealing.sealed(change, REF)
    assert "before" not in closed.model_dump_json()
    assert "ours" not in closed.model_dump_json()
    assert "before" not in repr(change)
    assert sealing.opened(closed, sealing.values_of(change)) == change.model_copy(update={"kept_in": REF})


def test_no_two_verifiers_are_alike() -> None:
    made = {unmatched_verifier() for _ in range(20)}
    assert len(made) == 20
    assert all(re.fullmatch(r"SCRAM-SHA-256\$4096:[\w+/=]{24}\$[\w+/=]{44}:[\w+/=]{44}", each) for each in made)
