"""Reviews and certificates of admission, with an API server in memory."""

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from firedrill.clusters.errors import Conflict, NotFound, Unreachable
from firedrill.core.requester import Requester, requester
from firedrill.handlers.admission import certificate
from firedrill.handlers.admission.certificate import Keeper, Material, is_good, make
from firedrill.handlers.admission.review import Reviewer
from support.builders import chaos
from support.jsonpatch import patched

Object = dict[str, Any]
KEY = b"k" * 32
STAMP = "firedrill.dev/requested-by"
NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
HOST = "firedrill-webhook.firedrill-system.svc"


class Hub:
    """Answers SubjectAccessReviews by (user or group, verb, target), and keeps what was asked."""

    def __init__(self, *allowed: tuple[str, str, str], down: bool = False) -> None:
        self.allowed = set(allowed)
        self.down = down
        self.asked: list[Object] = []

    async def get(self, path: str) -> Object:
        names = {"finance": "bank", "iot": "factory"}
        return {"items": [{"metadata": {"name": n, "labels": {"industry": i}}} for n, i in names.items()]}

    async def create(self, path: str, body: Object) -> Object:
        if self.down:
            raise Unreachable("connection refused")
        spec = body["spec"]
        self.asked.append(spec)
        wanted = spec["resourceAttributes"]
        assert (wanted["group"], wanted["resource"]) == ("firedrill.dev", "targetclusters")
        who = {spec["user"], *spec["groups"]}
        found = {(each, wanted["verb"], name) for each in who for name in ("", wanted.get("name", ""))}
        return {"status": {"allowed": bool(found & self.allowed)}}


async def reviewed(hub: Hub, new: Object, old: Object | None = None, *, user: str = "ann", **info: Any) -> Object:
    """The response."""
    request = {
        "uid": "review",
        "kind": {"kind": new["kind"]},
        "namespace": "team",
        "object": new,
        "oldObject": old,
        "userInfo": {"username": user, **info},
    }
    answer = await Reviewer(hub, KEY).answer({"request": request})  # type: ignore[arg-type]
    assert answer["response"]["uid"] == "review"
    return dict(answer["response"])


def after(new: Object, response: Object) -> Object:
    """The object as the API server stores it."""
    if "patch" not in response:
        return new
    return dict(patched(new, json.loads(base64.b64decode(response["patch"]))))


def who(body: Object) -> Requester | None:
    return requester(KEY, body["kind"], "team", body["spec"], body["metadata"].get("annotations") or {})


ANN = Hub(("ann", "inject", "finance"))


@pytest.mark.parametrize("annotations", [None, {}, {"a": "b"}, {STAMP: "root"}])
async def test_who_may_is_stamped_whatever_was_there(annotations: Object | None) -> None:
    body = chaos()
    if annotations is not None:
        body["metadata"]["annotations"] = annotations
    response = await reviewed(ANN, body)
    assert response["allowed"]
    assert who(after(body, response)) == Requester("ann", ("finance",))


async def test_who_may_not_is_told_user_verb_and_target() -> None:
    response = await reviewed(ANN, chaos("kill", "finance", "iot"))
    assert not response["allowed"]
    assert response["status"]["code"] == 403
    assert "user ann may not inject on TargetCluster iot" in response["status"]["message"]


async def test_the_verb_of_a_fix_is_another() -> None:
    fix = {**chaos(), "kind": "AutoFix"}
    assert "may not fix" in (await reviewed(ANN, fix))["status"]["message"]
    assert (await reviewed(Hub(("ann", "fix", "finance")), fix))["allowed"]


async def test_all_that_is_known_of_the_user_is_passed_on() -> None:
    hub = Hub(("sre", "inject", "finance"))
    extra = {"scopes": ["a", "b"]}
    assert (await reviewed(hub, chaos(), groups=["sre"], uid="7", extra=extra))["allowed"]
    (asked,) = hub.asked
    assert (asked["user"], asked["uid"], asked["groups"], asked["extra"]) == ("ann", "7", ["sre"], extra)


@pytest.mark.parametrize(
    ("labels", "allowed", "clusters"),
    [
        ({"industry": "bank"}, ("ann", "inject", "finance"), ("finance",)),
        ({"industry": "factory"}, ("ann", "inject", "finance"), None),
        ({"industry": "factory"}, ("ann", "inject", ""), ("*",)),
        ({"industry": "none"}, ("ann", "inject", "finance"), ()),
    ],
)
async def test_labels_mean_all_that_match(labels: Object, allowed: Any, clusters: tuple[str, ...] | None) -> None:
    body = chaos(clusters={"matchLabels": labels})
    response = await reviewed(Hub(allowed), body)
    assert response["allowed"] == (clusters is not None)
    if clusters is not None:
        assert who(after(body, response)) == Requester("ann", clusters)


async def test_what_names_no_target_is_refused() -> None:
    response = await reviewed(ANN, chaos(clusters={}))
    assert (response["allowed"], response["status"]["code"]) == (False, 422)
    assert "spec.clusters" in response["status"]["message"]


async def test_what_can_not_be_asked_is_refused() -> None:
    response = await reviewed(Hub(down=True), chaos())
    assert (response["allowed"], response["status"]["code"]) == (False, 500)


async def test_a_request_for_nothing_new_keeps_the_stamp_and_asks_nobody() -> None:
    first = chaos()
    stored = after(first, await reviewed(ANN, first))
    nobody = Hub()
    for annotations in ({}, {STAMP: "eve"}, {**stored["metadata"]["annotations"], "team": "x"}):
        new = {**stored, "metadata": {**stored["metadata"], "annotations": annotations}}
        response = await reviewed(nobody, new, stored, user="eve")
        assert response["allowed"]
        assert who(after(new, response)) == Requester("ann", ("finance",))
    assert nobody.asked == []


async def test_one_that_was_never_stamped_is_not_stamped_by_a_label() -> None:
    stored = chaos()
    forged = {**stored, "metadata": {**stored["metadata"], "annotations": {STAMP: "eve"}}}
    response = await reviewed(Hub(), forged, stored, user="eve")
    assert response["allowed"]
    assert STAMP not in after(forged, response)["metadata"]["annotations"]


@pytest.mark.parametrize(
    "change",
    [
        {"metadata": {"name": "kill", "annotations": {"firedrill.dev/run-at": "1"}}},
        {"spec": chaos(dryRun=True)["spec"]},
    ],
)
async def test_a_new_request_is_stamped_anew_or_refused(change: Object) -> None:
    stored = after(chaos(), await reviewed(ANN, chaos()))
    new = {**stored, **change}
    assert not (await reviewed(ANN, new, stored, user="eve"))["allowed"]
    response = await reviewed(Hub(("bob", "inject", "finance")), new, stored, user="bob")
    assert who(after(new, response)) == Requester("bob", ("finance",))


# -- certificates ------------------------------------------------------------------------------------------------------


def test_a_certificate_is_good_for_its_host_until_a_month_before_its_end() -> None:
    made = make(HOST, NOW)
    assert is_good(made, HOST, NOW)
    assert not is_good(made, "other.svc", NOW)
    assert is_good(made, HOST, NOW + certificate.LIFETIME - timedelta(days=31))
    assert not is_good(made, HOST, NOW + certificate.LIFETIME - timedelta(days=29))
    assert not is_good(Material(b"no certificate", b"", b""), HOST, NOW)


class Store:
    """One Secret, and what is done to it by another pod right before our write."""

    def __init__(self) -> None:
        self.secret: Object | None = None
        self.rival: Object | None = None

    async def get(self, path: str) -> Object:
        if self.secret is None:
            raise NotFound(404, "NotFound", path)
        return self.secret

    async def create(self, path: str, body: Object) -> Object:
        if self.rival is not None:
            self.secret, self.rival = self.rival, None
            raise Conflict(409, "AlreadyExists", path)
        self.secret = {**body, "metadata": {**body["metadata"], "resourceVersion": "1"}}
        return self.secret

    async def patch(self, path: str, body: Object) -> Object:
        assert self.secret is not None
        assert body["metadata"]["resourceVersion"] == self.secret["metadata"]["resourceVersion"]
        self.secret = {**self.secret, "data": {**self.secret["data"], **body["data"]}}
        return self.secret


def keeper(store: Store, host: str = HOST) -> Keeper:
    return Keeper(store, "firedrill-system", host, "firedrill-requests")  # type: ignore[arg-type]


async def test_it_is_made_once_and_shared() -> None:
    store = Store()
    first = await keeper(store).material()
    assert await keeper(store).material() == first


async def test_of_two_pods_that_make_it_at_once_one_is_first() -> None:
    other, store = Store(), Store()
    theirs = await keeper(other).material()
    store.rival = other.secret
    assert await keeper(store).material() == theirs


async def test_a_new_certificate_keeps_the_key_of_stamps() -> None:
    store = Store()
    first = await keeper(store).material()
    renewed = await keeper(store, "other.svc").material()
    assert renewed.certificate != first.certificate
    assert renewed.stamp_key == first.stamp_key
