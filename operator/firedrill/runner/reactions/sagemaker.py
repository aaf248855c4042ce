"""A pipeline of Amazon SageMaker, through boto3 in a thread of its own."""

import asyncio
from datetime import timedelta
from typing import Any, Final

from firedrill.api.ondrift import SageMakerPipelineStart
from firedrill.runner.reactions.port import ActionFailed, Occasion
from firedrill.sources.login import Login

_CONNECT_SECONDS: Final = 5
_READ_SECONDS: Final = 20
_TRIES: Final = 4
_SERVER_ERRORS: Final = 500
#: Errors of the client that say that nothing was sent.
_NOT_SENT: Final = frozenset(
    (
        "NoCredentialsError",
        "PartialCredentialsError",
        "CredentialRetrievalError",
        "NoRegionError",
        "EndpointConnectionError",
        "ConnectTimeoutError",
        "ParamValidationError",
    )
)
_BEFORE: Final = timedelta(minutes=5)


async def start_pipeline(asked: SageMakerPipelineStart, login: Login, occasion: Occasion) -> str:
    """Start an execution, or find the one that an earlier try of the run has started; gives its ARN.

    AWS starts one execution for one client token; that of a double that does not heed it is found by its name. Raises
    ActionFailed.
    """
    return await asyncio.to_thread(_start, asked, login, occasion)


def _start(asked: SageMakerPipelineStart, login: Login, occasion: Occasion) -> str:
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        client = _client(asked, login)
        started = _started(client, asked, occasion)
        if started:
            return started
        answer = client.start_pipeline_execution(
            PipelineName=asked.pipeline_name,
            PipelineExecutionDisplayName=occasion.name,
            PipelineExecutionDescription=occasion.reacted.message[:1000],
            PipelineParameters=[{"Name": name, "Value": value} for name, value in asked.parameters.items()],
            ClientRequestToken=occasion.token,
        )
        return str(answer["PipelineExecutionArn"])
    except ClientError as error:
        told, status = error.response.get("Error") or {}, _status(error)
        message = f"SageMaker: {told.get('Code', 'unknown')}: {str(told.get('Message', ''))[:300]}"
        raise ActionFailed(message, unsure=status >= _SERVER_ERRORS) from error
    except BotoCoreError as error:
        name = type(error).__name__
        raise ActionFailed(f"SageMaker: {name}: {str(error)[:300]}", unsure=name not in _NOT_SENT) from error


def _started(client: Any, asked: SageMakerPipelineStart, occasion: Occasion) -> str:
    """The execution that carries the occasion's name; empty without one, and where listing is not allowed: the token
    holds without it."""
    from botocore.exceptions import ClientError

    pages = client.get_paginator("list_pipeline_executions").paginate(
        PipelineName=asked.pipeline_name, CreatedAfter=occasion.task.started_at - _BEFORE
    )
    try:
        for page in pages:
            for each in page["PipelineExecutionSummaries"]:
                if each.get("PipelineExecutionDisplayName") == occasion.name:
                    return str(each["PipelineExecutionArn"])
    except ClientError as error:
        if "AccessDenied" not in str((error.response.get("Error") or {}).get("Code", "")):
            raise
    return ""


def _status(error: Any) -> int:
    return int((error.response.get("ResponseMetadata") or {}).get("HTTPStatusCode") or 0)


def _client(asked: SageMakerPipelineStart, login: Login) -> Any:
    import boto3
    from botocore.config import Config

    keys = {"aws_access_key_id": login.username, "aws_secret_access_key": login.password} if login.username else {}
    config = Config(
        connect_timeout=_CONNECT_SECONDS,
        read_timeout=_READ_SECONDS,
        retries={"mode": "standard", "total_max_attempts": _TRIES},
    )
    # A session of its own: the default one is not made for threads.
    session = boto3.session.Session(region_name=asked.region, **keys)
    return session.client("sagemaker", endpoint_url=asked.endpoint_url, config=config)
