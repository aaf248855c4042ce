"""What runs in the ephemeral container: its proofs, its refusals, its exit codes."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from chaos_kernel import Netns

from firedrill.runner import netfault
from firedrill.runner.container import PROOF_BYTES, proof_of, proof_text

INJECT = ["inject", "--table", "firedrill_a", "--port", "80", "--percent", "50", "--seconds", "9", "--not-after", "100"]
UNDO = ["undo", "--table", "firedrill_a"]


class Container:
    """A network namespace, a clock and a termination log."""

    def __init__(self, folder: Path) -> None:
        self.now = 50.0
        self.netns = Netns(lambda: self.now)
        self._log = folder / "termination-log"

    def run(self, arguments: list[str]) -> tuple[int, dict[str, Any]]:
        code = netfault.main(["--termination-log", str(self._log), *arguments], self.netns.nft, lambda: self.now)
        # What is left of it in a pod with as many containers as there may be.
        return code, proof_of(self._log.read_text()[:PROOF_BYTES])


@pytest.fixture
def container(tmp_path: Path) -> Container:
    return Container(tmp_path)


def test_inject_and_undo_prove_what_they_did(container: Container) -> None:
    code, proof = container.run(INJECT)
    assert code == netfault.DONE
    assert (proof["table"], proof["at"], proof["rules"]) == ("firedrill_a", 50.0, 2)
    container.netns.tables["firedrill_a"].dropped = 7
    code, proof = container.run(UNDO)
    assert code == netfault.DONE
    assert (proof["found"], proof["dropped"], proof["remaining"]) == (True, 7, [])
    assert container.netns.tables == {}


def test_injecting_twice_does_not_prolong_it(container: Container) -> None:
    container.run(INJECT)
    container.now = 58
    code, proof = container.run(INJECT)
    assert (code, proof["wasThere"]) == (netfault.DONE, True)
    assert container.netns.tables["firedrill_a"].expires == 59


def test_too_late_is_not_at_all(container: Container) -> None:
    container.now = 100.1
    code, proof = container.run(INJECT)
    assert code == netfault.TOO_LATE
    assert "too late" in proof["refused"]
    assert container.netns.tables == {}


def test_undoing_nothing_is_done(container: Container) -> None:
    code, proof = container.run(UNDO)
    assert (code, proof["found"], proof["remaining"]) == (netfault.DONE, False, [])


def test_tables_of_other_runs_are_told_and_left(container: Container) -> None:
    container.run(INJECT)
    container.run([*INJECT[:2], "firedrill_b", *INJECT[3:]])
    code, proof = container.run(UNDO)
    assert (code, proof["remaining"]) == (netfault.DONE, ["firedrill_b"])


def test_what_nft_says_is_handed_on(container: Container) -> None:
    container.netns.nft = lambda _arguments, _stdin: (1, "", "Error: Operation not permitted")  # type: ignore[method-assign]
    code, proof = container.run(INJECT)
    assert (code, proof["error"]) == (netfault.FAILED, "Error: Operation not permitted")


def test_a_wrong_table_is_an_error(container: Container) -> None:
    container.netns.tables["filter"] = container.netns.tables.get("x")  # type: ignore[assignment]
    code, proof = container.run(["inject", "--table", "filter", *INJECT[3:]])
    assert code == netfault.FAILED
    assert "table must be" in proof["error"]


def test_it_imports_the_standard_library_alone() -> None:
    program = (
        "import sys; import firedrill.runner.netfault; "
        "print([m for m in ('pydantic', 'aiohttp', 'kubernetes', 'yaml', 'asyncio') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_listing_comes_after_the_proof_and_may_be_cut() -> None:
    text = proof_text({"table": "a", "rules": 2, "listing": "table inet a {\n  chain in\n}"})
    assert proof_of(text) == {"table": "a", "rules": 2, "listing": "table inet a {\n  chain in\n}"}
    assert proof_of(text[:29]) == {"table": "a", "rules": 2, "listing": "table"}


@pytest.mark.parametrize("message", ["", "no proof", "[]", '{"table":"firedrill_a","ru', "\n{}"])
def test_what_was_cut_or_is_no_proof_proves_nothing(message: str) -> None:
    assert proof_of(message) == {}
