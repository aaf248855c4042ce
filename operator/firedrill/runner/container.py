"""What a short-lived container of ours does: runs tools, and leaves its proof as its termination message.

The kubelet cuts such messages: all containers of a pod, spent ones too, share 12 KiB of them evenly. So a proof is one
short line, and what is long comes after it.

Imports nothing but the standard library: such a container must start at once, also in a pod that is short of memory.
"""

import json
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

#: With more containers in a pod, a proof of ours would be cut.
MOST_CONTAINERS: Final = 60
#: Longer than that no proof may be, without what comes after it.
PROOF_BYTES: Final = 12 * 1024 // MOST_CONTAINERS
TERMINATION_LOG: Final = Path("/dev/termination-log")
_TIMEOUT_SECONDS: Final = 60.0

#: Runs a tool with arguments and standard input; returns exit code, standard output, standard error.
Tool = Callable[[Sequence[str], str], tuple[int, str, str]]
Nft = Tool


def tool(name: str) -> Tool:
    """A tool of the image."""

    def run(arguments: Sequence[str], stdin: str) -> tuple[int, str, str]:
        done = subprocess.run(
            [name, *arguments], input=stdin, capture_output=True, text=True, timeout=_TIMEOUT_SECONDS, check=False
        )
        return done.returncode, done.stdout, done.stderr

    return run


run_nft: Final = tool("nft")


@dataclass(frozen=True)
class Tools:
    """What works in the network of a pod."""

    nft: Tool = run_nft
    tc: Tool = field(default_factory=lambda: tool("tc"))
    ip: Tool = field(default_factory=lambda: tool("ip"))
    podfault: Tool = field(default_factory=lambda: tool("podfault"))


def proof_text(proof: Mapping[str, Any]) -> str:
    """A proof in one line; its ``listing``, if there is one, follows it."""
    short = {key: value for key, value in proof.items() if key != "listing"}
    listing = proof.get("listing")
    return json.dumps(short, separators=(",", ":")) + (f"\n{listing}" if listing else "")


def proof_of(message: str) -> dict[str, Any]:
    """What a container has proven; empty where it has left no proof, or one that was cut in its first line."""
    line, _, listing = message.partition("\n")
    try:
        found = json.loads(line)
    except ValueError:
        return {}
    if not isinstance(found, dict):
        return {}
    return {**found, "listing": listing} if listing else found


def leave_proof(message: str, termination_log: Path) -> None:
    """Leave a message where Kubernetes reads it, and in the log."""
    print(message, file=sys.stderr)
    try:
        termination_log.write_text(message)
    except OSError as error:
        print(f"the proof could not be left in {termination_log}: {error}", file=sys.stderr)
