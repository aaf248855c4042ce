"""AWS FIS with moto's server as its double: an experiment is started once, found, watched and stopped."""

import json
import urllib.request
from collections.abc import Iterator

import boto3
import pytest

from firedrill.runner.fis.aws import AwsFis
from firedrill.runner.fis.port import FisError
from support.moto import moto_server

pytestmark = pytest.mark.integration

REGION = "eu-west-1"


@pytest.fixture
def template(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    with moto_server() as endpoint:
        variables = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_ENDPOINT_URL": endpoint}
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        # A state is left after three looks, not at once.
        transition = {"model_name": "fis::experiment", "transition": {"progression": "manual", "times": 3}}
        request = urllib.request.Request(
            f"{endpoint}/moto-api/state-manager/set-transition",
            json.dumps(transition).encode(),
            {"Content-Type": "application/json"},
        )
        urllib.request.urlopen(request, timeout=30).close()
        made = boto3.client("fis", region_name=REGION).create_experiment_template(
            clientToken="t",
            description="stops an instance",
            stopConditions=[{"source": "none"}],
            roleArn="arn:aws:iam::123456789012:role/fis",
            targets={
                "one": {
                    "resourceType": "aws:ec2:instance",
                    "resourceArns": ["arn:aws:ec2:eu-west-1:123456789012:instance/i-0"],
                    "selectionMode": "ALL",
                }
            },
            actions={"stop": {"actionId": "aws:ec2:stop-instances", "targets": {"Instances": "one"}}},
        )
        yield made["experimentTemplate"]["id"]


async def test_an_experiment_from_its_start_to_its_end(template: str) -> None:
    fis = AwsFis(REGION)
    assert await fis.actions(template) == ["aws:ec2:stop-instances"]
    assert await fis.find(template, "run-1") == []
    identity = await fis.start(template, "run-1")
    assert await AwsFis(REGION).find(template, "run-1") == [identity]
    assert await fis.find(template, "run-2") == []
    look = await fis.experiment(identity)
    for _ in range(30):
        if look.begun:
            break
        look = await fis.experiment(identity)
    assert (look.ended, look.begun) == (False, ["stop"])
    await fis.stop(identity)

    async def ended() -> str:
        for _ in range(30):
            look = await fis.experiment(identity)
            if look.ended:
                return look.status
        return "never"

    assert await ended() == "stopped"


async def test_what_is_not_there(template: str) -> None:
    fis = AwsFis(REGION)
    for asked in (fis.actions("EXT0"), fis.experiment("EXP0"), fis.stop("EXP0"), fis.start("EXT0", "t")):
        with pytest.raises(FisError) as told:
            await asked
        assert told.value.missing
