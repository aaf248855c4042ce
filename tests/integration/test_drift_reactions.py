"""What a DriftCheck starts: at a real API server with the chart's rights, over TLS, and at SageMaker's double.

Workflows of Argo are created at the API server alone: their CRDs are the tests' own, and no controller runs them.
"""

import json
import ssl
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import boto3
import pytest
import pytest_asyncio

from firedrill.api.ondrift import Reacted, SageMakerPipelineStart, Webhook
from firedrill.api.targetcluster import TargetPolicy
from firedrill.api.task import Result, Task
from firedrill.api.verdict import ConditionStatus, Verdict
from firedrill.clusters import paths
from firedrill.clusters.client import KubeClient
from firedrill.clusters.credentials import api_from_secret
from firedrill.runner.context import Identity, RunContext, Stop
from firedrill.runner.dispatching import dispatch
from firedrill.runner.ports import SystemClock
from firedrill.runner.reactions.ledger import Ledger
from firedrill.runner.reactions.notification import notify
from firedrill.runner.reactions.port import ActionFailed, Occasion
from firedrill.runner.reactions.sagemaker import start_pipeline
from firedrill.runner.reactions.webhook import send
from firedrill.runner.record_store import RecordStore
from firedrill.sources.login import Login
from support import chart
from support.builders import drift
from support.certificates import self_signed
from support.encoded import encoded
from support.eventually import eventually
from support.kube import HttpError, Object
from support.moto import moto_server
from support.operator_process import OperatorProcess
from support.world import HUB_NAMESPACE, World

pytestmark = pytest.mark.integration

ARGO = "argoproj.io/v1alpha1"
REGION = "eu-west-1"
SAME = "a\n" + "".join(f"{i % 17}\n" for i in range(200))
SHIFTED = "a\n" + "".join(f"{i % 17 + 9}\n" for i in range(200))


def task(raw: Object, run: str = "run-1", **fields: Any) -> Task:
    now = datetime.now(UTC)
    made = {
        "kind": "DriftCheck",
        "namespace": "sre",
        "name": "payments",
        "uid": "u-1",
        "runId": run,
        "cluster": "hub",
        "runnerNamespace": HUB_NAMESPACE,
        "job": f"dri-payments-{run}",
        "jobUid": "j",
        "startedAt": now,
        "deadline": now + timedelta(minutes=10),
        "image": "i",
        "policy": {},
        "spec": raw,
    }
    return Task.model_validate(made | fields)


def occasion(**fields: Any) -> Occasion:
    reacted = Reacted(run_id="run-1", at=datetime.now(UTC), message="1 of 2 columns has drifted", drifted=["amount"])
    return Occasion(task({}, **fields), reacted, 1)


# -- at the API server -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def argo(world: World) -> None:
    """The kinds of Argo that are asked for, without what serves them."""
    for kind, plural in (("Workflow", "workflows"), ("WorkflowTemplate", "workflowtemplates")):
        schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
        version = {"name": "v1alpha1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
        names = {"kind": kind, "plural": plural, "singular": kind.lower(), "listKind": f"{kind}List"}
        world.hub.apply(
            {
                "apiVersion": "apiextensions.k8s.io/v1",
                "kind": "CustomResourceDefinition",
                "metadata": {"name": f"{plural}.argoproj.io"},
                "spec": {"group": "argoproj.io", "scope": "Namespaced", "names": names, "versions": [version]},
            }
        )
    eventually(lambda: argo_served(world), "Argo's kinds are served")


def argo_served(world: World) -> bool:
    try:
        return all(world.hub.get(paths.path(ARGO, plural)) for plural in ("workflows", "workflowtemplates"))
    except HttpError:
        return False


@pytest.fixture
def ml(world: World, argo: None) -> str:
    """A namespace in which the chart lets pipelines be started, with templates for namespace sre."""
    namespace = world.hub.namespace(world.namespace())
    values = {"target__enabled": "true", "target__pipelines__argoWorkflows": "true"}
    for body in chart.rendered(HUB_NAMESPACE, **values, target__pipelines__namespaces=f"{{{namespace}}}"):
        if body["metadata"]["name"] == "firedrill-pipeline" or (
            body["kind"] == "RoleBinding" and body["metadata"]["name"] == "firedrill-reader"
        ):
            world.hub.apply(body)
    prepare(world, namespace)
    return namespace


def prepare(world: World, namespace: str, labels: Object | None = None) -> None:
    labels = {"firedrill.dev/hub-namespace": "sre"} if labels is None else labels
    container = {"name": "train", "image": "train:1"}
    pod = {"spec": {"restartPolicy": "Never", "containers": [container]}}
    meta = {"name": "retrain", "namespace": namespace, "labels": labels}
    cron = {"schedule": "0 0 1 1 *", "suspend": True, "jobTemplate": {"spec": {"template": pod}}}
    world.hub.apply({"apiVersion": "batch/v1", "kind": "CronJob", "metadata": meta, "spec": cron})
    world.hub.apply({"apiVersion": ARGO, "kind": "WorkflowTemplate", "metadata": meta, "spec": {"entrypoint": "a"}})


@pytest_asyncio.fixture
async def runner(world: World, ml: str) -> AsyncIterator[KubeClient]:
    """The client of what starts pipelines."""
    token = world.hub.token(HUB_NAMESPACE, "firedrill-pipeline")
    config = json.dumps({"bearerToken": token, "tlsClientConfig": {"insecure": True}})
    client = KubeClient(await api_from_secret(encoded({"server": world.hub.access.server, "config": config})), "hub")
    yield client
    await client.close()


async def run(client: KubeClient, of: Task) -> Result:
    clock = SystemClock()
    identity = Identity("pod", "pod-uid", HUB_NAMESPACE, "node")
    result = await dispatch(RunContext(of, client, RecordStore(client, of, clock), clock, identity, Stop()))
    assert result is not None
    return result


def spec(namespace: str, current: str = SHIFTED) -> Object:
    actions = [
        {"job": {"namespace": namespace, "cronJob": "retrain"}},
        {"argoWorkflow": {"namespace": namespace, "workflowTemplate": "retrain", "parameters": {"model": "fraud"}}},
    ]
    return {
        "clusters": {"names": ["hub"]},
        "reference": {"inline": {"csv": SAME}},
        "current": {"inline": {"csv": current}},
        "onDrift": {"cooldown": "1h", "actions": actions},
    }


def started(world: World, namespace: str) -> tuple[list[str], list[str]]:
    """Names of Jobs and of Workflows."""
    found = paths.jobs(namespace), paths.path(ARGO, "workflows", namespace)
    jobs, workflows = ([each["metadata"]["name"] for each in world.hub.items(path)] for path in found)
    return jobs, workflows


async def test_a_run_that_is_tried_again_starts_nothing_anew_and_the_next_one_waits(
    world: World, ml: str, runner: KubeClient
) -> None:
    of = task(spec(ml), uid=ml)
    first = await run(runner, of)
    assert (first.verdict, first.findings[0].reason) == (Verdict.FAILED, "Started"), first.message
    names = ["dri-payments-run-1-on-1"], ["dri-payments-run-1-on-2"]
    assert started(world, ml) == names
    again = await run(runner, of.model_copy(update={"spec": spec(ml, SAME)}))
    # Its data look well by now; what was decided is carried on.
    assert (again.verdict, again.findings[0].status) == (Verdict.PASSED, ConditionStatus.TRUE)
    next_one = await run(runner, task(spec(ml), "run-2", uid=ml))
    assert (next_one.verdict, next_one.findings[0].reason) == (Verdict.FAILED, "CoolingDown")
    assert started(world, ml) == names


@pytest.mark.parametrize("kind", ["without rights", "for others", "not in the policy"])
async def test_where_nothing_may_be_started(world: World, ml: str, runner: KubeClient, kind: str) -> None:
    place, policy = ml, TargetPolicy()
    if kind == "without rights":
        place = world.hub.namespace(world.namespace())
        prepare(world, place)
    if kind == "for others":
        prepare(world, place, {"firedrill.dev/hub-namespace": "another"})
    if kind == "not in the policy":
        policy = TargetPolicy(target_namespaces=["shop"])
    result = await run(runner, task(spec(place), uid=f"{place}-{len(kind)}").model_copy(update={"policy": policy}))
    assert (result.verdict, result.findings[0].reason) == (Verdict.FAILED, "ActionFailed")
    said = {
        "without rights": "the chart's target.pipelines.namespaces must name its namespace",
        "for others": "is not meant for resources of namespace sre",
        "not in the policy": f"policy.targetNamespaces of the target does not name {place}",
    }
    assert result.message.count(said[kind]) == 2
    assert started(world, place) == ([], [])


async def test_the_operator_tells_the_next_run_who_acted_and_clears_up(world: World, operator: OperatorProcess) -> None:
    hooked = {"actions": [{"webhook": {"url": "https://hooks.example/drift"}}]}
    subject = world.subject(drift("reacting", onDrift=hooked)).create()
    eventually(lambda: len(subject.runs()) == 1, "the first run ends")
    place = world.places["finance"]
    config = json.dumps({"bearerToken": place.cluster.token(place.namespace, "firedrill-reader")} | _INSECURE)
    client = KubeClient(await api_from_secret(encoded({"server": place.cluster.access.server, "config": config})), "f")
    now = datetime.now(UTC)
    of = task({}, uid=subject.uid, name="reacting", namespace=subject.key.partition("/")[0], cluster="finance")
    of = of.model_copy(update={"runner_namespace": place.namespace})
    identity = Identity("pod", "pod-uid", place.namespace, "node")
    clock = SystemClock()
    ledger = Ledger(RunContext(of, client, RecordStore(client, of, clock), clock, identity, Stop()))
    assert await ledger.claim("", Reacted(run_id="older", at=now - timedelta(days=2)))
    assert await ledger.claim("older", Reacted(run_id="later", at=now))
    assert not await ledger.claim("older", Reacted(run_id="another", at=now))
    subject.annotate(run_at="again")
    eventually(lambda: len(subject.runs()) == 2, "the second run ends")

    def notes() -> list[str]:
        found = subject.objects(place.cluster, place.namespace, "configmaps", "reaction")
        return [json.loads(each["data"]["reaction.json"])["runId"] for each in found]

    tasks = subject.objects(place.cluster, place.namespace, "configmaps", "task")
    told = [json.loads(each["data"]["task.json"]).get("earlier", {}).get("reacted", {}).get("runId") for each in tasks]
    assert sorted(told, key=str) == [None, "later"] or told == [None, "later"]
    assert notes() == ["later"]
    await client.close()
    subject.delete()
    eventually(lambda: notes() == [], "the note goes with its resource")


_INSECURE = {"tlsClientConfig": {"insecure": True}}

# -- over TLS ----------------------------------------------------------------------------------------------------------


class Hooks:
    """A server that answers as it is told, and remembers what came."""

    def __init__(self, url: str, ca: str) -> None:
        self.url = url
        self.ca = ca
        self.answers: list[int] = []
        self.seen: list[tuple[str, dict[str, str], Any]] = []


@contextmanager
def served(folder: Path, wait: float = 0.0) -> Iterator[Hooks]:
    certificate, key = self_signed("localhost")
    for name, data in (("crt", certificate), ("key", key)):
        (folder / name).write_bytes(data)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            hooks.seen.append((self.path, dict(self.headers), body))
            threading.Event().wait(wait)
            code = hooks.answers.pop(0) if hooks.answers else 200
            self.send_response(code)
            if code == 302:
                self.send_header("Location", "/elsewhere")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "crt", folder / "key")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    hooks = Hooks(f"https://localhost:{server.server_port}/drift?token=hidden", certificate.decode())
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield hooks
    finally:
        server.shutdown()
        server.server_close()


class Hurried(SystemClock):
    """Waits that are not waited for, and remembered."""

    def __init__(self) -> None:
        super().__init__()
        self.waits: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)


async def test_a_webhook_is_sent_until_it_is_taken_and_all_tries_have_one_key(tmp_path: Path) -> None:
    with served(tmp_path) as hooks:
        hooks.answers = [503, 429, 201]
        clock = Hurried()
        webhook = Webhook(url=hooks.url, headers={"X-Team": "ml"}, secret_ref={"name": "s"}, token_header="X-Key")
        told = await send(webhook, Login(token="t0ken", ca=hooks.ca), occasion(), clock)
    assert (told, clock.waits) == ("answered 201 at try 3", [1.0, 2.0])
    assert len(hooks.seen) == 3
    path, headers, body = hooks.seen[0]
    assert path == "/drift?token=hidden"
    assert {headers["X-Key"], headers["X-Team"]} == {"t0ken", "ml"}
    assert {each[1]["Idempotency-Key"] for each in hooks.seen} == {"run-1.hub.1"}
    assert body["resource"] == {"kind": "DriftCheck", "namespace": "sre", "name": "payments", "uid": "u-1"}
    assert (body["runId"], body["verdict"], body["drifted"]) == ("run-1", "Failed", ["amount"])


@pytest.mark.parametrize(
    ("answers", "tries", "unsure", "said"),
    [
        ([404], 1, False, "answered 404 at try 1"),
        # A request for one address is not sent to another one, with its token.
        ([302], 1, False, "answered 302 at try 1"),
        ([429] * 4, 4, False, "answered 429 at try 4"),
        ([500] * 4, 4, True, "answered 500 at try 4"),
    ],
)
async def test_a_webhook_that_is_refused(
    tmp_path: Path, answers: list[int], tries: int, unsure: bool, said: str
) -> None:
    with served(tmp_path) as hooks:
        hooks.answers = list(answers)
        with pytest.raises(ActionFailed) as caught:
            await send(Webhook(url=hooks.url), Login(ca=hooks.ca), occasion(), Hurried())
    assert (len(hooks.seen), caught.value.unsure, str(caught.value)) == (tries, unsure, said)


async def test_a_webhook_whose_server_is_unknown_silent_or_gone(tmp_path: Path) -> None:
    with served(tmp_path, wait=0.5) as hooks:
        with pytest.raises(ActionFailed) as caught:
            await send(Webhook(url=hooks.url), Login(), occasion(), Hurried())
        assert ("certificate verify failed" in str(caught.value), caught.value.unsure) == (True, False)
        assert hooks.seen == []
        with pytest.raises(ActionFailed) as caught:
            await send(Webhook(url=hooks.url, timeout="200ms"), Login(ca=hooks.ca), occasion(), Hurried())
        assert ("no answer" in str(caught.value), caught.value.unsure) == (True, True)
        url, ca = hooks.url, hooks.ca
    with pytest.raises(ActionFailed) as caught:
        await send(Webhook(url=url), Login(ca=ca), occasion(), Hurried())
    assert ("no connection" in str(caught.value), caught.value.unsure, "hidden" in str(caught.value)) == (
        True,
        False,
        False,
    )


async def test_a_token_that_no_header_can_hold_is_told_and_not_shown(tmp_path: Path) -> None:
    with served(tmp_path) as hooks:
        for token in ("t\u00f6ken\u20ac", "t0\nken"):
            with pytest.raises(ActionFailed) as caught:
                await send(Webhook(url=hooks.url), Login(token=token, ca=hooks.ca), occasion(), Hurried())
            assert "ken" not in str(caught.value).replace("broken", ""), str(caught.value)
        assert hooks.seen == []


# -- messages to people ------------------------------------------------------------------------------------------------


class Chat(BaseHTTPRequestHandler):
    """Takes messages; answers as it is told to, then well."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.seen.append((self.path, json.loads(body)))
        self.send_response(self.server.answers.pop(0) if self.server.answers else 200)
        self.send_header("Location", "/elsewhere")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Nothing."""


@contextmanager
def chat(*answers: int) -> Iterator[Any]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Chat)
    server.seen, server.answers = [], list(answers)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


async def test_people_are_told_in_the_words_of_their_chat() -> None:
    with chat(503) as server:
        addresses = f"# the channel\nmmost://127.0.0.1:{server.server_port}/t0ken\n"
        told = await notify(Login(urls=addresses), occasion(), SystemClock())
    assert told == "told Mattermost"
    assert [path for path, _ in server.seen] == ["/hooks/t0ken"] * 2, "once more after a 503"
    text = server.seen[-1][1]["text"]
    for part in ("DriftCheck sre/payments in hub: drift", "1 of 2 columns has drifted", "drifted: amount", "run run-1"):
        assert part in text


@pytest.mark.parametrize(
    ("answers", "tries", "said"),
    [
        ([404] * 4, 4, "error=404"),
        # What is meant for one address is not sent to another one.
        ([302] * 4, 4, "error=302"),
    ],
)
async def test_a_message_that_is_not_taken_is_told_without_its_token(answers: list[int], tries: int, said: str) -> None:
    with chat(*answers) as server:
        addresses = f"mmost://127.0.0.1:{server.server_port}/t0ken"
        with pytest.raises(ActionFailed) as caught:
            await notify(Login(urls=addresses), occasion(), SystemClock())
    assert [path for path, _ in server.seen] == ["/hooks/t0ken"] * tries
    assert ("Mattermost: " in str(caught.value), said in str(caught.value)) == (True, True), str(caught.value)
    assert ("t0ken" in str(caught.value), caught.value.unsure) == (False, False)


async def test_of_two_addresses_one_may_have_been_told() -> None:
    with chat() as well, chat(*[500] * 4) as ill:
        addresses = f"json://127.0.0.1:{well.server_port}\nmmost://127.0.0.1:{ill.server_port}/t0ken"
        with pytest.raises(ActionFailed) as caught:
            await notify(Login(urls=addresses), occasion(), SystemClock())
    assert (len(well.seen), len(ill.seen), caught.value.unsure) == (1, 4, True)
    assert "JSON" not in str(caught.value), "who was told is no failure"


@pytest.mark.parametrize(
    ("urls", "said"),
    [
        ("", "the Secret has no key urls"),
        ("# nobody\n", "the Secret has no key urls"),
        ("json://127.0.0.1:1/\nhttp//t0ken", "line 2 of key urls is no address"),
        ("json://127.0.0.1:1/\n" * 17, "key urls has 17 addresses, 16 are allowed"),
    ],
)
async def test_addresses_that_are_wrong_are_found_before_anybody_is_told(urls: str, said: str) -> None:
    with pytest.raises(ActionFailed) as caught:
        await notify(Login(urls=urls), occasion(), SystemClock())
    assert said in str(caught.value)
    assert ("t0ken" in str(caught.value), caught.value.unsure) == (False, False)


# -- at SageMaker's double ---------------------------------------------------------------------------------------------


async def test_a_pipeline_of_sagemaker_is_started_once_for_a_run() -> None:
    with moto_server() as endpoint:
        keys = {"aws_access_key_id": "a", "aws_secret_access_key": "b"}
        client = boto3.client("sagemaker", region_name=REGION, endpoint_url=endpoint, **keys)
        role = "arn:aws:iam::123456789012:role/retrain"
        client.create_pipeline(PipelineName="fraud", PipelineDefinition="{}", RoleArn=role, ClientRequestToken="t" * 32)
        asked = SageMakerPipelineStart(
            pipeline_name="fraud",
            region=REGION,
            parameters={"model": "fraud"},
            secret_ref={"name": "aws"},
            endpoint_url=endpoint,
        )
        login = Login("a", "b")
        first = await start_pipeline(asked, login, occasion())
        # The double heeds no client token; the execution is found by its name.
        assert await start_pipeline(asked, login, occasion()) == first
        other = await start_pipeline(asked, login, occasion(run="run-2"))
        found = client.list_pipeline_executions(PipelineName="fraud")["PipelineExecutionSummaries"]
        assert {each["PipelineExecutionArn"] for each in found} == {first, other}
        parameters = client.list_pipeline_parameters_for_execution(PipelineExecutionArn=first)["PipelineParameters"]
        assert parameters == [{"Name": "model", "Value": "fraud"}]
        with pytest.raises(ActionFailed) as caught:
            await start_pipeline(asked.model_copy(update={"pipeline_name": "none"}), login, occasion())
        assert (str(caught.value).startswith("SageMaker: "), caught.value.unsure) == (True, False)
    with pytest.raises(ActionFailed) as caught:
        await start_pipeline(asked, login, occasion())
    assert ("EndpointConnectionError" in str(caught.value), caught.value.unsure) == (True, False)
    assert replace(occasion(), number=2).token != occasion().token
