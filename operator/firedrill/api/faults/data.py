"""Faults of data stores that were not prepared for them, by connections of our own."""

from datetime import timedelta
from typing import Annotated, Any, ClassVar, Final

from pydantic import Field, field_validator, model_validator

from firedrill.api.base import Duration, parse_duration
from firedrill.api.credentials import CredentialsRef, Port, somebody_logs_in
from firedrill.api.faults.about import About, Family, FaultModel, Hits
from firedrill.api.faults.config import ObjectName

_NEEDS: Final = "a login, in a Secret that the resource may use; a Service with selector in the target's namespace"
_SERVER: Final = (
    "our sessions are ended, and the server is seen to list none of them; left alone, the server ends them by a "
    "timeout that is set before anything is done"
)
_MOMENT: Final = "it can not be undone: what it leaves is declared as a residue"
#: Table, or schema and table; capitals count.
TableName = Annotated[
    str, Field(max_length=127, pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,62}(\.[A-Za-z_][A-Za-z0-9_]{0,62})?$")
]
_Tables = Annotated[list[TableName], Field(min_length=1, max_length=16)]
_TOPIC: Final = r"^[A-Za-z0-9._-]+$"


def _about(does: str, undone: str, proven: str, needs: str = "", *, instant: bool = False) -> About:
    return About(Family.DATA, Hits.NAMED, does, undone, proven, f"{_NEEDS}{needs}", instant)


class StoreFault(FaultModel):
    """A fault of a data store behind a Service of the target's namespace."""

    service: ObjectName = Field(description="Its Service, in the target's namespace.")
    secret_ref: CredentialsRef | None = Field(
        default=None, description="Secret with username and password, and ca.crt for TLS."
    )
    tls: bool = Field(
        default=False, description="Whether to use TLS, verified by ca.crt of the Secret, else by the system's."
    )
    port: Port = Field(description="TCP port of the Service.")


class DatabaseFault(StoreFault):
    """A fault of a Postgres."""

    port: Port = Field(default=5432, description="TCP port of the Service.")
    database: str = Field(
        min_length=1, max_length=63, pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]*$", description="Name of the database."
    )
    username: str | None = Field(
        default=None,
        min_length=1,
        max_length=63,
        pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.@-]*$",
        description="When absent, username of the Secret.",
    )

    @model_validator(mode="after")
    def _somebody_logs_in(self) -> "DatabaseFault":
        somebody_logs_in(self.username, self.secret_ref)
        return self


class DatabaseLock(DatabaseFault):
    """Tables that nobody can read or write."""

    about: ClassVar[About] = _about(
        "holds an ACCESS EXCLUSIVE lock of tables of a Postgres in a transaction that does nothing else",
        _SERVER,
        "the lock and the sessions that wait for it, as the server lists them",
        "; a role that may update or own the tables",
    )

    tables: _Tables = Field(description="Tables, with their schema where it is not on the search path.")


class DatabaseSlow(DatabaseFault):
    """Tables that are locked again and again, for a moment each time."""

    about: ClassVar[About] = _about(
        "holds an ACCESS EXCLUSIVE lock of tables of a Postgres for a moment, again and again: who asks waits so long",
        _SERVER,
        "sessions that were seen to wait for the lock, as the server lists them",
        "; a role that may update or own the tables",
    )

    tables: _Tables = Field(description="Tables, with their schema where it is not on the search path.")
    pulse: Duration = Field(default=parse_duration("500ms"), description="How long it is held, 50ms to 10s.")
    interval: Duration = Field(default=parse_duration("1s"), description="From one pulse to the next, at most 60s.")

    @model_validator(mode="after")
    def _pulses_leave_room(self) -> "DatabaseSlow":
        if not timedelta(milliseconds=50) <= self.pulse <= timedelta(seconds=10):
            raise ValueError("pulse must be between 50ms and 10s")
        if not self.pulse < self.interval <= timedelta(seconds=60):
            raise ValueError("interval must be longer than pulse, and at most 60s")
        return self


class DatabaseConnections(DatabaseFault):
    """No connection is left for others."""

    about: ClassVar[About] = _about(
        "opens idle sessions of a Postgres until but a few are left",
        _SERVER,
        "the server's own count of what is left, or its refusal of one more",
        "; Postgres 14 or later",
    )

    reserve: int = Field(
        default=0, ge=0, le=10000, description="So many are left to others, beside those of superusers."
    )
    max_sessions: int = Field(
        default=500, ge=1, le=1000, description="More are not opened; where that is not enough, nothing is."
    )


class DatabaseRevoke(DatabaseFault):
    """A role that may not do any more what it needs."""

    about: ClassVar[About] = _about(
        "revokes what a role of a Postgres was granted on tables, as the server lists it",
        "each privilege that is missing is granted again as it was, and seen there; what others changed since stays",
        "the server's word that the role may not use the table any more",
        "; a role that owns the tables, or a superuser; a login after the fault that works",
    )

    role: str = Field(
        min_length=1, max_length=63, pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.@-]*$", description="The role that suffers."
    )
    tables: _Tables = Field(description="Tables, with their schema where it is not on the search path.")


class DatabasePassword(DatabaseFault):
    """A role whose password is no longer the right one."""

    about: ClassVar[About] = _about(
        "gives a role of a Postgres a password that nobody knows: who logs in anew is refused, open sessions stay "
        "unless endSessions is set",
        "the original verifier, which was kept in the family's vault, is set again where ours still is, and seen there",
        "the server's own list, which holds our verifier for that role",
        "; a superuser, which is not the role that suffers; a server that is no standby",
    )

    role: str = Field(
        min_length=1,
        max_length=63,
        pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.@-]*$",
        description="The role that suffers; never the one that logs in for us.",
    )
    end_sessions: bool = Field(
        default=False,
        description="Whether its sessions are ended once: a pool would go on over those that are open. What was not "
        "committed is rolled back.",
    )

    @model_validator(mode="after")
    def _not_our_own(self) -> "DatabasePassword":
        if self.username == self.role:
            raise ValueError("role must be another one than username, which has to log in to undo it")
        return self


class KafkaFault(StoreFault):
    """A fault of a Kafka. With secretRef, SASL PLAIN is used."""

    port: Port = Field(default=9092, description="TCP port of the Service.")
    topic: str = Field(min_length=1, max_length=249, pattern=_TOPIC, description="Name of the topic.")


class KafkaConsumerLag(KafkaFault):
    """A consumer group some of whose partitions nobody works on."""

    about: ClassVar[About] = _about(
        "joins a consumer group of a Kafka with members that take partitions and do nothing with them",
        "our members leave, and the group is seen without them; left alone, the broker drops them after 10 s",
        "the partitions that the group has given to our members",
        "; a group of members that balance by themselves",
    )

    group: str = Field(min_length=1, max_length=249, description="Name of the consumer group.")
    members: int = Field(default=1, ge=1, le=16, description="How many of ours join.")


class KafkaPoisonMessage(KafkaFault):
    """Messages that nobody can read."""

    about: ClassVar[About] = _about(
        "produces messages to a topic of a Kafka that are no text, no JSON, no Avro and no Protobuf",
        _MOMENT,
        "the broker's acknowledgement with partition and offset",
        instant=True,
    )

    count: int = Field(default=1, ge=1, le=100, description="How many.")
    partition: int | None = Field(default=None, ge=0, le=9999, description="Which partition; when absent any.")


class CacheFlush(StoreFault):
    """A cache that is empty."""

    about: ClassVar[About] = _about(
        "deletes the keys of a Redis or Valkey, all of one database or those that match a pattern",
        _MOMENT,
        "the server's own count of keys, before and after",
        instant=True,
    )

    port: Port = Field(default=6379, description="TCP port of the Service.")
    database: int = Field(default=0, ge=0, le=1023, description="Number of the database.")
    pattern: str | None = Field(
        default=None, min_length=1, max_length=512, description="Keys, as of SCAN MATCH; when absent all of them."
    )
    acknowledge_data_loss: bool = Field(
        json_schema_extra={"enum": [True]},
        description="Must be true: what is deleted does not come back, unless the application fills it again.",
    )

    @field_validator("acknowledge_data_loss")
    @classmethod
    def _is_acknowledged(cls, value: bool) -> bool:
        if not value:
            raise ValueError("must be true: what is deleted does not come back by itself")
        return value

    @field_validator("pattern")
    @classmethod
    def _is_no_nul(cls, value: Any) -> Any:
        if value is not None and "\0" in value:
            raise ValueError("must not contain the character NUL")
        return value
