"""Exactly one fault of all that there are."""

from types import MappingProxyType
from typing import Final

from pydantic import ConfigDict, Field, model_validator
from pydantic.alias_generators import to_camel

from firedrill.api.base import Model
from firedrill.api.faults.about import About, FaultModel
from firedrill.api.faults.awsfis import AwsFis
from firedrill.api.faults.config import (
    ConfigDrift,
    ConfigMapDelete,
    HpaSqueeze,
    ServiceDelete,
    SimulationFlag,
    WrongPort,
    WrongSelector,
)
from firedrill.api.faults.controlplane import (
    ApiSurge,
    LimitRangeBlock,
    PdbBlock,
    QuotaExhausted,
    RbacRevoked,
    WebhookFailure,
    WebhookSlow,
)
from firedrill.api.faults.data import (
    CacheFlush,
    DatabaseConnections,
    DatabaseLock,
    DatabasePassword,
    DatabaseRevoke,
    DatabaseSlow,
    KafkaConsumerLag,
    KafkaPoisonMessage,
)
from firedrill.api.faults.engines import ChaosToolkit
from firedrill.api.faults.network import ConnectionReset, DnsFailure, NetworkDeny, NetworkPartition, PacketLoss
from firedrill.api.faults.node import ExtendedResourceLoss, NodeCordon, NodeDrain, NodeNotReady, NodeTaint
from firedrill.api.faults.operators import ChaosMesh, Litmus
from firedrill.api.faults.pods import ContainerKill, FinalizerBlock, PodEvict, PodFailure, PodKill
from firedrill.api.faults.secrets import CertificateSecretExpired, SecretDelete, SecretRotate
from firedrill.api.faults.stress import ConnectionExhaustion, CpuStress, DiskFill, MemoryStress, OomKill
from firedrill.api.faults.traffic import (
    BandwidthLimit,
    CertificateWrong,
    DnsAnswer,
    HttpAbort,
    HttpDelay,
    HttpReplace,
    NetworkLatency,
)
from firedrill.api.faults.workload import (
    CommandBreak,
    CrashLoop,
    DnsBreak,
    EnvDrift,
    ImageBreak,
    InitContainer,
    LimitsSqueeze,
    MissingConfig,
    MissingServiceAccount,
    MissingVolume,
    PortConflict,
    ProbeBreak,
    RolloutStuck,
    Scale,
    SchedulingBlock,
    SecurityBreak,
)


class Fault(Model):
    """Exactly one fault."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1, "maxProperties": 1})

    pod_kill: PodKill | None = Field(default=None, description="Delete pods.")
    pod_evict: PodEvict | None = Field(default=None, description="Evict pods.")
    pod_failure: PodFailure | None = Field(default=None, description="Let running pods fail.")
    finalizer_block: FinalizerBlock | None = Field(default=None, description="Pods that can not be deleted.")
    container_kill: ContainerKill | None = Field(default=None, description="End a container of running pods.")
    scale: Scale | None = Field(default=None, description="Change the number of pods.")
    image_break: ImageBreak | None = Field(default=None, description="An image that can not be pulled.")
    command_break: CommandBreak | None = Field(default=None, description="A command that does not exist.")
    crash_loop: CrashLoop | None = Field(default=None, description="A container that crashes again and again.")
    init_container: InitContainer | None = Field(default=None, description="An init container that hangs or crashes.")
    probe_break: ProbeBreak | None = Field(default=None, description="A probe that nobody answers.")
    rollout_stuck: RolloutStuck | None = Field(default=None, description="A rollout that never ends.")
    limits_squeeze: LimitsSqueeze | None = Field(default=None, description="Less processor or memory.")
    env_drift: EnvDrift | None = Field(default=None, description="A wrong environment variable.")
    missing_volume: MissingVolume | None = Field(default=None, description="A volume claim that does not exist.")
    missing_config: MissingConfig | None = Field(default=None, description="A ConfigMap that does not exist.")
    missing_service_account: MissingServiceAccount | None = Field(default=None, description="Nobody to run as.")
    dns_break: DnsBreak | None = Field(default=None, description="A name server that does not answer.")
    security_break: SecurityBreak | None = Field(default=None, description="A security context that can not be met.")
    port_conflict: PortConflict | None = Field(default=None, description="A sidecar on the application's port.")
    scheduling_block: SchedulingBlock | None = Field(default=None, description="Pods that no node takes.")
    config_drift: ConfigDrift | None = Field(default=None, description="A wrong value in a ConfigMap.")
    wrong_port: WrongPort | None = Field(default=None, description="A Service that leads to a wrong port.")
    wrong_selector: WrongSelector | None = Field(default=None, description="A Service that selects no pod.")
    service_delete: ServiceDelete | None = Field(default=None, description="A Service that is gone.")
    config_map_delete: ConfigMapDelete | None = Field(default=None, description="A ConfigMap that is gone.")
    secret_delete: SecretDelete | None = Field(default=None, description="A Secret that is gone.")
    secret_rotate: SecretRotate | None = Field(default=None, description="A wrong value in a Secret.")
    certificate_secret_expired: CertificateSecretExpired | None = Field(
        default=None, description="A certificate that no client should accept."
    )
    hpa_squeeze: HpaSqueeze | None = Field(default=None, description="An autoscaler that may not scale.")
    simulation_flag: SimulationFlag | None = Field(default=None, description="A flag of a Simulation.")
    packet_loss: PacketLoss | None = Field(default=None, description="Drop packets.")
    network_partition: NetworkPartition | None = Field(default=None, description="Cut pods off.")
    connection_reset: ConnectionReset | None = Field(default=None, description="Reset connections.")
    dns_failure: DnsFailure | None = Field(default=None, description="Let no name be resolved.")
    network_latency: NetworkLatency | None = Field(default=None, description="Let answers come later.")
    bandwidth_limit: BandwidthLimit | None = Field(default=None, description="Let answers come slowly.")
    http_abort: HttpAbort | None = Field(default=None, description="Answer HTTP requests with an error.")
    http_delay: HttpDelay | None = Field(default=None, description="Let HTTP requests come later.")
    http_replace: HttpReplace | None = Field(default=None, description="Give HTTP answers another body.")
    dns_answer: DnsAnswer | None = Field(default=None, description="Answer questions for names wrongly.")
    certificate_wrong: CertificateWrong | None = Field(default=None, description="Show a wrong certificate.")
    cpu_stress: CpuStress | None = Field(default=None, description="Keep processors busy.")
    memory_stress: MemoryStress | None = Field(default=None, description="Hold memory.")
    oom_kill: OomKill | None = Field(default=None, description="Use up the memory limit.")
    disk_fill: DiskFill | None = Field(default=None, description="Fill a file system.")
    connection_exhaustion: ConnectionExhaustion | None = Field(default=None, description="Hold many connections.")
    network_deny: NetworkDeny | None = Field(default=None, description="A NetworkPolicy that allows nothing.")
    quota_exhausted: QuotaExhausted | None = Field(default=None, description="No new pods are admitted.")
    limit_range_block: LimitRangeBlock | None = Field(default=None, description="Limits that no pod can keep to.")
    pdb_block: PdbBlock | None = Field(default=None, description="No pod may be evicted.")
    webhook_failure: WebhookFailure | None = Field(default=None, description="An admission webhook that is away.")
    webhook_slow: WebhookSlow | None = Field(default=None, description="An admission webhook that takes its time.")
    api_surge: ApiSurge | None = Field(default=None, description="An API server that is asked too much.")
    rbac_revoked: RbacRevoked | None = Field(default=None, description="Rights that are taken away.")
    node_cordon: NodeCordon | None = Field(default=None, description="Nodes that take no new pods.")
    node_taint: NodeTaint | None = Field(default=None, description="Nodes with a taint.")
    node_drain: NodeDrain | None = Field(default=None, description="Nodes that are emptied.")
    node_not_ready: NodeNotReady | None = Field(default=None, description="A node that is not heard from.")
    extended_resource_loss: ExtendedResourceLoss | None = Field(
        default=None, description="Nodes that have a device no more."
    )
    chaos_toolkit: ChaosToolkit | None = Field(default=None, description="An experiment of Chaos Toolkit.")
    chaos_mesh: ChaosMesh | None = Field(default=None, description="An object of Chaos Mesh.")
    aws_fis: AwsFis | None = Field(default=None, description="An experiment of AWS Fault Injection Service.")
    litmus: Litmus | None = Field(default=None, description="An experiment of Litmus.")

    database_lock: DatabaseLock | None = Field(default=None, description="Tables that are locked.")
    database_slow: DatabaseSlow | None = Field(default=None, description="Tables that are locked again and again.")
    database_connections: DatabaseConnections | None = Field(default=None, description="No connection is left.")
    database_revoke: DatabaseRevoke | None = Field(default=None, description="A role without its grants.")
    database_password: DatabasePassword | None = Field(default=None, description="A role whose password is wrong.")
    kafka_consumer_lag: KafkaConsumerLag | None = Field(default=None, description="A group that falls behind.")
    kafka_poison_message: KafkaPoisonMessage | None = Field(default=None, description="Messages nobody can read.")
    cache_flush: CacheFlush | None = Field(default=None, description="A cache that is empty.")

    @model_validator(mode="after")
    def _exactly_one(self) -> "Fault":
        given = [to_camel(name) for name in FAULTS if getattr(self, name) is not None]
        if len(given) != 1:
            names = ", ".join(map(to_camel, FAULTS))
            raise ValueError(f"set exactly one of {names}; {', '.join(given) or 'none'} is set")
        return self

    @property
    def name(self) -> str:
        """The field that is set, as it is spelled in a resource."""
        return next(to_camel(name) for name in FAULTS if getattr(self, name) is not None)

    @property
    def chosen(self) -> FaultModel:
        """The one that is set."""
        given: list[FaultModel] = [found for name in FAULTS if (found := getattr(self, name)) is not None]
        return given[0]

    @property
    def about(self) -> About:
        """What is to be known of it."""
        return self.chosen.about

    @property
    def family(self) -> str:
        """The family that a TargetCluster's policy allows or not."""
        return self.about.family.value


def _members() -> dict[str, type[FaultModel]]:
    found = {}
    for name, field in Fault.model_fields.items():
        (member,) = [each for each in field.annotation.__args__ if each is not type(None)]  # type: ignore[union-attr]
        found[name] = member
    return found


#: Every fault by the name of its field.
FAULTS: Final = MappingProxyType(_members())
