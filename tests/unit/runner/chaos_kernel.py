"""The network namespaces of pods, as far as our nft scripts use them."""

import json
import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass
class Table:
    """One of our tables."""

    percent: int
    expires: float
    dropped: int = 0


class Netns:
    """One network namespace with an nft that understands what netfault says."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self.tables: dict[str, Table] = {}
        self._random = random.Random(7)

    def passes(self) -> bool:
        """Whether a packet that comes in now gets through."""
        for table in self.tables.values():
            if self._now() < table.expires and self._random.random() * 100 < table.percent:
                table.dropped += 1
                return False
        return True

    def nft(self, arguments: Sequence[str], stdin: str) -> tuple[int, str, str]:
        """The nft tool."""
        match list(arguments):
            case ["-f", "-"]:
                return self._script(stdin)
            case ["-j", "list", "tables"]:
                return 0, _json([{"table": {"family": "inet", "name": name}} for name in self.tables]), ""
            case ["-j", "list", "table", "inet", name] if name in self.tables:
                table = self.tables[name]
                live = [{}, {}] if self._now() < table.expires else []
                items = [{"counter": {"name": "dropped", "packets": table.dropped}}, {"set": {"elem": live}}]
                return 0, _json([*items, {"rule": {}}, {"rule": {}}]), ""
            case ["list", "table", "inet", name] if name in self.tables:
                return 0, f"table inet {name}", ""
        return 1, "", f"Error: {arguments}"

    def _script(self, script: str) -> tuple[int, str, str]:
        if found := re.fullmatch(r"delete table inet (\w+)\n", script):
            if found[1] not in self.tables:
                return 1, "", "Error: No such file or directory"
            del self.tables[found[1]]
            return 0, "", ""
        name = re.search(r"create table inet (\w+)", script)
        timeout = re.search(r"timeout (\d+)ms", script)
        percent = re.search(r"mod 100 < (\d+)", script)
        assert name, script
        assert timeout, script
        if name[1] in self.tables:
            return 1, "", "Error: File exists"
        self.tables[name[1]] = Table(int(percent[1]) if percent else 100, self._now() + int(timeout[1]) / 1000)
        return 0, "", ""


def _json(items: Sequence[object]) -> str:
    return json.dumps({"nftables": items})
