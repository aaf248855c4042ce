"""The adapter that an endpoint asks for."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp

from firedrill.api.endpoint import JsonEndpoint, ModelEndpoint, OpenInference, Transport
from firedrill.sources.serving.chat import ChatServer
from firedrill.sources.serving.http import Access, HttpAsker
from firedrill.sources.serving.invocations import InvocationsServer
from firedrill.sources.serving.kserve import ObjectReader, resolve
from firedrill.sources.serving.plain import PlainJson
from firedrill.sources.serving.port import Ready, ServedModel
from firedrill.sources.serving.sagemaker import SageMakerEndpoint, check_region
from firedrill.sources.serving.v2 import V2Http


@asynccontextmanager
async def open_model(
    endpoint: ModelEndpoint,
    http: aiohttp.ClientSession,
    access: Access,
    read_object: ObjectReader | None,
    *,
    stream: bool = False,
) -> AsyncIterator[ServedModel | Ready]:
    """The model behind an endpoint, or why it can not even be addressed.

    ``stream`` asks chat for its answers piece by piece. Raises InvalidTable where the endpoint can not be spoken to as
    the spec says, and ValueError where ca.crt is no certificate.
    """
    timeout = endpoint.timeout.total_seconds()
    asker = HttpAsker(http, access, timeout)
    chosen: OpenInference | JsonEndpoint | Ready | None = endpoint.open_inference or endpoint.json_
    if endpoint.kserve is not None:
        chosen = await resolve(endpoint.kserve, read_object)
    if isinstance(chosen, OpenInference) and chosen.transport is Transport.GRPC:
        # gRPC is heavy: who speaks HTTP does not pay for it.
        from firedrill.sources.serving.v2grpc import V2Grpc

        client = V2Grpc(chosen, access, timeout)
        try:
            yield client
        finally:
            await client.close()
    elif isinstance(chosen, OpenInference):
        yield V2Http(chosen, asker)
    elif isinstance(chosen, JsonEndpoint):
        yield PlainJson(chosen, asker)
    elif chosen is not None:
        yield chosen
    elif endpoint.invocations is not None:
        yield InvocationsServer(endpoint.invocations, asker)
    elif endpoint.chat is not None:
        yield ChatServer(endpoint.chat, asker, stream=stream)
    else:
        assert endpoint.sage_maker is not None, "the model admits no endpoint without a protocol"
        check_region(endpoint.sage_maker)
        yield SageMakerEndpoint(endpoint.sage_maker, access, timeout)
