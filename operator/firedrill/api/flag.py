"""Inner faults of simulated services."""

from enum import StrEnum
from typing import Final

from pydantic import Field

from firedrill.api.base import Model

#: Where a Simulation keeps its flags: a ConfigMap of its namespace, and the key in it.
FLAGS_CONFIGMAP: Final = "flags"
FLAGS_KEY: Final = "flags.json"


class FlagName(StrEnum):
    """Inner faults of simulated services."""

    FAILURE = "failure"
    UNREACHABLE = "unreachable"
    SLOW = "slow"
    HIGH_CPU = "highCpu"
    MANUAL_GC = "manualGc"
    MEMORY_LEAK = "memoryLeak"
    DISK_FILL = "diskFill"
    FAILED_READINESS = "failedReadiness"
    QUEUE_PROBLEMS = "queueProblems"
    POISON_MESSAGE = "poisonMessage"
    CACHE_FAILURE = "cacheFailure"
    STALE_CONFIG = "staleConfig"
    THROTTLE = "throttle"
    SLOW_QUERIES = "slowQueries"
    LOG_STORM = "logStorm"
    FLOOD_ENTRY = "floodEntry"
    AUDIT_FLOOD = "auditFlood"
    HEARTBEAT_LOSS = "heartbeatLoss"
    EXPIRED_CERTIFICATE = "expiredCertificate"


class Flag(Model):
    """An inner fault that is on."""

    service: str = Field(max_length=40, pattern=r"^(\*|[a-z]([-a-z0-9]*[a-z0-9])?)$", description="A service, or *.")
    name: FlagName = Field(description="Which fault.")
    value: float = Field(ge=0, le=1_000_000, description="Its strength; the reference of flags says in which unit.")
