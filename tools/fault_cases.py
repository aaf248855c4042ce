"""One case of each fault that can be timed, by what it takes: an API server alone, or pods that run."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

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

_STORES: Final = "a data store's own time decides: it is practised by `make e2e-data`"
_ENGINES: Final = "another engine's own time decides: it is practised by `make e2e-engines` and the integration tests"
#: What is not timed, and why not.
UNTIMED: Final[Mapping[str, str]] = MappingProxyType(
    {
        "nodeNotReady": "the control plane's time decides, 40 s and more: it is practised by `make e2e-faults`",
        **dict.fromkeys(("chaosToolkit", "chaosMesh", "awsFis", "litmus"), _ENGINES),
        **dict.fromkeys(("databaseLock", "databaseSlow", "databaseConnections", "databaseRevoke"), _STORES),
        **dict.fromkeys(("databasePassword", "kafkaConsumerLag", "kafkaPoisonMessage", "cacheFlush"), _STORES),
    }
)
