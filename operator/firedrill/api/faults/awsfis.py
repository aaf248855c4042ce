"""Faults that AWS carries out."""

from typing import ClassVar

from pydantic import Field

from firedrill.api.enginepolicy import FisTemplate
from firedrill.api.faults.about import About, Family, FaultModel, Hits


class AwsFis(FaultModel):
    """An experiment of AWS Fault Injection Service, from a template that is there."""

    about: ClassVar[About] = About(
        Family.AWS_FIS,
        Hits.CLUSTER,
        "starts an experiment of AWS Fault Injection Service from a template; what it hits is what the template says, "
        "and the target's labels choose nothing",
        "it is asked to stop, and seen ended; what its actions can take back AWS takes back as it ends, and what they "
        "can not is declared as a residue",
        "AWS, which tells of each action that it was begun",
        "a role for runner and guardian by AWS's own chain (fis:GetExperimentTemplate, StartExperiment, GetExperiment, "
        "ListExperiments, StopExperiment, TagResource), and policy.awsFis.templates of the TargetCluster",
        settles=240,
    )

    template: FisTemplate = Field(description="Id of the experiment template, such as EXT1a2b3c4d5e6f7.")
    region: str = Field(
        max_length=32, pattern=r"^[a-z]{2}(-[a-z]+)+-[0-9]+$", description="Region of the template, such as eu-west-1."
    )
