"""The base of every model: camelCase on the wire, strict on input, immutable once parsed."""

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, PlainSerializer, WithJsonSchema
from pydantic.alias_generators import to_camel


class Model(BaseModel):
    """A typed value that travels as JSON. Unknown fields are refused: a typo must not pass silently."""

    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, extra="forbid", frozen=True, ser_json_inf_nan="null"
    )

    def to_wire(self) -> dict[str, Any]:
        """JSON-ready dictionary in the field names of the API, without the unset optional fields."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


class LenientModel(Model):
    """A model that is read back from a cluster, where a newer version may have written more fields."""

    model_config = ConfigDict(extra="ignore")

    def to_wire(self) -> dict[str, Any]:
        """JSON-ready dictionary in the field names of the API, without what is at its default."""
        return self.model_dump(mode="json", by_alias=True, exclude_defaults=True)


def exactly_one(names: Iterable[str]) -> dict[str, Any]:
    """What a schema says of an object of which exactly one of these members must be set, whatever stands beside it."""
    listed = list(names)
    rule = f"[{', '.join(f'has(self.{name})' for name in listed)}].exists_one(set, set)"
    return {"x-kubernetes-validations": [{"rule": rule, "message": f"set exactly one of {', '.join(listed)}"}]}


_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(h|ms|m|s)")
DURATION_PATTERN = r"^(\d+(\.\d+)?(h|ms|m|s))+$"


def parse_duration(text: object) -> timedelta:
    """Parse a duration in the form of Go, such as ``90s`` or ``1h30m``.

    Raises ValueError for anything else, which pydantic reports with the name of the field.
    """
    if isinstance(text, timedelta):
        return text
    if not isinstance(text, str) or not re.fullmatch(DURATION_PATTERN, text):
        raise ValueError(f"{text!r} is not a duration; write it like 90s, 10m or 1h30m")
    try:
        return timedelta(seconds=sum(float(n) * _UNITS[u] for n, u in _DURATION.findall(text)))
    except OverflowError as error:
        raise ValueError(f"{text!r} is longer than any duration can be") from error


def format_duration(value: timedelta) -> str:
    """The shortest text that :func:`parse_duration` reads back, in whole milliseconds."""
    milliseconds = round(value.total_seconds() * 1000)
    parts: list[str] = []
    for unit, size in (("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)):
        count, milliseconds = divmod(milliseconds, size)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"


Duration = Annotated[
    timedelta,
    BeforeValidator(parse_duration),
    PlainSerializer(format_duration, return_type=str),
    WithJsonSchema({"type": "string", "pattern": DURATION_PATTERN, "maxLength": 32}),
]


def parse_time(value: object) -> datetime:
    """A time from RFC 3339 or ISO 8601; without a zone it is UTC. Raises ValueError for anything else."""
    moment = value if isinstance(value, datetime) else datetime.fromisoformat(str(value).replace("Z", "+00:00"))
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def format_time(moment: datetime) -> str:
    """RFC 3339 in UTC, with microseconds where there are any: runs are ordered and timed by it."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def format_micro_time(moment: datetime) -> str:
    """RFC 3339 in UTC with six digits always, as the MicroTime of Leases and Events asks for."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


Time = Annotated[
    datetime,
    BeforeValidator(parse_time),
    PlainSerializer(format_time, return_type=str),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]
