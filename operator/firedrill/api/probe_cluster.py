"""Probes of the cluster itself: an object of the API, and a command in the runner's own pod."""

import re
from typing import Annotated

from pydantic import Field, field_validator, model_validator

from firedrill.api.base import Duration, parse_duration
from firedrill.api.probe import Probe
from firedrill.api.run import Labels, Name

_EVERY = "Time between two questions, 10ms to 60s; each is asked anew."
#: Their values are nobody's business, also not in the evidence of a run.
_NEVER_READ = ("Secret",)
_VALUE_LENGTH = 1024


class KubernetesProbe(Probe):
    """An object, or a list of them, that must be as expected. An API server that does not answer says nothing."""

    api_version: str = Field(
        min_length=1, max_length=253, pattern=r"^([a-z0-9.-]+/)?v[a-z0-9]+$", description="Such as v1 or apps/v1."
    )
    kind: str = Field(min_length=1, max_length=63, pattern=r"^[A-Z][A-Za-z0-9]*$", description="Such as Deployment.")
    namespace: Name | None = Field(default=None, description="Namespace in the target; absent for what is in none.")
    name: Name | None = Field(default=None, description="One object by name.")
    match_labels: Labels = Field(
        default_factory=dict, max_length=16, description="Objects that carry these labels, all of them."
    )
    path: str | None = Field(
        default=None,
        min_length=1,
        max_length=512,
        description="JSONPath (RFC 9535) into the object, such as $.status.readyReplicas; every value found must be "
        "as expected, and at least one must be found. When absent, that the object exists is all that is asked.",
    )
    equals: str | None = Field(
        default=None, max_length=_VALUE_LENGTH, description="The value, as text; of what is no text, its JSON."
    )
    min: float | None = Field(default=None, description="Least value that is good.")
    max: float | None = Field(default=None, description="Largest value that is good.")
    exists: bool = Field(default=True, description="False where the object, or what the path leads to, must be away.")
    at_least: int | None = Field(
        default=None,
        ge=1,
        le=10000,
        description="So many of the objects must be as expected; when absent all of them, and at least one.",
    )
    timeout: Duration = Field(default=parse_duration("5s"), description="A slower answer is no answer.")
    interval: Duration = Field(default=parse_duration("1s"), description=_EVERY)

    @field_validator("kind")
    @classmethod
    def _may_be_read(cls, value: str) -> str:
        if value in _NEVER_READ:
            raise ValueError("a probe reads no Secret")
        return value

    @field_validator("path")
    @classmethod
    def _path_is_valid(cls, value: str | None) -> str | None:
        if value is None:
            return None
        # Imported late: it takes longer than all else here, and the operator needs it for such a spec alone.
        import jsonpath

        try:
            jsonpath.compile(value, strict=True)
        except (jsonpath.JSONPathError, RecursionError) as error:
            raise ValueError(f"is no JSONPath: {error}") from error
        return value

    @model_validator(mode="after")
    def _asks_one_thing(self) -> "KubernetesProbe":
        if (self.name is None) == (not self.match_labels):
            raise ValueError("set exactly one of name, matchLabels")
        if self.name is not None and self.at_least is not None:
            raise ValueError("atLeast needs matchLabels")
        bounded = self.min is not None or self.max is not None
        if self.equals is not None and bounded:
            raise ValueError("set equals, or min and max")
        if (self.equals is not None or bounded) and self.path is None:
            raise ValueError("equals, min and max need path")
        if not self.exists and (self.equals is not None or bounded):
            raise ValueError("exists: false goes with no other expectation")
        if not self.exists and self.at_least is not None:
            raise ValueError("exists: false goes with no atLeast")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError("min must not be above max")
        return self


_Argument = Annotated[str, Field(max_length=1024)]


class CommandProbe(Probe):
    """A program of the runner's image that must end as expected. It runs in the runner's own pod, with the rights of
    that pod, so the TargetCluster's policy must name it (policy.probeCommands)."""

    command: list[_Argument] = Field(
        min_length=1,
        max_length=64,
        description="Name of the program, which is looked for in the system's folders alone, and its arguments; "
        "no shell reads them.",
    )
    expect_exit_code: int = Field(default=0, ge=0, le=255, description="The exit code that is good.")
    stdout_contains: str | None = Field(
        default=None, min_length=1, max_length=1024, description="Text that its output must contain as well."
    )
    timeout: Duration = Field(default=parse_duration("5s"), description="It is killed then, which is a failure.")
    interval: Duration = Field(default=parse_duration("2s"), description=_EVERY)

    @field_validator("command")
    @classmethod
    def _named_without_path(cls, value: list[str]) -> list[str]:
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,127}", value[0]):
            raise ValueError("its first item must be the name of a program, without a path")
        if any("\0" in each for each in value):
            raise ValueError("must not contain the character NUL")
        return value
