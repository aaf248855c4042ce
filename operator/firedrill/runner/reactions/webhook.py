"""A request that says that data has drifted."""

import asyncio
import logging
from typing import Final

import httpx

from firedrill.api.ondrift import Webhook
from firedrill.runner.ports import Clock
from firedrill.runner.reactions.port import ActionFailed, Occasion
from firedrill.sources.login import Login
from firedrill.sources.serving.http import Access

log = logging.getLogger(__name__)

TRIES: Final = 4
_FIRST_WAIT_SECONDS: Final = 1.0
#: Answers with which a server asks to come back later.
_LATER: Final = frozenset({408, 425, 429})
_SERVER_ERRORS: Final = 500


async def send(webhook: Webhook, login: Login, occasion: Occasion, clock: Clock) -> str:
    """Send it until it is taken, up to four times and not past the run's deadline; gives what the server answered.

    Answers other than 2xx that will not change are not tried again. Raises ActionFailed, whose text holds neither the
    body of an answer nor the query of the address: both may be secret.
    """
    try:
        verify = Access(ca=login.ca).ssl_context()
    except ValueError as error:
        raise ActionFailed(f"webhook.secretRef: {error}") from error
    unsure, wait, problem = False, _FIRST_WAIT_SECONDS, ""
    limit = webhook.timeout.total_seconds()
    async with httpx.AsyncClient(verify=verify, trust_env=False, follow_redirects=False, timeout=limit) as http:
        for number in range(1, TRIES + 1):
            try:
                status = await _status(http, webhook, _headers(webhook, login, occasion), occasion)
            except (httpx.InvalidURL, httpx.LocalProtocolError, ValueError) as error:
                # A token that no header can hold, a port that is none: the text of the error may hold the token.
                raise ActionFailed(
                    f"no request can be made of url, headers and Secret: {type(error).__name__}"
                ) from error
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                problem = f"no connection: {str(error) or type(error).__name__}"
            except (httpx.HTTPError, TimeoutError) as error:
                unsure, problem = True, f"no answer: {str(error) or type(error).__name__}"
            else:
                if 200 <= status < 300:
                    return f"answered {status} at try {number}"
                problem, unsure = f"answered {status}", unsure or status >= _SERVER_ERRORS
                if status < _SERVER_ERRORS and status not in _LATER:
                    break
            left = (occasion.task.deadline - clock.now()).total_seconds()
            if number == TRIES or left <= wait:
                break
            log.warning("webhook: %s; trying again", problem)
            await clock.sleep(wait)
            wait *= 2
    raise ActionFailed(f"{problem} at try {number}", unsure=unsure)


async def _status(http: httpx.AsyncClient, webhook: Webhook, headers: dict[str, str], occasion: Occasion) -> int:
    """What the server answers, in the time of one try; its body, which may be long, is not read."""
    async with (
        asyncio.timeout(webhook.timeout.total_seconds()),
        http.stream("POST", webhook.url, json=occasion.body(), headers=headers) as answer,
    ):
        return answer.status_code


def _headers(webhook: Webhook, login: Login, occasion: Occasion) -> dict[str, str]:
    headers = {**webhook.headers, "Idempotency-Key": occasion.key}
    if webhook.token_header and login.token:
        return {**headers, webhook.token_header: login.token}
    return {**headers, **Access(login.token, login.username, login.password).headers()}
