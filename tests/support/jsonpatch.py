"""JSON Patch as an API server carries it out (RFC 6902): the operations add, remove, replace and test."""

import copy
from collections.abc import Sequence
from typing import Any

Object = dict[str, Any]


class TestFailed(Exception):
    """A test operation did not hold."""

    __test__ = False


def patched(body: Object, operations: Sequence[Object]) -> Object:
    """A copy of the body with the operations carried out. Raises TestFailed, KeyError or IndexError."""
    made: Any = copy.deepcopy(body)
    for operation in operations:
        keys = [part.replace("~1", "/").replace("~0", "~") for part in operation["path"].split("/")[1:]]
        at = made
        for key in keys[:-1]:
            at = at[int(key)] if isinstance(at, list) else at[key]
        _carry_out(at, keys[-1], operation)
    result: Object = made
    return result


def _carry_out(at: Any, key: str, operation: Object) -> None:
    value = copy.deepcopy(operation.get("value"))
    match operation["op"], at:
        case "test", _:
            if at[key] != value:
                raise TestFailed(f"{operation['path']} is {at[key]!r}")
        case "add", list():
            at.insert(len(at) if key == "-" else int(key), value)
        case "remove", list():
            del at[int(key)]
        case "replace", list():
            at[int(key)] = value
        case "remove", _:
            del at[key]
        case "replace", _:
            assert key in at, f"nothing to replace at {operation['path']}"
            at[key] = value
        case _:
            at[key] = value
