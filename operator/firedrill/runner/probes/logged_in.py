"""What questions to services that one logs in to have in common."""

from typing import Generic, TypeVar

from firedrill.api.probe_services import GrpcProbe, KafkaProbe, RedisProbe, SqlProbe
from firedrill.engines.chaos.permission import Refusal
from firedrill.runner.context import RunContext
from firedrill.runner.credentials import read_login
from firedrill.sources.login import CredentialsRefused, Login

P = TypeVar("P", GrpcProbe, KafkaProbe, RedisProbe, SqlProbe)


class LoggedInAsk(Generic[P]):
    """Reads the credentials once, before the first question; each question is asked over a connection of its own."""

    def __init__(self, probe: P, context: RunContext, username: str = "") -> None:
        self._probe: P = probe
        self._context = context
        self._login = Login(username, tls=probe.tls)

    async def ready(self) -> Refusal | None:
        """Why it can not be asked: credentials that are not there or not ours."""
        context, probe, given = self._context, self._probe, self._login
        try:
            self._login = await read_login(
                context.client, context.clock, context.task, probe.secret_ref, tls=given.tls, username=given.username
            )
        except CredentialsRefused as error:
            return Refusal("NotPermitted", str(error))
        return None

    async def close(self) -> None:
        """Nothing is kept open."""
