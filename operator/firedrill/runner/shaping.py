"""A slow queue at the interface of a pod, by the tc of the image. The standard library alone.

Only packets that a rule of nft gives to its slow class wait in it, and that rule ends by itself. All others go by it.
"""

import json
from typing import Any, Final

from firedrill.runner.container import Tool, Tools
from firedrill.runner.nft_traffic import QUEUE, SLOW

_DELAYED: Final = "fd1e:"
#: The least bytes that a class must be able to send at once, or it never sends.
_LEAST_BURST: Final = 4096
#: A class that delays alone does not limit.
_FAST: Final = 10_000_000_000


class ToolFailed(Exception):
    """A tool did not do what it was asked; the text is its own message."""


class NoSuchQueue(ToolFailed):
    """This kernel has no queue of that kind."""


def ask(tool: Tool, name: str, arguments: list[str], stdin: str = "") -> str:
    """What a tool answers; raises ToolFailed."""
    code, out, err = tool(arguments, stdin)
    if code == 0:
        return out
    message = err.strip() or f"{name} {' '.join(arguments)} exited with {code}"
    if "Specified qdisc kind is unknown" in message or "qdisc kind is unknown" in message:
        raise NoSuchQueue(message)
    raise ToolFailed(message)


def put_queue(tools: Tools, rate: int, delay_ms: int = 0, jitter_ms: int = 0) -> str:
    """Put our queue at the pod's interface, unless it is there, and name the interface.

    ``rate`` in bits a second, 0 for no limit. Raises NoSuchQueue where the kernel can not delay or limit (then nothing
    is left), and ToolFailed where somebody else has a queue there.
    """
    device = interface(tools)
    found = _root(tools, device)
    if found == QUEUE:
        return device
    if found:
        raise ToolFailed(f"interface {device} has a queue {found} already, which is left as it is")
    ask(tools.tc, "tc", ["qdisc", "add", "dev", device, "root", "handle", QUEUE, "htb", "default", "0"])
    try:
        bits = rate or _FAST
        burst = max(_LEAST_BURST, bits // 8 // 100)
        of_class = ["class", "add", "dev", device, "parent", QUEUE, "classid", SLOW, "htb"]
        ask(tools.tc, "tc", [*of_class, "rate", f"{bits}bit", "burst", f"{burst}b"])
        if delay_ms:
            times = [f"{delay_ms}ms", *([f"{jitter_ms}ms"] if jitter_ms else [])]
            own = ["qdisc", "add", "dev", device, "parent", SLOW, "handle", _DELAYED, "netem", "delay", *times]
            ask(tools.tc, "tc", own)
    except ToolFailed:
        ask(tools.tc, "tc", ["qdisc", "del", "dev", device, "root"])
        raise
    return device


def remove_queue(tools: Tools) -> None:
    """Take our queue away where it is; the interface then has the kernel's own again."""
    for device in _with_ours(tools):
        ask(tools.tc, "tc", ["qdisc", "del", "dev", device, "root"])


def remaining(tools: Tools) -> list[str]:
    """Our queues that are there, by their handles."""
    return [QUEUE] * len(_with_ours(tools))


def interface(tools: Tools) -> str:
    """By which the pod talks to others: that of its default route, else the only one beside the loopback."""
    routes = _list(tools.ip, "ip", ["-j", "route", "show", "default"])
    routes = routes or _list(tools.ip, "ip", ["-j", "-6", "route", "show", "default"])
    for route in routes:
        if route.get("dev"):
            return str(route["dev"])
    links = [each["ifname"] for each in _list(tools.ip, "ip", ["-j", "link", "show"]) if each["ifname"] != "lo"]
    if len(links) != 1:
        raise ToolFailed(f"the pod's interface can not be told among {', '.join(links) or 'none'}")
    return str(links[0])


def _root(tools: Tools, device: str) -> str:
    """Handle of the queue at an interface; empty for one of the kernel."""
    queues = _list(tools.tc, "tc", ["-j", "qdisc", "show", "dev", device])
    handles = [str(each.get("handle", "0:")) for each in queues if each.get("root")]
    return next((handle for handle in handles if handle != "0:"), "")


def _with_ours(tools: Tools) -> list[str]:
    queues = _list(tools.tc, "tc", ["-j", "qdisc", "show"])
    return [str(each["dev"]) for each in queues if each.get("root") and each.get("handle") == QUEUE]


def _list(tool: Tool, name: str, arguments: list[str]) -> list[dict[str, Any]]:
    parsed: list[dict[str, Any]] = json.loads(ask(tool, name, arguments) or "[]")
    return parsed
