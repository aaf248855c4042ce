"""``firedrill netfault``: runs in an ephemeral container and works on the traffic in its pod's network namespace.

It does one thing, leaves its proof as JSON in the termination message and exits; the kernel keeps the fault and
ends it. Imports nothing but the standard library: it must start at once, also in a pod that is short of memory.

Exit codes: 0 done and proven, 1 failed, 3 refused because it is too late.
"""

import argparse
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from firedrill.runner import nft, traffic
from firedrill.runner.container import TERMINATION_LOG, Nft, Tools, leave_proof, proof_text, run_nft
from firedrill.runner.nft_traffic import QUEUE
from firedrill.runner.shaping import ToolFailed

DONE: Final = 0
FAILED: Final = 1
TOO_LATE: Final = 3

#: A container writes at most 4096 bytes of a termination message.
_LISTING_LIMIT: Final = 2500


class NftFailed(Exception):
    """nft did not do what it was asked; the text is its own message."""


def inject(wanted: nft.Filter, not_after: float, nft_tool: Nft, now: Callable[[], float]) -> tuple[int, dict[str, Any]]:
    """Put the fault in place, unless it is too late or in place already; the proof is what nft lists then."""
    started = now()
    if started > not_after:
        return TOO_LATE, {"action": "inject", "refused": f"started {started - not_after:.1f} s too late"}
    present = wanted.table in nft.our_tables(_ask(nft_tool, ["-j", "list", "tables"]))
    if not present:
        _ask(nft_tool, ["-f", "-"], nft.inject_script(wanted))
    listing = _ask(nft_tool, ["-j", "list", "table", "inet", wanted.table])
    proof = {
        "action": "inject",
        "table": wanted.table,
        "at": round(started if present else now(), 3),
        "seconds": wanted.seconds,
        "rules": nft.rules(listing),
        "elements": nft.live_elements(listing),
        "wasThere": present,
        "listing": _ask(nft_tool, ["list", "table", "inet", wanted.table])[:_LISTING_LIMIT],
    }
    return DONE if proof["rules"] else FAILED, proof


def undo(table: str, nft_tool: Nft, now: Callable[[], float]) -> tuple[int, dict[str, Any]]:
    """Remove the fault if it is there; the proof is the list of our tables that remain, and what was dropped."""
    found = table in nft.our_tables(_ask(nft_tool, ["-j", "list", "tables"]))
    packets = None
    if found:
        packets = nft.dropped(_ask(nft_tool, ["-j", "list", "table", "inet", table]))
        _ask(nft_tool, ["-f", "-"], nft.undo_script(table))
    remaining = nft.our_tables(_ask(nft_tool, ["-j", "list", "tables"]))
    proof = {"action": "undo", "table": table, "at": round(now(), 3), "found": found, "remaining": remaining}
    if packets is not None:
        proof["dropped"] = packets
    return FAILED if table in remaining else DONE, proof


def put(options: argparse.Namespace, tools: Tools, now: Callable[[], float]) -> tuple[int, dict[str, Any]]:
    """Lead traffic another way, unless it is too late."""
    try:
        proof = traffic.put(options, tools, now)
    except traffic.TooLate as error:
        return TOO_LATE, {"action": options.action, "refused": str(error)}
    return DONE if proof["rules"] else FAILED, proof


def end(table: str, holder: str | None, tools: Tools, now: Callable[[], float]) -> tuple[int, dict[str, Any]]:
    """Remove a table; where ``holder`` is given, be it empty, the queue and the process that go with it too."""
    code, proof = undo(table, tools.nft, now)
    if holder is not None:
        more = traffic.end(holder, tools)
        proof["remaining"] += more["remaining"]
        counted = [count for count in (proof.get("dropped"), more.get("hits")) if count is not None]
        if counted:
            proof["hits"] = max(counted)
        ours = {table, QUEUE, holder, f"{holder}/load"}
        code = FAILED if ours & set(proof["remaining"]) else DONE
    return code, proof


def main(
    argv: Sequence[str],
    nft_tool: Nft = run_nft,
    now: Callable[[], float] = time.time,
    tools: Tools | None = None,
    wait: Callable[[float], None] = time.sleep,
) -> int:
    """Entry point; ``argv`` without the program's name."""
    tools = tools or Tools(nft=nft_tool)
    options = parser().parse_args(argv)
    try:
        if options.action == "inject":
            wanted = nft.Filter(
                options.table,
                options.percent,
                options.seconds,
                options.direction,
                options.protocol,
                options.port,
                options.action_taken,
                tuple(options.address),
            )
            wait(options.delay)
            code, proof = inject(wanted, options.not_after, nft_tool, now)
        elif options.action in traffic.ACTIONS:
            code, proof = put(options, tools, now)
        else:
            code, proof = end(options.table, options.holder, tools, now)
    except (NftFailed, ToolFailed, ValueError, OSError, subprocess.TimeoutExpired) as error:
        code, proof = FAILED, {"action": options.action, "error": str(error)[:_LISTING_LIMIT]}
    leave_proof(proof_text(proof), options.termination_log)
    return code


def parser() -> argparse.ArgumentParser:
    """The arguments; all are typed fields, none is a piece of script."""
    top = argparse.ArgumentParser(prog="firedrill netfault", description="A fault in this network namespace.")
    top.add_argument("--termination-log", type=Path, default=TERMINATION_LOG)
    actions = top.add_subparsers(dest="action", required=True)
    injecting = actions.add_parser("inject", help="drop packets until the kernel ends it")
    injecting.add_argument("--table", required=True)
    injecting.add_argument("--direction", choices=nft.DIRECTIONS, default="in")
    injecting.add_argument("--protocol", choices=nft.PROTOCOLS, default="tcp")
    injecting.add_argument("--port", type=int, help="where packets go to; all ports when absent")
    injecting.add_argument("--action", choices=nft.ACTIONS, default="drop", dest="action_taken")
    injecting.add_argument("--percent", type=int, required=True)
    injecting.add_argument("--seconds", type=float, required=True)
    injecting.add_argument("--not-after", type=float, required=True, help="Unix time; later nothing is injected")
    injecting.add_argument("--address", action="append", default=[], help="of the other side; all when absent")
    injecting.add_argument("--delay", type=float, default=0.0, help="seconds to wait before")
    undoing = actions.add_parser("undo", help="take away what was put in place")
    undoing.add_argument("--table", required=True)
    undoing.add_argument("--holder", help="the process that goes with the table; empty for a queue alone")
    traffic.add_to(actions)
    return top


def _ask(nft_tool: Nft, arguments: Sequence[str], stdin: str = "") -> str:
    code, out, err = nft_tool(arguments, stdin)
    if code != 0:
        raise NftFailed(err.strip() or f"nft {' '.join(arguments)} exited with {code}")
    return out


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
