"""One case of each fault that can be timed, by what it takes: an API server alone, or pods that run."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, NamedTuple

Object = dict[str, Any]
#: A device that the stand-in's nodes have.
DEVICE: Final = "firedrill.dev/gpu"

#: What is a value or an object: no process in a pod, no node.
API: Final[Mapping[str, Object]] = MappingProxyType(
    {
        "podKill": {},
        "podEvict": {},
        "podFailure": {},
        "finalizerBlock": {},
        "scale": {"replicas": 0},
        "imageBreak": {},
        "commandBreak": {},
        "crashLoop": {},
        "initContainer": {},
        "probeBreak": {"probe": "Readiness"},
        "rolloutStuck": {},
        "limitsSqueeze": {"memory": "8Mi"},
        "envDrift": {"name": "MODE", "value": "wrong"},
        "missingVolume": {},
        "missingConfig": {},
        "missingServiceAccount": {},
        "dnsBreak": {},
        "securityBreak": {},
        "portConflict": {"port": 8080},
        "schedulingBlock": {"rule": "NodeSelector"},
        "configDrift": {"name": "shop", "key": "mode", "value": "wrong"},
        "wrongPort": {"service": "shop"},
        "wrongSelector": {"service": "shop"},
        "serviceDelete": {"service": "shop"},
        "configMapDelete": {"name": "shop"},
        "secretDelete": {"name": "shop"},
        "secretRotate": {"name": "shop", "key": "password"},
        "certificateSecretExpired": {"name": "shop-tls"},
        "hpaSqueeze": {"name": "shop"},
        "simulationFlag": {"flag": {"service": "ledger", "name": "slow", "value": 9}},
        "networkDeny": {"direction": "Both"},
        "quotaExhausted": {},
        "limitRangeBlock": {},
        "pdbBlock": {},
        "webhookFailure": {},
        "webhookSlow": {"seconds": 10},
        "apiSurge": {"acknowledgeClusterWide": True, "rate": 50, "concurrency": 5},
        "rbacRevoked": {"roleBinding": "shop"},
        "nodeCordon": {},
        "nodeTaint": {},
        "nodeDrain": {},
        "extendedResourceLoss": {"resource": DEVICE},
    }
)

#: Of these, those that are timed on thousands of pods: some make one change a pod, by some all pods are replaced.
MANY: Final = ("podKill", "finalizerBlock", "scale", "imageBreak", "configDrift", "secretRotate")

#: What a process in the pod carries out, or the kubelet.
REAL: Final[Mapping[str, Object]] = MappingProxyType(
    {
        "packetLoss": {"percent": 60, "port": 8080},
        "networkPartition": {},
        "connectionReset": {"port": 8080},
        "dnsFailure": {},
        "networkLatency": {"port": 8080, "delay": "1s"},
        "bandwidthLimit": {"port": 8080, "rate": "64kbit"},
        "httpAbort": {"port": 8080, "percent": 70},
        "httpDelay": {"port": 8080, "delay": "1s"},
        "httpReplace": {"port": 8080, "body": "no", "status": 500},
        "dnsAnswer": {"answers": [{"name": "shop.svc.cluster.local"}]},
        "certificateWrong": {"port": 8443},
        "cpuStress": {},
        "memoryStress": {"limitPercent": 80},
        "oomKill": {},
        "diskFill": {"path": "/scratch", "freePercent": 100},
        "connectionExhaustion": {"port": 8080, "connections": 20},
        "containerKill": {},
    }
)


class Untimed(NamedTuple):
    """What carries out a fault that is not timed, and why it is not."""

    by: str
    why: str


_STORE: Final = Untimed("by a data store", "the store's own time decides; practised by `make e2e-data`")
_ENGINE: Final = Untimed(
    "by another engine", "the engine's own time decides; practised by `make e2e-engines` and `make integration`"
)
_NODE: Final = Untimed(
    "on a node that runs", "the control plane's time decides, 40 s and more; practised by `make e2e-faults`"
)
UNTIMED: Final[Mapping[str, Untimed]] = MappingProxyType(
    {
        "nodeNotReady": _NODE,
        **dict.fromkeys(("chaosToolkit", "chaosMesh", "awsFis", "litmus"), _ENGINE),
        **dict.fromkeys(("databaseLock", "databaseSlow", "databaseConnections", "databaseRevoke"), _STORE),
        **dict.fromkeys(("databasePassword", "kafkaConsumerLag", "kafkaPoisonMessage", "cacheFlush"), _STORE),
    }
)
