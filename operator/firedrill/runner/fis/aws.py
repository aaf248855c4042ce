"""AWS FIS by AWS's own client. Its chain finds the credentials: a role of the service account, of the node, variables.

The client is imported late, and asked in threads: it knows no other way.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

from firedrill.clusters.errors import ClusterError, Throttled
from firedrill.engines.chaos.adapters.awsfis import Experiment, parsed
from firedrill.runner.fis.port import TAG, FisError, FisUnreachable

Answer = TypeVar("Answer")
_CONNECT_SECONDS: Final = 5
_READ_SECONDS: Final = 10
#: Runner and guardian try again themselves: a request must not be sent later than they know of.
_TRIES: Final = 1
_TOO_MANY: Final = 429
_SERVER_ERRORS: Final = 500
#: What AWS says, also with a status of 400, where it asks to come back later, and where the trouble is its own.
_THROTTLING: Final = frozenset(
    (
        "Throttling",
        "ThrottlingException",
        "ThrottledException",
        "RequestThrottled",
        "RequestThrottledException",
        "RequestLimitExceeded",
        "TooManyRequestsException",
        "SlowDown",
        "PriorRequestNotComplete",
    )
)
_OWN_TROUBLE: Final = frozenset(
    ("InternalFailure", "InternalError", "InternalServerException", "ServiceUnavailable", "ServiceUnavailableException")
)


def said(response: Mapping[str, Any]) -> ClusterError:
    """An error answer of AWS in our words: what may pass by itself is no refusal."""
    told = response.get("Error") or {}
    code, message = str(told.get("Code", "unknown")), str(told.get("Message", ""))[:300]
    status = int((response.get("ResponseMetadata") or {}).get("HTTPStatusCode") or 0)
    if code in _THROTTLING or status == _TOO_MANY:
        return Throttled(_TOO_MANY, code, f"AWS FIS: {message}")
    if status >= _SERVER_ERRORS or code in _OWN_TROUBLE:
        return FisUnreachable(f"AWS FIS: {code}: {message}")
    return FisError(code, message)


class AwsRegions:
    """The real ones."""

    def region(self, name: str) -> "AwsFis":
        """The service of a region."""
        return AwsFis(name)


class AwsFis:
    """AWS FIS in a region."""

    def __init__(self, region: str) -> None:
        self._region = region
        self._made: Any = None

    async def actions(self, template: str) -> list[str]:
        """As the template lists them."""
        answer = await self._asked(lambda fis: fis.get_experiment_template(id=template))
        found = answer["experimentTemplate"].get("actions") or {}
        return sorted({str(action.get("actionId")) for action in found.values()})

    async def start(self, template: str, token: str) -> str:
        """By a client token, so that a second try starts no second experiment."""
        answer = await self._asked(
            lambda fis: fis.start_experiment(clientToken=token, experimentTemplateId=template, tags={TAG: token})
        )
        return str(answer["experiment"]["id"])

    async def find(self, template: str, token: str) -> list[str]:
        """Page by page."""

        def ask(fis: Any) -> list[str]:
            pages = fis.get_paginator("list_experiments").paginate(experimentTemplateId=template)
            listed = [each for page in pages for each in page.get("experiments") or ()]
            return [str(each["id"]) for each in listed if (each.get("tags") or {}).get(TAG) == token]

        return await self._asked(ask)

    async def experiment(self, identity: str) -> Experiment:
        """As the service tells."""
        return parsed((await self._asked(lambda fis: fis.get_experiment(id=identity)))["experiment"])

    async def stop(self, identity: str) -> None:
        """What its actions can take back, AWS takes back as it stops them."""
        await self._asked(lambda fis: fis.stop_experiment(id=identity))

    async def _asked(self, ask: Callable[[Any], Answer]) -> Answer:
        return await asyncio.to_thread(self._ask, ask)

    def _ask(self, ask: Callable[[Any], Answer]) -> Answer:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            return ask(self._client())
        except ClientError as error:
            raise said(error.response) from error
        except BotoCoreError as error:
            raise FisUnreachable(f"AWS FIS in {self._region}: {type(error).__name__}: {str(error)[:200]}") from error

    def _client(self) -> Any:
        if self._made is None:
            import boto3
            from botocore.config import Config

            config = Config(
                connect_timeout=_CONNECT_SECONDS,
                read_timeout=_READ_SECONDS,
                retries={"mode": "standard", "total_max_attempts": _TRIES},
            )
            # A session of its own: the default one is not made for threads.
            self._made = boto3.session.Session().client("fis", region_name=self._region, config=config)
        return self._made
