"""Rows that are not as they should be, and requests that are wrong: what does the server make of them?"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from firedrill.api.modelvalidation import ModelTask, ModelValidationSpec
from firedrill.engines.model import Asked, Tried
from firedrill.engines.model.labels import Reading, is_right, predicted_label
from firedrill.sources.errors import InvalidTable
from firedrill.sources.serving.port import Reply, ReplyKind, ServedModel, Value
from firedrill.sources.serving.rows import Rows

#: So far out that no value of the column was there, in deviations of the column.
_FAR: Final = 1e6
#: Bodies that are no request of any protocol.
_BROKEN: Final = (b"", b"{", b"[]", b"null", b'{"inputs":', b'"text"', b'{"unknown": {"deeply": ["nested", null]}}')


@dataclass
class _Count:
    kind: str
    tried: int = 0
    good: int = 0
    example: str = ""

    def add(self, good: bool, example: str) -> None:
        """Count one request; the first that was not handled well is told."""
        self.tried += 1
        self.good += good
        if not good and not self.example:
            self.example = example

    def done(self) -> Tried:
        """What was counted."""
        return Tried(self.kind, self.tried, self.good, self.example)


async def disturb(
    model: ServedModel, rows: Rows, spec: ModelValidationSpec, in_time: Callable[[], bool]
) -> Sequence[Tried]:
    """Ask disturbed rows one after the other, as long as there is time."""
    wanted = spec.robustness
    assert wanted is not None
    generator = np.random.default_rng(spec.load.seed)
    chosen = generator.permutation(len(rows.features))[: wanted.rows].tolist()
    spread = _deviations(rows)
    reading = _reading(spec)
    noise, handled, refused = _Count("changed_by_noise"), _Count("handled"), _Count("refused")
    for row in chosen:
        if not in_time():
            break
        plain = rows.features[row]
        noisy = [
            value + wanted.noise * deviation * generator.standard_normal() if isinstance(value, float) else value
            for value, deviation in zip(plain, spread, strict=True)
        ]
        if reading is not None:
            await _noise(model, plain, noisy, noise, reading)
        at = int(generator.integers(len(plain)))
        name = rows.columns.names[at]
        await _odd(model, [*plain[:at], None, *plain[at + 1 :]], f"{name} blank", handled)
        if isinstance(plain[at], float):
            far = [*plain[:at], plain[at] + _FAR * (spread[at] or 1.0), *plain[at + 1 :]]
            await _odd(model, far, f"{name} far out of range", handled)
    for body in _BROKEN if model.address is not None else ():
        if in_time():
            reply = await model.ask(body)
            refused.add(_refuses(reply), f"to the body {body.decode()!r} came {_told(reply)}")
    if model.address is None:
        refused.example = "broken bodies can only be sent over HTTP"
    return [count.done() for count in (noise, handled, refused)]


def _reading(spec: ModelValidationSpec) -> Reading | None:
    """How labels are read from answers; None where answers are numbers, which any noise changes."""
    if spec.task not in (ModelTask.CLASSIFICATION, ModelTask.TEXT):
        return None
    # What one answer holds of the other is no matter here: both are answers.
    return replace(Asked(task=spec.task, answers=spec.answers).reading, contains=False)


async def _noise(
    model: ServedModel, plain: Sequence[Value], noisy: Sequence[Value], count: _Count, reading: Reading
) -> None:
    try:
        bodies = model.body(plain), model.body(noisy)
    except InvalidTable:
        # Whole numbers have no noise.
        return
    if bodies[0] == bodies[1]:
        # Nothing was changed: that the answer is the same says nothing.
        return
    before, after = [await model.ask(body) for body in bodies]
    if before.kind is after.kind is ReplyKind.ANSWERED:
        labels = [predicted_label(reply.values, reading) for reply in (before, after)]
        count.add(is_right(labels[1], labels[0], reading), "")


async def _odd(model: ServedModel, row: Sequence[Value | None], what: str, count: _Count) -> None:
    try:
        body = model.body(row)
    except InvalidTable:
        # It can not even be written in the types that the model takes: nothing to handle.
        return
    reply = await model.ask(body)
    count.add(reply.kind is ReplyKind.ANSWERED or _refuses(reply), f"to {what} came {_told(reply)}")


def _refuses(reply: Reply) -> bool:
    return reply.kind is ReplyKind.HTTP_ERROR and reply.status is not None and 400 <= reply.status < 500


def _told(reply: Reply) -> str:
    if reply.kind is ReplyKind.ANSWERED:
        return f"the answer {reply.values[0]!r}"
    status = f"status {reply.status}" if reply.status is not None else reply.kind.value
    return f"{status}: {reply.error}"[:200]


def _deviations(rows: Rows) -> list[float]:
    return [
        float(np.std([value for row in rows.features if isinstance(value := row[i], float)] or [0.0]))
        for i in range(len(rows.columns.names))
    ]
