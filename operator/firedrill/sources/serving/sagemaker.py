"""An endpoint of Amazon SageMaker, through boto3.

Doubles of AWS answer an invocation of an endpoint that does not exist; so what an endpoint is, is asked before
anything is sent to it, and is asked of the control plane.
"""

import asyncio
import threading
from collections.abc import Sequence
from typing import Any, Final

from firedrill.api.endpoint import SageMaker
from firedrill.sources.errors import InvalidTable
from firedrill.sources.serving.http import MAX_BODY, Access, parse_json
from firedrill.sources.serving.invocations import RowWriter, invoked
from firedrill.sources.serving.port import Address, Columns, Facts, Ready, ReadyState, Reply, ReplyKind, Value

_ERROR_SHOWN: Final = 200
_IN_SERVICE: Final = "InService"
#: It serves while it is changed.
_SERVING: Final = (_IN_SERVICE, "Updating", "SystemUpdating", "RollingBack")


class SageMakerEndpoint:
    """Speaks to one endpoint. boto3 blocks, so each request has a thread while it is on its way."""

    def __init__(self, endpoint: SageMaker, access: Access, timeout: float) -> None:
        self._endpoint = endpoint
        self._access = access
        self._timeout = timeout
        self._writer = RowWriter(endpoint.format)
        self._clients: dict[str, Any] = {}
        self._lock = threading.Lock()

    @property
    def address(self) -> Address | None:
        """Requests are signed one by one."""
        return None

    async def ready(self) -> Ready:
        """Ask the control plane whether the endpoint exists and is in service."""
        name = self._endpoint.endpoint_name
        reply = await self._call("sagemaker", "describe_endpoint", EndpointName=name)
        if reply.kind in (ReplyKind.TIMEOUT, ReplyKind.TRANSPORT):
            return Ready(ReadyState.UNREACHABLE, f"SageMaker can not be reached: {reply.error}")
        if reply.kind is not ReplyKind.ANSWERED:
            missing = "could not find" in reply.error.lower() or "not found" in reply.error.lower()
            if missing:
                return Ready(ReadyState.NOT_FOUND, f"There is no endpoint {name!r}: {reply.error}")
            return Ready(ReadyState.NOT_READY, f"Endpoint {name!r} can not be looked at: {reply.error}")
        status = reply.body.get("EndpointStatus")
        if status not in _SERVING:
            why = f", {reply.body['FailureReason']}" if reply.body.get("FailureReason") else ""
            return Ready(ReadyState.NOT_READY, f"Endpoint {name!r} has status {status}{why}")
        variants = [item.get("VariantName") for item in reply.body.get("ProductionVariants") or []]
        wanted = self._endpoint.variant
        if wanted is not None and wanted not in variants:
            return Ready(ReadyState.NOT_FOUND, f"Endpoint {name!r} has no variant {wanted!r}; it has {variants}")
        return Ready(ReadyState.READY, f"Endpoint {name!r} has status {status}")

    async def prepare(self, columns: Columns) -> Facts:
        """Remember the columns; the version is the configuration that is deployed."""
        self._writer.columns = columns.names
        name = self._endpoint.endpoint_name
        reply = await self._call("sagemaker", "describe_endpoint", EndpointName=name)
        config = reply.body.get("EndpointConfigName", "") if reply.kind is ReplyKind.ANSWERED else ""
        return Facts(name, str(config), "sagemaker")

    def body(self, row: Sequence[Value | None]) -> bytes:
        """The request for one row."""
        return self._writer.body(row)

    async def ask(self, body: bytes) -> Reply:
        """Send one request; every failure is a reply."""
        more = {"TargetVariant": self._endpoint.variant} if self._endpoint.variant else {}
        reply = await self._call(
            "sagemaker-runtime",
            "invoke_endpoint",
            EndpointName=self._endpoint.endpoint_name,
            ContentType=self._writer.content_type,
            Accept="application/json",
            Body=body,
            **more,
        )
        return self.decode(reply) if reply.kind is ReplyKind.ANSWERED else reply

    def decode(self, reply: Reply) -> Reply:
        """The prediction in an answer."""
        return invoked(reply)

    async def _call(self, service: str, method: str, **arguments: Any) -> Reply:
        try:
            async with asyncio.timeout(self._timeout):
                return await asyncio.to_thread(self._ask, service, method, arguments)
        except TimeoutError:
            return Reply(ReplyKind.TIMEOUT, error=f"no answer within {self._timeout:g} s")

    def _ask(self, service: str, method: str, arguments: dict[str, Any]) -> Reply:
        from botocore.exceptions import BotoCoreError, ClientError, ReadTimeoutError

        try:
            answer = getattr(self._client(service), method)(**arguments)
            if "Body" not in answer:
                return Reply(ReplyKind.ANSWERED, 200, body=answer)
            content = answer["Body"].read(MAX_BODY + 1)
        except ClientError as error:
            status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
            said = error.response.get("Error", {})
            return Reply(
                ReplyKind.HTTP_ERROR, status, error=f"{said.get('Code')}: {said.get('Message')}"[:_ERROR_SHOWN]
            )
        except ReadTimeoutError:
            return Reply(ReplyKind.TIMEOUT, error=f"no answer within {self._timeout:g} s")
        except (BotoCoreError, OSError, ValueError) as error:
            return Reply(ReplyKind.TRANSPORT, error=str(error)[:_ERROR_SHOWN])
        if len(content) > MAX_BODY:
            return Reply(ReplyKind.MALFORMED, 200, error=f"the answer is larger than {MAX_BODY} bytes")
        parsed = parse_json(content)
        return Reply(ReplyKind.ANSWERED, 200, body=parsed if parsed is not None else content.decode(errors="replace"))

    def _client(self, service: str) -> Any:
        """One a service: making one takes a tenth of a second, and boto3's sessions are not for many threads."""
        with self._lock:
            if service not in self._clients:
                self._clients[service] = self._connect(service)
            return self._clients[service]

    def _connect(self, service: str) -> Any:
        import boto3
        from botocore.config import Config

        url = self._endpoint.control_url if service == "sagemaker" else self._endpoint.runtime_url
        keys = (
            {"aws_access_key_id": self._access.username, "aws_secret_access_key": self._access.password}
            if self._access.username
            else {}
        )
        config = Config(
            connect_timeout=self._timeout,
            read_timeout=self._timeout,
            # Retries would hide errors, and count as latency of one request.
            retries={"total_max_attempts": 1},
            max_pool_connections=64,
        )
        return boto3.session.Session(region_name=self._endpoint.region, **keys).client(
            service, endpoint_url=url, config=config
        )


def check_region(endpoint: SageMaker) -> None:
    """Raises InvalidTable where neither spec nor environment names a region: boto3 would say so for each request."""
    import boto3

    if endpoint.region is None and boto3.session.Session().region_name is None:
        raise InvalidTable("endpoint.sageMaker.region: set it; the environment of the runner names none")
