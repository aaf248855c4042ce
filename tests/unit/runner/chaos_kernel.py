"""The network namespaces of pods, as far as our nft scripts use them."""

import json
import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from chaos_holders import Holders

#: The share of requests that a container under load does not answer in time.
_SLOWED = 0.6


@dataclass
class Table:
    """One of our tables."""

    percent: int
    expires: float
    dropped: int = 0
    redirects: bool = False


class Netns:
    """One network namespace with an nft that understands what netfault says."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self.tables: dict[str, Table] = {}
        self._random = random.Random(7)
        self.holders = Holders(now)

    def passes(self) -> bool:
        """Whether a packet that comes in now gets through."""
        for table in self.tables.values():
            if self._now() < table.expires and table.redirects:
                table.dropped += 1
                if not self.holders.serves():
                    return False
            elif self._now() < table.expires and self._random.random() * 100 < table.percent:
                table.dropped += 1
                return False
        return not (self.holders.loaded() and self._random.random() < _SLOWED)

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

    def tc(self, arguments: Sequence[str], _stdin: str) -> tuple[int, str, str]:
        """The tc tool, where nobody has a queue."""
        return (0, "[]", "") if "show" in arguments else (1, "", "Error: Specified qdisc kind is unknown.")

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
        share, expires = int(percent[1]) if percent else 100, self._now() + int(timeout[1]) / 1000
        self.tables[name[1]] = Table(share, expires, redirects="redirect to" in script)
        return 0, "", ""


def _json(items: Sequence[object]) -> str:
    return json.dumps({"nftables": items})
