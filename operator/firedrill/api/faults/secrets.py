"""Faults of Secrets. Their values are in no record, report, status, Event or log."""

from enum import StrEnum
from typing import ClassVar, Final

from pydantic import Field

from firedrill.api.faults.about import About, Family, FaultModel, Hits
from firedrill.api.faults.config import ObjectName

_NEEDS: Final = "an application that reads it again, or is restarted; a Secret that is not immutable"
_PROBE: Final = "the probe alone: that our value is there says nothing"
_UNDONE: Final = "each key is put back from the vault where it still holds our value"
_NAME: Final = Field(description="Name of the Secret.")


class SecretDelete(FaultModel):
    """A Secret that is gone."""

    about: ClassVar[About] = About(
        Family.SECRET,
        Hits.NAMED,
        "deletes a Secret: pods that start without it wait for it",
        "it is created again as it was, from the vault, unless somebody else has done so",
        _PROBE,
        "an application that needs it to start, and is started; a Secret that is not immutable",
    )

    name: ObjectName = _NAME


class SecretRotate(FaultModel):
    """A password, token or key that is wrong, as after a rotation that nobody was told of."""

    about: ClassVar[About] = About(
        Family.SECRET,
        Hits.NAMED,
        "gives a key of a Secret a random value of the same length and the same kinds of characters",
        _UNDONE,
        _PROBE,
        _NEEDS,
    )

    name: ObjectName = _NAME
    key: str = Field(min_length=1, max_length=253, pattern=r"^[-._a-zA-Z0-9]+$", description="Which key.")


class CertificateFlaw(StrEnum):
    """What is wrong with a certificate."""

    EXPIRED = "Expired"
    WRONG_HOST = "WrongHost"


class CertificateSecretExpired(FaultModel):
    """A certificate that has expired, or is for another host."""

    about: ClassVar[About] = About(
        Family.SECRET,
        Hits.NAMED,
        "replaces certificate and key of a Secret of type kubernetes.io/tls by a self-signed pair that has expired, or "
        "is valid as long as the original and for another host",
        _UNDONE,
        _PROBE,
        _NEEDS,
    )

    name: ObjectName = _NAME
    flaw: CertificateFlaw = Field(default=CertificateFlaw.EXPIRED, description="Expired or WrongHost.")
