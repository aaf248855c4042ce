"""``firedrill isolate``: rules that drop, and a canary that tells the truth."""

import json
import socket
from collections.abc import Sequence
from pathlib import Path

import pytest

from firedrill.runner.fixing import isolate


class FakeNft:
    """nft with one table."""

    def __init__(self, *, fails: str = "", listing: str = "policy drop;") -> None:
        self.there, self.fails, self.listing = False, fails, listing
        self.scripts: list[str] = []

    def __call__(self, arguments: Sequence[str], stdin: str) -> tuple[int, str, str]:
        if list(arguments) == ["-f", "-"]:
            if self.fails:
                return 1, "", self.fails
            self.scripts.append(stdin)
            self.there = True
            return 0, "", ""
        return (0, self.listing, "") if self.there else (1, "", "No such file or directory")


@pytest.mark.parametrize(
    ("nft", "code", "said"),
    [
        (FakeNft(), 0, "firedrill_sandbox"),
        (FakeNft(fails="Operation not permitted"), 1, "Operation not permitted"),
        (FakeNft(listing="policy accept;"), 1, "do not drop"),
    ],
)
def test_rules_are_installed_and_seen(nft: FakeNft, code: int, said: str, tmp_path: Path) -> None:
    log = tmp_path / "log"
    assert isolate.main(["--termination-log", str(log)], nft) == code
    assert said in log.read_text()


def test_a_second_start_finds_the_rules_in_place(tmp_path: Path) -> None:
    nft = FakeNft()
    for _ in range(2):
        assert isolate.main(["--termination-log", str(tmp_path / "log")], nft) == 0
    assert len(nft.scripts) == 1


def test_the_rules_drop_all_but_loopback_and_answers() -> None:
    assert "policy drop" in isolate.RULES
    accepting = [line.strip() for line in isolate.RULES.splitlines() if "accept" in line]
    assert [line.split()[0] for line in accepting] == ["oifname", "ct", "icmpv6"]


@pytest.mark.parametrize(("reached", "code"), [(False, 0), (True, 1)])
def test_a_canary_that_connects_fails(reached: bool, code: int, tmp_path: Path) -> None:
    log = tmp_path / "log"
    arguments = ["--termination-log", str(log), "--canary", "10.0.0.1:443", "[fd00::1]:80"]
    assert isolate.main(arguments, connect=lambda host, port, timeout: (reached, "x")) == code
    attempts = json.loads(log.read_text())["attempts"]
    assert [(item["address"], item["connected"]) for item in attempts] == [
        ("10.0.0.1:443", reached), ("[fd00::1]:80", reached),
    ]  # fmt: skip


@pytest.mark.parametrize("address", ["kubernetes.default:443", "10.0.0.1", "10.0.0.1:0", "10.0.0.1:x", ":80"])
def test_an_address_that_is_none_is_refused(address: str, tmp_path: Path) -> None:
    log = tmp_path / "log"
    assert isolate.main(["--termination-log", str(log), "--canary", address]) == 1
    assert "error" in json.loads(log.read_text())


def test_a_connection_and_a_refusal_both_count_as_reached() -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        port = server.getsockname()[1]
        assert isolate.dial("127.0.0.1", port, 1)[0]  # not listening: refused, but answered
        server.listen()
        assert isolate.dial("127.0.0.1", port, 1)[0]
