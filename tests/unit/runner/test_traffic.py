"""Traffic that is led another way: what is said to the kernel, in which order, and what is left when a step fails."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from firedrill.runner import netfault, shaping
from firedrill.runner.container import PROOF_BYTES, Tools, proof_of
from firedrill.runner.nft_traffic import QUEUE, Redirect, redirect_script, slow_script
from firedrill.runner.shaping import NoSuchQueue, ToolFailed

TABLE, HOLDER = "firedrill_a", "firedrill_a_1"
TIMES = ["--table", TABLE, "--seconds", "9", "--not-after", "100"]
PROXY = ["--holder", HOLDER, "--to", "28100"]
DELAY = ["delay", *TIMES, "--port", "80", *PROXY, "--delay-ms", "300", "--jitter-ms", "50"]
REDIRECT = ["redirect", *TIMES, "--port", "80", *PROXY]
NAMES = ["redirect", *TIMES, *PROXY, "--user", "64321"]
LIMIT = ["limit", *TIMES, "--port", "80", "--rate", "1000000"]
UNKNOWN = "Error: Specified qdisc kind is unknown."


@dataclass
class Kernel:
    """A pod's network, as far as the tools say what is in it."""

    queues_known: tuple[str, ...] = ("htb",)
    root: str = ""
    holder: bool = True
    nft_fails: bool = False
    tables: list[str] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    scripts: list[str] = field(default_factory=list)

    def nft(self, arguments: Sequence[str], stdin: str) -> tuple[int, str, str]:
        match list(arguments):
            case ["-f", "-"]:
                if self.nft_fails:
                    return 1, "", "Error: no"
                self.calls.append("nft")
                self.scripts.append(stdin)
                self.tables = [] if stdin.startswith("delete") else [TABLE]
                return 0, "", ""
            case ["-j", "list", "tables"]:
                return 0, json.dumps({"nftables": [{"table": {"name": name}} for name in self.tables]}), ""
            case ["-j", "list", "table", *_]:
                items = [{"rule": {}}, {"counter": {"name": "dropped", "packets": 3}}, {"set": {"elem": [1, 2]}}]
                return 0, json.dumps({"nftables": items}), ""
        return 0, f"table inet {TABLE}", ""

    def tc(self, arguments: Sequence[str], _stdin: str) -> tuple[int, str, str]:
        if "show" in arguments:
            queue = [{"dev": "eth0", "root": True, "handle": self.root or "0:"}]
            return 0, json.dumps(queue), ""
        self.calls.append(f"tc {' '.join(arguments[:2])}")
        for kind in ("htb", "netem"):
            if arguments[:2] == ["qdisc", "add"] and kind in arguments and kind not in self.queues_known:
                return 2, "", UNKNOWN
        if arguments[:2] == ["qdisc", "add"] and "root" in arguments:
            self.root = QUEUE
        if arguments[:2] == ["qdisc", "del"]:
            self.root = ""
        return 0, "", ""

    def ip(self, arguments: Sequence[str], _stdin: str) -> tuple[int, str, str]:
        return 0, json.dumps([{"dev": "eth0"}] if "-6" not in arguments else []), ""

    def podfault(self, arguments: Sequence[str], _stdin: str) -> tuple[int, str, str]:
        self.calls.append(f"podfault {arguments[0]}{' begin' if '--seconds' in arguments else ''}")
        if arguments[0] == "undo":
            proof = {"found": self.holder, "remaining": [], "counted": {"hits": 8}}
            self.holder = False
            return 0, json.dumps(proof), ""
        return (0, "{}", "") if self.holder else (1, "", "no holder is ready")

    def run(self, arguments: list[str], folder: Path, now: float = 50.0) -> tuple[int, dict[str, Any]]:
        log = folder / "log"
        tools = Tools(self.nft, self.tc, self.ip, self.podfault)
        code = netfault.main(["--termination-log", str(log), *arguments], self.nft, lambda: now, tools)
        # What is left of it in a pod with as many containers as there may be.
        return code, proof_of(log.read_text()[:PROOF_BYTES])


def test_a_port_is_redirected_once_its_proxy_is_ready(tmp_path: Path) -> None:
    kernel = Kernel()
    code, proof = kernel.run(REDIRECT, tmp_path)
    assert (code, proof["way"], proof["rules"]) == (netfault.DONE, "redirect to a proxy", 1)
    assert kernel.calls == ["podfault ask", "podfault ask begin", "nft"]
    (script,) = kernel.scripts
    assert 'iifname != "lo" tcp dport 80 ip saddr @on4 counter name dropped redirect to :28100;' in script
    assert script.count("timeout 9000ms") == 4


def test_names_are_asked_of_the_proxy_but_for_what_it_asks_itself(tmp_path: Path) -> None:
    kernel = Kernel()
    assert kernel.run(NAMES, tmp_path)[0] == netfault.DONE
    assert "hook output" in kernel.scripts[0]
    assert "th dport 53 meta skuid != 64321 ip daddr @on4" in kernel.scripts[0]


@pytest.mark.parametrize("arguments", [REDIRECT, DELAY, NAMES], ids=["port", "delay", "names"])
def test_without_a_proxy_nothing_is_put_in_place(arguments: list[str], tmp_path: Path) -> None:
    kernel = Kernel(holder=False)
    code, proof = kernel.run(arguments, tmp_path)
    assert code == netfault.FAILED
    assert "no holder is ready" in proof["error"]
    assert (kernel.tables, kernel.root) == ([], "")


def test_a_kernel_with_netem_delays_by_itself_and_the_proxy_goes(tmp_path: Path) -> None:
    kernel = Kernel(queues_known=("htb", "netem"))
    code, proof = kernel.run(DELAY, tmp_path)
    assert (code, proof["way"]) == (netfault.DONE, "netem at eth0")
    assert (kernel.root, kernel.holder) == (QUEUE, False)
    assert 'tcp sport 80 ip daddr @on4 counter name dropped meta priority set "fd1d:1";' in kernel.scripts[0]


def test_a_kernel_without_netem_is_left_without_a_queue(tmp_path: Path) -> None:
    kernel = Kernel()
    code, proof = kernel.run(DELAY, tmp_path)
    assert (code, proof["way"]) == (netfault.DONE, "redirect to a proxy")
    assert kernel.root == ""


@pytest.mark.parametrize(
    ("kernel", "says"),
    [
        (Kernel(root="8001:"), "has a queue 8001: already"),
        (Kernel(queues_known=()), "qdisc kind is unknown"),
        (Kernel(nft_fails=True), "Error: no"),
    ],
    ids=["somebody's queue", "no htb", "nft refuses"],
)
def test_a_limit_that_can_not_be_put_in_place_leaves_nothing(kernel: Kernel, says: str, tmp_path: Path) -> None:
    before = kernel.root
    code, proof = kernel.run(LIMIT, tmp_path)
    assert code == netfault.FAILED
    assert says in proof["error"]
    assert (kernel.root, kernel.tables) == (before, [])


@pytest.mark.parametrize("arguments", [LIMIT, REDIRECT, DELAY], ids=["limit", "redirect", "delay"])
def test_too_late_is_not_at_all(arguments: list[str], tmp_path: Path) -> None:
    kernel = Kernel()
    code, proof = kernel.run(arguments, tmp_path, now=100.1)
    assert (code, kernel.calls) == (netfault.TOO_LATE, [])
    assert "too late" in proof["refused"]


@pytest.mark.parametrize(("arguments", "hits"), [(REDIRECT, 8), (LIMIT, 8)], ids=["redirect", "limit"])
def test_undoing_takes_table_queue_and_proxy(arguments: list[str], hits: int, tmp_path: Path) -> None:
    kernel = Kernel()
    kernel.run(arguments, tmp_path)
    code, proof = kernel.run(["undo", "--table", TABLE, "--holder", HOLDER], tmp_path)
    assert (code, proof["remaining"], proof["hits"]) == (netfault.DONE, [], hits)
    assert (kernel.tables, kernel.root, kernel.holder) == ([], "", False)


def test_a_queue_of_somebody_else_is_left_by_undoing(tmp_path: Path) -> None:
    kernel = Kernel(root="8001:")
    assert kernel.run(["undo", "--table", TABLE, "--holder", ""], tmp_path)[0] == netfault.DONE
    assert kernel.root == "8001:"


def test_wrong_fields_are_named() -> None:
    with pytest.raises(ValueError, match="port must be 1 to 65535"):
        Redirect(TABLE, 9, 28100, 0)
    with pytest.raises(ValueError, match="to must be"):
        Redirect(TABLE, 9, 70000, 80)
    with pytest.raises(ValueError, match="user must be"):
        Redirect(TABLE, 9, 28100)
    with pytest.raises(ValueError, match="table must be"):
        redirect_script(Redirect("filter", 9, 28100, 80))
    with pytest.raises(ValueError, match="seconds must be"):
        slow_script(TABLE, 0, 80)
    with pytest.raises(ValueError, match="port must be"):
        slow_script(TABLE, 9, 0)


def test_a_missing_kind_of_queue_is_told_from_other_failures() -> None:
    with pytest.raises(NoSuchQueue):
        shaping.ask(lambda *_: (2, "", UNKNOWN), "tc", [])
    with pytest.raises(ToolFailed, match="RTNETLINK"):
        shaping.ask(lambda *_: (2, "", "RTNETLINK answers: File exists"), "tc", [])
