"""Processes of ours that stay in a pod while a fault is on: their names, and how they are told what to do."""

import json

from firedrill.api.changes import HeldInPod
from firedrill.runner import nft

_UID_LETTERS = 8


def name_of(run_id: str, pod_uid: str) -> str:
    """Name of the holder of a run in a pod. Of several pods on the network of one node, each has its own."""
    letters = "".join(letter for letter in pod_uid.lower() if letter.isalnum())
    return f"{nft.table_name(run_id)[:48]}_{letters[:_UID_LETTERS]}"


def hold(change: HeldInPod) -> tuple[str, ...]:
    """Arguments of podfault for the process that stays."""
    return (
        "hold",
        "--name",
        change.holder,
        "--not-after",
        f"{change.not_after.timestamp():.3f}",
        "--seconds",
        f"{change.seconds:g}",
        "--settings",
        settings(change),
        "--termination-log",
        "/dev/termination-log",
    )


def load(change: HeldInPod) -> tuple[str, ...]:
    """Arguments of podfault for a load that lives and dies with its holder."""
    return (
        "stress",
        "--name",
        change.holder,
        "--not-after",
        f"{change.not_after.timestamp():.3f}",
        "--seconds",
        f"{change.seconds:g}",
        "--settings",
        settings(change),
    )


def undo(change: HeldInPod) -> tuple[str, ...]:
    """Arguments of podfault that end the holder, with all that hangs on it."""
    return ("undo", "--name", change.holder, "--termination-log", "/dev/termination-log")


def ours(change: HeldInPod) -> set[str]:
    """Names that must not be left."""
    return {change.holder, f"{change.holder}/load"} if change.holder else set()


def settings(change: HeldInPod) -> str:
    """What it does, as JSON."""
    return json.dumps(change.settings, sort_keys=True)
