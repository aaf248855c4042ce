"""Changing fields of an object and changing them back: pure functions over objects as JSON.

A path is a sequence of keys. A key such as ``[name=app]`` is the item of a list whose field ``name`` is ``app``: an
index would hit another item once somebody else changes the list. ``[=name]`` is the item ``name`` itself.
"""

import copy
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from firedrill.api.changes import Edit

Object = dict[str, Any]
Operation = dict[str, Any]
Path = tuple[str, ...]

_OUR_NAME: Final = re.compile("firedrill", re.IGNORECASE)
_ITEM: Final = re.compile(r"\[([^=\]]*)=(.*)\]")


class _Absent:
    """There is nothing at a path."""

    def __repr__(self) -> str:
        return "absent"


ABSENT: Final = _Absent()


class NoSuchPlace(Exception):
    """A path leads through what is not there, or is neither an object nor a list; the message names it."""


@dataclass(frozen=True)
class Wish:
    """What is to be at a path; ABSENT to take it away."""

    path: Path
    value: Any


def read(body: Any, path: Sequence[str]) -> Any:
    """What is at a path; ABSENT where nothing is."""
    at = body
    for key in path:
        item = _ITEM.fullmatch(key)
        if item is not None:
            at = next((each for each in at if _is(each, item)), ABSENT) if isinstance(at, list) else ABSENT
        else:
            at = at.get(key, ABSENT) if isinstance(at, Mapping) else ABSENT
        if at is ABSENT:
            return ABSENT
    return at


def edit(body: Object, wish: Wish) -> Edit:
    """The change from what is there to what is wished, both of it written down."""
    original = read(body, wish.path)
    missing = (depth for depth in range(1, len(wish.path) + 1) if read(body, wish.path[:depth]) is ABSENT)
    return Edit(
        path=list(wish.path),
        original=None if original is ABSENT else copy.deepcopy(original),
        was_absent=original is ABSENT,
        absent_from=next(missing, 0),
        value=None if wish.value is ABSENT else wish.value,
        to_remove=wish.value is ABSENT,
    )


def holds_ours(body: Object, change: Edit) -> bool:
    """Whether the object has our value at the place of a change.

    What was added under a name of ours is ours, whatever else others have set in it since.
    """
    if change.was_absent and _OUR_NAME.search(change.path[-1]):
        return read(body, change.path) is not ABSENT
    return not _place_is_gone(body, change) and _same(
        read(body, change.path), ABSENT if change.to_remove else change.value
    )


def holds_original(body: Object, change: Edit) -> bool:
    """Whether the object has what was there before."""
    return _same(read(body, change.path), ABSENT if change.was_absent else change.original)


def applying(body: Object, changes: Sequence[Edit]) -> list[Operation]:
    """JSON Patch that carries out changes where what was read has not changed since."""
    return _patch(body, [_Step(each.path, ABSENT if each.to_remove else each.value) for each in changes])


def restoring(body: Object, changes: Sequence[Edit]) -> list[Operation]:
    """JSON Patch that puts the original back wherever our value still is; empty where it is nowhere."""
    ours = [each for each in changes if holds_ours(body, each) and not holds_original(body, each)]
    wanted = [_Step(each.path, ABSENT if each.was_absent else each.original, each.absent_from) for each in ours]
    return _patch(body, wanted) if wanted else []


def foreign(body: Object, changes: Sequence[Edit]) -> list[str]:
    """Places where somebody else has put another value since; they are left as they are."""
    return [
        told(each.path)
        for each in changes
        if not holds_ours(body, each) and not holds_original(body, each) and not _place_is_gone(body, each)
    ]


def told(path: Sequence[str]) -> str:
    """A path for people, such as ``spec.template.spec.containers[name=app].image``."""
    return "".join(key if key.startswith("[") else f".{key}" for key in path).removeprefix(".")


def _place_is_gone(body: Object, change: Edit) -> bool:
    # The item of a list that held the place is gone, and the place with it: there is nothing to put back into.
    path = change.path
    return any(_ITEM.fullmatch(path[end - 1]) and read(body, path[:end]) is ABSENT for end in range(1, len(path)))


@dataclass(frozen=True)
class _Step:
    """A value to set; of one to take away, how many keys lead to the first that was made for it."""

    path: Sequence[str]
    value: Any
    made_from: int = 0


def _patch(body: Object, wanted: Sequence[_Step]) -> list[Operation]:
    operations = _unchanged(body, wanted)
    scratch = copy.deepcopy(body)
    for step in wanted:
        operations += _set(scratch, step.path, step.value)
        if step.value is not ABSENT or not step.made_from:
            continue
        # What was made to hold the value goes with it, once it is empty: not every API server drops it by itself, and
        # a pod template with an empty field more is another template.
        for depth in range(len(step.path) - 1, step.made_from - 1, -1):
            if read(scratch, step.path[:depth]) in ({}, []):
                operations += _set(scratch, step.path[:depth], ABSENT)
    return operations


def _unchanged(body: Object, wanted: Sequence[_Step]) -> list[Operation]:
    """Tests that fail where somebody else has written since.

    Of kinds that count the changes of their spec, that count: controllers write the status of a workload in trouble so
    often that its version never stays.
    """
    metadata = body["metadata"]
    counted = bool(metadata.get("generation")) and all(step.path[0] == "spec" for step in wanted)
    tested = ("uid", "generation") if counted else ("resourceVersion",)
    return [{"op": "test", "path": f"/metadata/{field}", "value": metadata[field]} for field in tested]


def _set(scratch: Object, path: Sequence[str], value: Any) -> list[Operation]:
    """Change ``scratch``, and say so as JSON Patch."""
    operations: list[Operation] = []
    at: Any = scratch
    pointer = ""
    for depth, key in enumerate(path):
        last = depth == len(path) - 1
        following = None if last else path[depth + 1]
        item = _ITEM.fullmatch(key)
        if item is not None:
            if not isinstance(at, list):
                raise NoSuchPlace(f"{told(path[:depth])} is no list")
            index = next((number for number, each in enumerate(at) if _is(each, item)), None)
            if last:
                return operations + _set_item(at, pointer, index, value)
            if index is None:
                raise NoSuchPlace(f"there is no {told(path[: depth + 1])}")
            at, pointer = at[index], f"{pointer}/{index}"
            continue
        if not isinstance(at, dict):
            raise NoSuchPlace(f"{told(path[:depth])} is no object")
        step = f"{pointer}/{key.replace('~', '~0').replace('/', '~1')}"
        if last:
            return operations + _set_key(at, key, step, value)
        if at.get(key) is None:
            if value is ABSENT:
                return operations
            at[key] = [] if following and _ITEM.fullmatch(following) else {}
            operations.append({"op": "add", "path": step, "value": copy.deepcopy(at[key])})
        at, pointer = at[key], step
    return operations


def _set_key(at: Object, key: str, pointer: str, value: Any) -> list[Operation]:
    if value is ABSENT:
        return [{"op": "remove", "path": pointer}] if at.pop(key, ABSENT) is not ABSENT else []
    operation = "replace" if key in at else "add"
    at[key] = copy.deepcopy(value)
    return [{"op": operation, "path": pointer, "value": value}]


def _set_item(at: list[Any], pointer: str, index: int | None, value: Any) -> list[Operation]:
    if value is ABSENT:
        if index is None:
            return []
        at.pop(index)
        return [{"op": "remove", "path": f"{pointer}/{index}"}]
    if index is None:
        at.append(copy.deepcopy(value))
        return [{"op": "add", "path": f"{pointer}/-", "value": value}]
    at[index] = copy.deepcopy(value)
    return [{"op": "replace", "path": f"{pointer}/{index}", "value": value}]


def _is(each: Any, item: re.Match[str]) -> bool:
    if not item.group(1):
        return bool(each == item.group(2))
    return isinstance(each, Mapping) and str(each.get(item.group(1))) == item.group(2)


def _same(one: Any, other: Any) -> bool:
    if one is ABSENT or other is ABSENT:
        # An API server leaves out what is empty.
        return _empty(one) and _empty(other)
    return bool(one == other)


def _empty(value: Any) -> bool:
    return value is ABSENT or value is None or value in ({}, [], "")
