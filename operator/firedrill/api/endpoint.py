"""Where a model or a service is reached, and in which tongue it is spoken to."""

from enum import StrEnum
from typing import Annotated

from pydantic import ConfigDict, Field, model_validator

from firedrill.api.base import Duration, Model, parse_duration
from firedrill.api.credentials import CredentialsRef, Host
from firedrill.api.run import Name

Url = Annotated[str, Field(max_length=2048, pattern=r"^https?://[^\s]+$")]
HttpPath = Annotated[str, Field(min_length=1, max_length=1024, pattern=r"^/[^\s]*$")]
ColumnName = Annotated[str, Field(min_length=1, max_length=253)]


class TensorType(StrEnum):
    """Types of a tensor in the Open Inference Protocol."""

    FP64 = "FP64"
    FP32 = "FP32"
    FP16 = "FP16"
    INT64 = "INT64"
    INT32 = "INT32"
    INT16 = "INT16"
    INT8 = "INT8"
    UINT8 = "UINT8"
    BOOL = "BOOL"
    BYTES = "BYTES"


class Transport(StrEnum):
    """How the Open Inference Protocol is carried."""

    HTTP = "Http"
    GRPC = "Grpc"


class TensorLayout(StrEnum):
    """Whether a row is one tensor, or each column is one."""

    ROW = "Row"
    COLUMNS = "Columns"


class OpenInference(Model):
    """A server of the Open Inference Protocol, version 2: MLServer, KServe, Triton and others."""

    url: Url = Field(description="Base address, without /v2. For Grpc its host and port count; https is TLS.")
    model: str = Field(min_length=1, max_length=253, description="Name of the model.")
    version: str | None = Field(default=None, max_length=64, description="Version; else the server's default.")
    transport: Transport = Field(default=Transport.HTTP, description="Http or Grpc.")
    layout: TensorLayout = Field(default=TensorLayout.ROW, description="Row: one tensor. Columns: a tensor a column.")
    input_name: str | None = Field(
        default=None,
        max_length=128,
        description="Name of the input tensor; else from the model's metadata, or input-0. Not for Columns.",
    )
    datatype: TensorType | None = Field(
        default=None, description="Type of the input tensor; else from the model's metadata, or FP64."
    )
    output_name: str | None = Field(
        default=None, max_length=128, description="Name of the output tensor that holds the prediction; else the first."
    )


class KServeService(Model):
    """An InferenceService of KServe in the target, by name: its address, model and protocol are read from it."""

    name: Name = Field(description="Name of the InferenceService.")
    namespace: Name = Field(description="Its namespace in the target.")
    model: str | None = Field(default=None, max_length=253, description="Name of the model; else that of the service.")


class InvocationsFormat(StrEnum):
    """How rows are written for /invocations."""

    DATAFRAME_SPLIT = "DataframeSplit"
    DATAFRAME_RECORDS = "DataframeRecords"
    INSTANCES = "Instances"
    CSV = "Csv"


class Invocations(Model):
    """A server with /ping and /invocations: MLflow, and any container made for SageMaker."""

    url: Url = Field(description="Base address, without /invocations.")
    format: InvocationsFormat = Field(
        default=InvocationsFormat.DATAFRAME_SPLIT,
        description="Csv has no header, as SageMaker's own containers want it.",
    )


class Chat(Model):
    """A server of the chat completions API, as OpenAI has it; vLLM and others have it, too."""

    url: Url = Field(description="Base address up to and with /v1.")
    model: str = Field(min_length=1, max_length=253, description="Name of the model.")
    prompt_column: ColumnName = Field(default="prompt", description="Column with what the user says.")
    system: str | None = Field(default=None, max_length=8192, description="What the system says before.")
    max_tokens: int = Field(default=64, ge=1, le=32768, description="Longest answer.")
    temperature: float = Field(default=0.0, ge=0, le=2, description="0 asks for the likeliest answer.")


class RowForm(StrEnum):
    """How a row is written in JSON."""

    OBJECT = "Object"
    LIST = "List"
    VALUE = "Value"


class JsonEndpoint(Model):
    """A service that takes a row as JSON and answers JSON, mapped field by field."""

    url: Url = Field(description="Address that rows are posted to.")
    health_path: HttpPath | None = Field(default=None, description="Asked before; any 2xx is ready.")
    form: RowForm = Field(
        default=RowForm.OBJECT,
        description="Object: columns by name. List: values in the order of columns. Value: the only column's value.",
    )
    request_path: list[Annotated[str, Field(max_length=128)]] = Field(
        default_factory=list,
        max_length=8,
        description="Where the row goes: names of fields, [] for the only item of a list. Empty: the row is the body.",
    )
    constants: dict[Annotated[str, Field(max_length=128)], Annotated[str, Field(max_length=1024)]] = Field(
        default_factory=dict, max_length=16, description="More fields of the body, as text."
    )
    prediction: str = Field(
        default="$.prediction", min_length=1, max_length=512, description="JSONPath of the prediction in the answer."
    )


class SageMaker(Model):
    """An endpoint of Amazon SageMaker. Credentials come from the SDK's own chain: roles of the pod, or a Secret."""

    endpoint_name: str = Field(min_length=1, max_length=63, description="Name of the endpoint.")
    region: str | None = Field(default=None, max_length=32, description="Region; else from the environment.")
    variant: str | None = Field(default=None, max_length=63, description="Production variant that is asked.")
    format: InvocationsFormat = Field(default=InvocationsFormat.CSV, description="How rows are written.")
    control_url: Url | None = Field(default=None, description="Another address of the SageMaker API, for doubles.")
    runtime_url: Url | None = Field(default=None, description="Another address of its runtime, for doubles.")


class ModelEndpoint(Model):
    """The model under test, as seen from inside the target: exactly one protocol."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1})

    open_inference: OpenInference | None = Field(default=None, description="Open Inference Protocol, version 2.")
    kserve: KServeService | None = Field(default=None, description="An InferenceService by name.")
    invocations: Invocations | None = Field(default=None, description="MLflow, or a container made for SageMaker.")
    chat: Chat | None = Field(default=None, description="OpenAI-compatible chat completions.")
    json_: JsonEndpoint | None = Field(default=None, alias="json", description="JSON over HTTP, mapped by fields.")
    sage_maker: SageMaker | None = Field(default=None, description="A SageMaker endpoint.")
    timeout: Duration = Field(default=parse_duration("5s"), description="Limit for one request.")
    credentials: CredentialsRef | None = Field(
        default=None,
        description="Secret with token (sent as bearer), or username and password (basic; for sageMaker the access "
        "key and its secret), and ca.crt; each may be absent.",
    )
    tls_server_name: Host | None = Field(
        default=None, description="Name in the server's certificate, where it is not that of the address."
    )

    @model_validator(mode="after")
    def _exactly_one(self) -> "ModelEndpoint":
        given = [name for name in PROTOCOLS if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(
                f"set exactly one of openInference, kserve, invocations, chat, json, sageMaker; {len(given)} are set"
            )
        return self


PROTOCOLS = ("open_inference", "kserve", "invocations", "chat", "json_", "sage_maker")
