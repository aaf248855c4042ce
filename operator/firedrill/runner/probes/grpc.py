"""gRPC health: grpc.health.v1."""

import asyncio

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from firedrill.api.probe_services import GrpcProbe
from firedrill.runner.probes.logged_in import LoggedInAsk


class GrpcAsk(LoggedInAsk[GrpcProbe]):
    """A health check over a channel of its own."""

    async def __call__(self) -> tuple[bool | None, str]:
        """Whether it answered SERVING in time."""
        request = health_pb2.HealthCheckRequest(service=self._probe.service)
        try:
            async with asyncio.timeout(self._probe.timeout.total_seconds()), self._channel() as channel:
                answer = await health_pb2_grpc.HealthStub(channel).Check(request)
        except TimeoutError:
            return False, "timeout"
        except grpc.aio.AioRpcError as error:
            return False, str(error.code().name)
        if answer.status == health_pb2.HealthCheckResponse.SERVING:
            return True, ""
        return False, str(health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status))

    def _channel(self) -> grpc.aio.Channel:
        host = f"[{self._probe.host}]" if ":" in self._probe.host else self._probe.host
        # Channels to one address share their connection unless each has a pool of its own.
        options = (("grpc.use_local_subchannel_pool", 1), ("grpc.enable_http_proxy", 0))
        address = f"{host}:{self._probe.port}"
        if not self._login.tls:
            return grpc.aio.insecure_channel(address, options)
        credentials = grpc.ssl_channel_credentials(self._login.ca.encode() or None)
        return grpc.aio.secure_channel(address, credentials, options)
