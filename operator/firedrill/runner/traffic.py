"""What ``firedrill netfault`` does beside dropping packets: it leads traffic through a proxy, or a slow queue.

The proxy runs in an ephemeral container of its own and without any capability; what is done here takes NET_ADMIN, and
is over at once. Imports nothing but the standard library.
"""

import argparse
import json
from collections.abc import Callable
from typing import Any, Final

from firedrill.runner import nft, shaping
from firedrill.runner.container import Tools
from firedrill.runner.nft_traffic import Redirect, redirect_script, slow_script
from firedrill.runner.shaping import NoSuchQueue, ToolFailed, ask

ACTIONS: Final = ("redirect", "delay", "limit")
#: A proxy outlives the redirect so long: what it has taken it may finish.
_LINGER_SECONDS: Final = 1.0
_LISTING_LIMIT: Final = 2000

Proof = dict[str, Any]


class TooLate(Exception):
    """The time in which something may be put in place is over."""


def put(options: argparse.Namespace, tools: Tools, now: Callable[[], float]) -> Proof:
    """Put what is asked for in place, unless it is there; the proof is what the kernel lists then.

    Raises TooLate, ToolFailed, ValueError.
    """
    started = now()
    _check_time(options, started)
    present = options.table in nft.our_tables(ask(tools.nft, "nft", ["-j", "list", "tables"]))
    way = _ways(options, tools, now, present=present)
    listing = ask(tools.nft, "nft", ["-j", "list", "table", "inet", options.table])
    return {
        "action": options.action,
        "table": options.table,
        "way": way,
        "at": round(started if present else now(), 3),
        "seconds": options.seconds,
        "rules": nft.rules(listing),
        "elements": nft.live_elements(listing),
        "wasThere": present,
        "listing": ask(tools.nft, "nft", ["list", "table", "inet", options.table])[:_LISTING_LIMIT],
    }


def _ways(options: argparse.Namespace, tools: Tools, now: Callable[[], float], *, present: bool) -> str:
    if options.action == "limit":
        device = shaping.put_queue(tools, options.rate)
        return _slow(options, tools, f"htb at {device}", present=present)
    if options.action == "delay":
        try:
            device = shaping.put_queue(tools, 0, options.delay_ms, options.jitter_ms)
        except NoSuchQueue:
            pass
        else:
            ask(tools.podfault, "podfault", ["undo", "--name", options.holder])
            return _slow(options, tools, f"netem at {device}", present=present)
    return _redirect(options, tools, now, present=present)


def _slow(options: argparse.Namespace, tools: Tools, way: str, *, present: bool) -> str:
    if not present:
        script = slow_script(options.table, options.seconds, options.port)
        try:
            ask(tools.nft, "nft", ["-f", "-"], script)
        except ToolFailed:
            shaping.remove_queue(tools)
            raise
    return way


def _redirect(options: argparse.Namespace, tools: Tools, now: Callable[[], float], *, present: bool) -> str:
    waits = ["ask", "--name", options.holder, "--not-after", f"{options.not_after:.3f}"]
    ask(tools.podfault, "podfault", waits)
    _check_time(options, now())
    if not present:
        wanted = Redirect(options.table, options.seconds, options.to, options.port, options.user)
        # The proxy is told first: it must not outlive the redirect where we die in between.
        ask(tools.podfault, "podfault", [*waits, "--seconds", f"{options.seconds + _LINGER_SECONDS:g}"])
        ask(tools.nft, "nft", ["-f", "-"], redirect_script(wanted))
    return "redirect to a proxy"


def end(holder: str, tools: Tools) -> Proof:
    """End a proxy and take our queue away; ``remaining`` are processes and queues of ours that are still there."""
    shaping.remove_queue(tools)
    proof: Proof = {"remaining": shaping.remaining(tools)}
    if holder:
        code, out, err = tools.podfault(["undo", "--name", holder], "")
        if not out.strip():
            raise ToolFailed(err.strip() or f"podfault undo exited with {code}")
        told: Proof = json.loads(out.strip().splitlines()[-1])
        proof["remaining"] += told["remaining"]
        proof["hits"] = (told.get("counted") or {}).get("hits")
    return proof


def _check_time(options: argparse.Namespace, moment: float) -> None:
    if moment > options.not_after:
        raise TooLate(f"started {moment - options.not_after:.1f} s too late")


def add_to(actions: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """The arguments; all are typed fields, none is a piece of script."""
    for name, does in zip(ACTIONS, ("lead traffic to a proxy", "delay answers", "limit answers"), strict=True):
        parser = actions.add_parser(name, help=f"{does} until the kernel ends it")
        parser.add_argument("--table", required=True)
        parser.add_argument("--seconds", type=float, required=True)
        parser.add_argument("--not-after", type=float, required=True, help="Unix time; later nothing is put in place")
        parser.add_argument("--port", type=int, help="of the application; the pod's name servers when absent")
        if name == "limit":
            parser.add_argument("--rate", type=int, required=True, help="bits a second")
            continue
        parser.add_argument("--holder", required=True, help="name of the proxy in the pod's network")
        parser.add_argument("--to", type=int, required=True, help="port of the proxy")
        parser.add_argument("--user", type=int, default=0, help="whom the proxy runs as")
        if name == "delay":
            parser.add_argument("--delay-ms", type=int, required=True)
            parser.add_argument("--jitter-ms", type=int, default=0)
