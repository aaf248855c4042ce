"""Processes of ours in the pods' network, as far as podfault is: they hold a fault, and end by themselves."""

import json
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

_GRACE = 2.0


@dataclass
class Holder:
    """One that stays, with the load that hangs on it."""

    settings: dict[str, Any]
    until: float
    hits: int = 0
    load_from: float | None = None
    load_until: float = 0.0


class Holders:
    """All of a pod."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._all: dict[str, Holder] = {}
        self._random = random.Random(11)

    def live(self) -> dict[str, Holder]:
        """Those whose time is not over."""
        return {name: each for name, each in self._all.items() if self._now() < each.until}

    def names(self) -> list[str]:
        """What the kernel lists."""
        loads = [f"{name}/load" for name, each in self.live().items() if self._now() < each.load_until]
        return [*self.live(), *loads]

    def serves(self) -> bool:
        """Whether a request that is led to a proxy is answered as it should be."""
        for each in self.live().values():
            if each.settings.get("mode") == "http":
                hit = self._random.random() * 100 < each.settings["percent"]
                each.hits += hit
                return not hit
        return False

    def loaded(self) -> bool:
        """Whether a load is there."""
        return any(self._now() < each.load_until for each in self.live().values())

    def hold(self, arguments: Sequence[str]) -> float | None:
        """Begin to hold; until when, None where it is too late."""
        given = _options(arguments)
        if self._now() > float(given["--not-after"]):
            return None
        until = float(given["--not-after"]) + float(given["--seconds"]) + _GRACE
        self._all[given["--name"]] = Holder(json.loads(given["--settings"]), until)
        return until

    def tool(self, arguments: Sequence[str], _stdin: str = "") -> tuple[int, str, str]:
        """The short actions of podfault."""
        given = _options(arguments[1:])
        holder = self.live().get(given["--name"])
        match arguments[0]:
            case "ask":
                return self._ask(given, holder)
            case "undo":
                proof: dict[str, Any] = {"action": "undo", "found": holder is not None}
                if holder is not None:
                    proof["counted"] = {"hits": holder.hits}
                    del self._all[given["--name"]]
                return 0, json.dumps({**proof, "remaining": self.names()}), ""
            case "stress":
                return self._load(given, holder)
        return 1, "", f"no action {arguments[0]}"

    def _ask(self, given: dict[str, str], holder: Holder | None) -> tuple[int, str, str]:
        if holder is None:
            return 1, json.dumps({"error": "no holder is ready"}), ""
        if "--seconds" in given:
            holder.until = min(holder.until, self._now() + float(given["--seconds"]))
        lasted = min(self._now(), holder.load_until) - holder.load_from if holder.load_from else 0.0
        told = {"places": [{"pid": 7, "uid": 65532, "gid": 0}], "loadSeconds": lasted}
        return 0, json.dumps({"holder": told}), ""

    def _load(self, given: dict[str, str], holder: Holder | None) -> tuple[int, str, str]:
        if holder is None or self._now() > float(given["--not-after"]):
            return 4, json.dumps({"error": "the holder is gone"}), ""
        if holder.load_from is None:
            holder.load_from, holder.load_until = self._now(), self._now() + float(given["--seconds"])
            holder.until = min(holder.until, holder.load_until + 5)
        return 0, json.dumps({"started": True, "at": self._now(), "pid": 9}), ""


def _options(arguments: Sequence[str]) -> dict[str, str]:
    return dict(zip(arguments[::2], arguments[1::2], strict=True))
