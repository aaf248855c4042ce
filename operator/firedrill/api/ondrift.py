"""What a DriftCheck starts when it has found drift, and what is remembered of it."""

import re
from datetime import timedelta
from typing import Annotated, Final

from pydantic import ConfigDict, Field, field_validator, model_validator
from pydantic.alias_generators import to_camel

from firedrill.api.base import Duration, LenientModel, Model, Time, exactly_one, parse_duration
from firedrill.api.credentials import CredentialsRef
from firedrill.api.run import Name

#: Condition that says whether something was started.
REACTED: Final = "Reacted"

_HeaderName = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9-]+$")]
_HeaderValue = Annotated[str, Field(max_length=512, pattern=r"^[\x20-\x7e]*$")]
_ParameterName = Annotated[str, Field(min_length=1, max_length=256, pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$")]
_Parameters = dict[_ParameterName, Annotated[str, Field(max_length=1024)]]
_A_YEAR: Final = timedelta(days=366)
#: The request itself sets these.
_OWN_HEADERS: Final = frozenset({"content-type", "content-length", "host", "idempotency-key", "transfer-encoding"})


class Webhook(Model):
    """A POST of JSON that says which resource and run found drift, and in which columns. It is tried up to four times
    and may arrive more than once: all tries of a run carry the same header Idempotency-Key. Redirects are refused."""

    url: str = Field(max_length=2048, pattern=r"^https://[^\s]+$", description="Address, over TLS.")
    headers: dict[_HeaderName, _HeaderValue] = Field(
        default_factory=dict, max_length=16, description="More headers, nothing secret."
    )
    secret_ref: CredentialsRef | None = Field(
        default=None, description="Secret with token, or with username and password, and ca.crt; each may be absent."
    )
    token_header: _HeaderName | None = Field(
        default=None, description="Header that holds the token as it is, such as X-Api-Key; else it is sent as bearer."
    )
    timeout: Duration = Field(default=parse_duration("10s"), description="Limit for one try, at most 1m.")

    @field_validator("timeout")
    @classmethod
    def _is_short(cls, value: Duration) -> Duration:
        if not 0 < value.total_seconds() <= 60:
            raise ValueError("must be more than 0s and at most 1m")
        return value

    @model_validator(mode="after")
    def _headers_are_free(self) -> "Webhook":
        taken = sorted(name for name in self.headers if name.lower() in _OWN_HEADERS)
        if taken:
            raise ValueError(f"headers can not hold {taken[0]}: the request sets it")
        if self.token_header and self.secret_ref is None:
            raise ValueError("tokenHeader needs secretRef")
        return self


class AddressesRef(CredentialsRef):
    """A Secret as others that are named, with addresses of people: they hold tokens."""

    name: Name = Field(description="Secret with the key urls: addresses as Apprise writes them, one a line.")


class Notification(Model):
    """A message to people: a chat, a pager, mail, by Apprise. Each address is tried up to four times, so that it may be
    told more than once."""

    secret_ref: AddressesRef = Field(description="Secret with the addresses.")


class CronJobStart(Model):
    """A Job made of the template of a CronJob, as `kubectl create job --from` makes it. The CronJob must have the label
    firedrill.dev/hub-namespace with the namespace of the resource, and its namespace be one of the chart's
    target.pipelines.namespaces."""

    namespace: Name = Field(description="Namespace of the CronJob in the target.")
    cron_job: Name = Field(description="Name of the CronJob; it may be suspended.")


class ArgoWorkflowStart(Model):
    """A Workflow of Argo from a WorkflowTemplate, which must have the label firedrill.dev/hub-namespace with the
    namespace of the resource; its namespace must be one of the chart's target.pipelines.namespaces."""

    namespace: Name = Field(description="Namespace of the WorkflowTemplate in the target.")
    workflow_template: Name = Field(description="Name of the WorkflowTemplate.")
    parameters: _Parameters = Field(default_factory=dict, max_length=32, description="Arguments of the Workflow.")


class SageMakerPipelineStart(Model):
    """An execution of a pipeline of Amazon SageMaker. Without secretRef the runner's own identity starts it, and the
    policy of the target must name the pipeline (sageMakerPipelines)."""

    pipeline_name: str = Field(
        max_length=256, pattern=r"^[a-zA-Z0-9](-*[a-zA-Z0-9])*$", description="Name of the pipeline."
    )
    region: str | None = Field(
        default=None, max_length=32, pattern=r"^[a-z0-9-]+$", description="Else from the environment."
    )
    parameters: _Parameters = Field(default_factory=dict, max_length=32, description="Parameters of the execution.")
    secret_ref: CredentialsRef | None = Field(
        default=None, description="Secret with an access key as username and password."
    )
    endpoint_url: str | None = Field(
        default=None, max_length=2048, pattern=r"^https?://[^\s]+$", description="Of another SageMaker, for doubles."
    )


class DriftAction(Model):
    """Exactly one thing that is started."""

    model_config = ConfigDict(
        json_schema_extra=lambda schema: schema.update(
            minProperties=1, maxProperties=1, **exactly_one(schema["properties"])
        )
    )

    webhook: Webhook | None = Field(default=None, description="A request to an address.")
    notification: Notification | None = Field(default=None, description="A message to people.")
    job: CronJobStart | None = Field(default=None, description="A Job in the target.")
    argo_workflow: ArgoWorkflowStart | None = Field(default=None, description="A Workflow of Argo in the target.")
    sage_maker_pipeline: SageMakerPipelineStart | None = Field(default=None, description="A pipeline of SageMaker.")

    @model_validator(mode="after")
    def _exactly_one(self) -> "DriftAction":
        given = [name for name in ACTIONS if getattr(self, name) is not None]
        if len(given) != 1:
            shown = ", ".join(to_camel(name) for name in ACTIONS)
            raise ValueError(f"set exactly one of {shown}; {len(given)} are set")
        return self

    @property
    def label(self) -> str:
        """What is started, in words; of a webhook the host alone, as chat services keep their secret in the path."""
        if self.webhook is not None:
            authority = re.split(r"[/?#\\]", self.webhook.url.partition("://")[2], maxsplit=1)[0]
            return f"POST to {authority.rpartition('@')[2]}"
        if self.notification is not None:
            return f"message by Secret {self.notification.secret_ref.name}"
        if self.job is not None:
            return f"Job from CronJob {self.job.namespace}/{self.job.cron_job}"
        if self.argo_workflow is not None:
            asked = self.argo_workflow
            return f"Workflow from WorkflowTemplate {asked.namespace}/{asked.workflow_template}"
        assert self.sage_maker_pipeline is not None
        return f"SageMaker pipeline {self.sage_maker_pipeline.pipeline_name}"

    @property
    def namespace(self) -> str:
        """Namespace of the target in which something is created; empty where nothing is."""
        asked = self.job or self.argo_workflow
        return asked.namespace if asked else ""


#: Members of the union, in the order of the model.
ACTIONS: Final = tuple(DriftAction.model_fields)


class OnDrift(Model):
    """What is started when a run has found drift; with failureThreshold, when that is reached."""

    cooldown: Duration = Field(
        default=parse_duration("24h"),
        description="Nothing is started in a target until so long after the last start there; at most 8784h, a year.",
    )
    actions: list[DriftAction] = Field(
        min_length=1, max_length=8, description="Started one after the other; one that fails holds up no other."
    )

    @field_validator("cooldown")
    @classmethod
    def _ends(cls, value: Duration) -> Duration:
        if value > _A_YEAR:
            raise ValueError("must be at most 8784h, a year")
        return value


class Reacted(LenientModel):
    """That a run has begun to act on drift; written before it does, and kept until a later run does."""

    run_id: str = Field(max_length=16)
    at: Time
    message: str = Field(default="", max_length=1024, description="The verdict that it acts on.")
    drifted: list[str] = Field(default_factory=list, max_length=100, description="Columns that have drifted.")


class Earlier(LenientModel):
    """What earlier runs mean for what this one may start."""

    reacted: Reacted | None = Field(default=None, description="The last run that acted in this target.")
    failed: int = Field(default=0, description="Failed runs among those that failureThreshold looks at, before this.")
