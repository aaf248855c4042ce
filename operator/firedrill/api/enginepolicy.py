"""What a target's policy allows to engines other than Firedrill's own."""

from typing import Annotated

from pydantic import Field

from firedrill.api.base import Model
from firedrill.api.run import Name

#: A Python module, one function of it, or all below a package: no bare *, because that would be any code at all.
ModulePattern = Annotated[
    str, Field(min_length=1, max_length=253, pattern=r"^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*(\.\*)?$")
]


class ChaosToolkitPolicy(Model):
    """What an experiment of Chaos Toolkit may call in this target, wherever it is written in the experiment."""

    modules: list[ModulePattern] = Field(
        default_factory=list,
        max_length=64,
        description="Python modules that may be called, such as chaosk8s.pod.probes; "
        "chaosk8s.pod.actions.terminate_pods for one function; chaosk8s.* for all below a package, of which some runs "
        "commands in pods.",
    )
    allow_process: bool = Field(default=False, description="Whether programs of the runner's image may be run.")
    allow_http: bool = Field(
        default=False, description="Whether the runner's pod may send requests to any address it can reach."
    )


class LitmusPolicy(Model):
    """What Litmus may do here."""

    service_account: Name = Field(
        description="Service account, in the namespace under fault, that pods of Litmus run as: what they may do."
    )


#: Id of an experiment template of AWS Fault Injection Service.
FisTemplate = Annotated[str, Field(max_length=64, pattern=r"^EXT[0-9A-Za-z]+$")]


class AwsFisPolicy(Model):
    """What AWS Fault Injection Service may be asked for here."""

    templates: list[FisTemplate] = Field(
        max_length=64, description="Ids of experiment templates that may be started; what they hit is what they say."
    )
