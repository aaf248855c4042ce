"""``firedrill isolate``: runs in the first containers of a try-out and cuts its pod off, or proves that it is.

Without arguments it installs rules in the pod's network namespace that drop whatever the pod sends, but for the
loopback and answers to connections from outside, so that the kubelet's probes work. They hold in every cluster,
whether or not its network enforces NetworkPolicies. With ``--canary HOST:PORT...`` it tries to connect, and leaves
what came of it in the termination message; it fails where a connection was made, so that nothing after it starts.

Imports nothing but the standard library: it must start at once.
"""

import argparse
import ipaddress
import json
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

from firedrill.runner.container import TERMINATION_LOG, Nft, leave_proof, run_nft

DONE: Final = 0
FAILED: Final = 1

TABLE: Final = "firedrill_sandbox"
#: Neighbour discovery is how an IPv6 pod finds the way to answer a probe; it does not leave the link.
RULES: Final = f"""\
table inet {TABLE} {{
  chain outgoing {{
    type filter hook output priority 0; policy drop;
    oifname "lo" accept
    ct state established,related accept
    icmpv6 type {{ nd-neighbor-solicit, nd-neighbor-advert, nd-router-solicit }} accept
  }}
}}
"""
#: Kubernetes keeps 4096 bytes of a termination message.
_MESSAGE_LIMIT: Final = 3500
_DETAIL_LIMIT: Final = 120

#: Tries to connect to host and port within seconds; returns whether it did, and what came of it.
Dial = Callable[[str, int, float], tuple[bool, str]]


def dial(host: str, port: int, timeout: float) -> tuple[bool, str]:
    """One TCP connection. A refusal counts as reached: an answer came back."""
    try:
        with socket.create_connection((host, port), timeout=timeout):
            return True, "connected"
    except ConnectionRefusedError as error:
        return True, f"answered: {error}"
    except OSError as error:
        return False, str(error) or type(error).__name__


def install(nft: Nft) -> tuple[int, dict[str, Any]]:
    """Install the rules and see that they are there. A container that is started again finds them in place."""
    code, listing, _ = nft(["list", "table", "inet", TABLE], "")
    if code != 0:
        code, _, error = nft(["-f", "-"], RULES)
        if code != 0:
            return FAILED, {"action": "isolate", "error": error.strip()[:_MESSAGE_LIMIT]}
        code, listing, error = nft(["list", "table", "inet", TABLE], "")
        if code != 0:
            return FAILED, {"action": "isolate", "error": f"the rules are not there: {error.strip()}"[:_MESSAGE_LIMIT]}
    if "policy drop" not in listing:
        return FAILED, {"action": "isolate", "error": "the rules do not drop", "listing": listing[:1000]}
    return DONE, {"action": "isolate", "table": TABLE, "listing": listing[:1500]}


def canary(addresses: Sequence[str], timeout: float, connect: Dial) -> tuple[int, dict[str, Any]]:
    """Try all addresses at once; done where none was reached."""
    with ThreadPoolExecutor(max_workers=len(addresses)) as pool:
        attempts = list(pool.map(lambda address: _attempt(address, timeout, connect), addresses))
    code = FAILED if any(attempt["connected"] for attempt in attempts) else DONE
    return code, {"action": "canary", "attempts": attempts}


def _attempt(address: str, timeout: float, connect: Dial) -> dict[str, Any]:
    host, port = parse_address(address)
    started = time.monotonic()
    connected, detail = connect(host, port, timeout)
    seconds = round(time.monotonic() - started, 3)
    return {"address": address, "connected": connected, "detail": detail[:_DETAIL_LIMIT], "seconds": seconds}


def parse_address(text: str) -> tuple[str, int]:
    """Host and port of ``10.0.0.1:443`` or ``[fd00::1]:443``; raises ValueError for anything else.

    Names are refused: looking one up would be a connection of its own, and would fail before the one that counts.
    """
    host, separator, port = text.rpartition(":")
    if not separator or not port.isdigit() or not 1 <= int(port) <= 65535:
        raise ValueError(f"{text!r} is not an address and a port")
    return str(ipaddress.ip_address(host.removeprefix("[").removesuffix("]"))), int(port)


def main(argv: Sequence[str], nft: Nft = run_nft, connect: Dial = dial) -> int:
    """Entry point; ``argv`` without the program's name. 0 done and proven, 1 failed."""
    options = parser().parse_args(argv)
    try:
        code, proof = canary(options.canary, options.timeout, connect) if options.canary else install(nft)
    except (ValueError, OSError, subprocess.TimeoutExpired) as error:
        code, proof = FAILED, {"action": "isolate", "error": str(error)[:_MESSAGE_LIMIT]}
    leave_proof(json.dumps(proof), options.termination_log)
    return code


def parser() -> argparse.ArgumentParser:
    """The arguments; all are typed fields, none is a piece of script."""
    top = argparse.ArgumentParser(prog="firedrill isolate", description="Cut this pod off, or prove that it is.")
    top.add_argument("--canary", nargs="+", default=[], metavar="HOST:PORT", help="addresses that must be out of reach")
    top.add_argument("--timeout", type=float, default=2.0, help="seconds for each connection")
    top.add_argument("--termination-log", type=Path, default=TERMINATION_LOG)
    return top


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
