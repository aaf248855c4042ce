"""An InferenceService of KServe, found by its name."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from firedrill.api.endpoint import JsonEndpoint, KServeService, OpenInference, RowForm, Transport
from firedrill.sources.serving.port import Ready, ReadyState

#: Reads an object of the target: API version, plural, namespace, name. Raises LookupError where there is none, and
#: OSError (PermissionError is one) where it can not be asked for.
ObjectReader = Callable[[str, str, str, str], Awaitable[dict[str, Any]]]

_API = "serving.kserve.io/v1beta1"
_PLURAL = "inferenceservices"


async def resolve(service: KServeService, read: ObjectReader | None) -> "OpenInference | JsonEndpoint | Ready":
    """What a service speaks and where, or why that can not be told."""
    shown = f"InferenceService {service.namespace}/{service.name}"
    if read is None:
        return Ready(ReadyState.UNREACHABLE, f"{shown} can only be found in a cluster")
    try:
        body = await read(_API, _PLURAL, service.namespace, service.name)
    except LookupError:
        return Ready(ReadyState.NOT_FOUND, f"There is no {shown}")
    except OSError as error:
        return Ready(ReadyState.UNREACHABLE, f"{shown} can not be read: {error}")
    status = body.get("status") or {}
    ready = _condition(status.get("conditions") or [], "Ready")
    if ready is not None and ready.get("status") != "True":
        said = ready.get("message") or ready.get("reason") or "it does not say why"
        return Ready(ReadyState.NOT_READY, f"{shown} is not ready: {said}")
    url = (status.get("address") or {}).get("url") or status.get("url")
    if not url:
        return Ready(ReadyState.NOT_READY, f"{shown} has no address yet")
    base = str(url).split("/v1/models")[0].split("/v2/models")[0]
    model = service.model or service.name
    protocol = (((body.get("spec") or {}).get("predictor") or {}).get("model") or {}).get("protocolVersion", "v1")
    if protocol == "v1":
        return JsonEndpoint(
            url=f"{base}/v1/models/{model}:predict",
            health_path=f"/v1/models/{model}",
            form=RowForm.LIST,
            request_path=["instances", "[]"],
            prediction="$.predictions[0]",
        )
    return OpenInference(url=base, model=model, transport=Transport.GRPC if "grpc" in protocol else Transport.HTTP)


def _condition(conditions: Sequence[Any], kind: str) -> dict[str, Any] | None:
    return next((item for item in conditions if isinstance(item, dict) and item.get("type") == kind), None)
