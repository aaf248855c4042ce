"""Values that inner fault flags may have. The flags server refuses a whole document for one value outside of these."""

from collections.abc import Mapping
from typing import Final

from firedrill.api.flag import FlagName

#: Lowest and highest value of each flag, both allowed, in the unit of the flag.
RANGES: Final[Mapping[FlagName, tuple[float, float]]] = {
    FlagName.FAILURE: (0, 1),
    FlagName.UNREACHABLE: (0, 1),
    FlagName.SLOW: (0, 300),
    FlagName.HIGH_CPU: (0, 1),
    FlagName.MANUAL_GC: (0, 3600),
    FlagName.MEMORY_LEAK: (0, 1024),
    FlagName.DISK_FILL: (0, 1024),
    FlagName.FAILED_READINESS: (0, 1),
    FlagName.QUEUE_PROBLEMS: (0, 3600),
    FlagName.POISON_MESSAGE: (0, 1),
    FlagName.CACHE_FAILURE: (0, 1),
    FlagName.STALE_CONFIG: (0, 1),
    FlagName.THROTTLE: (0, 1e6),
    FlagName.SLOW_QUERIES: (0, 1),
    FlagName.LOG_STORM: (0, 1e5),
    FlagName.FLOOD_ENTRY: (0, 1000),
    FlagName.AUDIT_FLOOD: (0, 1e5),
    FlagName.HEARTBEAT_LOSS: (0, 1),
    FlagName.EXPIRED_CERTIFICATE: (0, 1),
}
