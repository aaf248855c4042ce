"""What is asked of AWS FIS. Tests give it others.

Every method raises FisError where AWS refuses, Throttled where it asks to come back later, or FisUnreachable where
there is no answer, or none but that AWS itself is in trouble; and nothing else.
"""

from typing import Protocol

from firedrill.clusters.errors import ClusterError, Unreachable
from firedrill.engines.chaos.adapters.awsfis import Experiment

#: Experiments carry it: by it they are found where nobody could note their id.
TAG = "firedrill.dev/run"


class FisError(ClusterError):
    """AWS answered with an error; ``code`` is its word for it, and the text never a credential."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"AWS FIS: {code}: {message}")
        self.code = code

    @property
    def missing(self) -> bool:
        """Whether there is no such template, or experiment."""
        return self.code == "ResourceNotFoundException"


class FisUnreachable(Unreachable):
    """AWS did not answer, or nobody could log in to it."""


class Fis(Protocol):
    """One region of the account that the credentials are of."""

    async def actions(self, template: str) -> list[str]:
        """What the actions of a template are, such as aws:ec2:stop-instances."""
        ...

    async def start(self, template: str, token: str) -> str:
        """Start an experiment, tagged with the token, and return its id; with the same token it is started once."""
        ...

    async def find(self, template: str, token: str) -> list[str]:
        """Ids of the experiments of a template that carry that token."""
        ...

    async def experiment(self, identity: str) -> Experiment:
        """Where an experiment stands."""
        ...

    async def stop(self, identity: str) -> None:
        """Ask an experiment to stop."""
        ...


class Regions(Protocol):
    """Gives the service of a region."""

    def region(self, name: str) -> Fis:
        """The service there; nothing is asked yet."""
        ...
