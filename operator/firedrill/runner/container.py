"""What a short-lived container of ours does: runs nft, and leaves its proof as its termination message.

Imports nothing but the standard library: such a container must start at once, also in a pod that is short of memory.
"""

import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

TERMINATION_LOG: Final = Path("/dev/termination-log")
_NFT_TIMEOUT_SECONDS: Final = 20.0

#: Runs nft with arguments and standard input; returns exit code, standard output, standard error.
Nft = Callable[[Sequence[str], str], tuple[int, str, str]]


def run_nft(arguments: Sequence[str], stdin: str) -> tuple[int, str, str]:
    """Run the nft of the image."""
    done = subprocess.run(
        ["nft", *arguments], input=stdin, capture_output=True, text=True, timeout=_NFT_TIMEOUT_SECONDS, check=False
    )
    return done.returncode, done.stdout, done.stderr


def leave_proof(message: str, termination_log: Path) -> None:
    """Leave a message where Kubernetes reads it, and in the log."""
    print(message, file=sys.stderr)
    try:
        termination_log.write_text(message)
    except OSError as error:
        print(f"the proof could not be left in {termination_log}: {error}", file=sys.stderr)
