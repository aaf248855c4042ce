"""Who connects, from what a Secret holds."""

import pytest

from firedrill.sources.login import Login

FULL = {"username": "ann\n", "password": "p\n", "token": "t\n", "ca.crt": "ca"}


@pytest.mark.parametrize(
    ("secret", "username", "expected"),
    [
        (FULL, "", Login("ann", "p", "ca", True, "t")),
        (FULL, "bob", Login("bob", "p", "ca", True, "t")),
        ({"token": "t"}, "", Login(tls=True, token="t")),
        ({}, "", Login(tls=True)),
    ],
    ids=["all, less the end of a line", "a name that is given counts", "a token alone", "nothing"],
)
def test_a_login_is_what_the_secret_has(secret: dict[str, str], username: str, expected: Login) -> None:
    assert Login.of(secret, tls=True, username=username) == expected


def test_what_is_secret_is_not_shown() -> None:
    assert repr(Login.of(FULL, tls=True, username="")) == "Login(username='ann', tls=True)"
