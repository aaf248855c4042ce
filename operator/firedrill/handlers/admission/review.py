"""A review: whether a user may ask for what a resource says, and the stamp that tells that they did."""

import base64
import json
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from firedrill.api.errors import describe
from firedrill.api.meta import ANNOTATION_REQUESTED_BY, GROUP
from firedrill.api.run import ClusterSelector
from firedrill.clusters import paths
from firedrill.clusters.client import KubeClient
from firedrill.clusters.errors import ClusterError
from firedrill.core.requester import EVERY, VERBS, content, stamp

Object = dict[str, Any]
_REVIEWS = paths.path("authorization.k8s.io/v1", "subjectaccessreviews")


class Denied(Exception):
    """The request is refused; ``code`` is an HTTP status."""

    def __init__(self, message: str, code: int = 403) -> None:
        super().__init__(message)
        self.message = message
        self.code = code


class Reviewer:
    """Answers reviews of ChaosExperiments and AutoFixes. ``key`` seals stamps."""

    def __init__(self, hub: KubeClient, key: bytes) -> None:
        self._hub = hub
        self._key = key

    async def answer(self, review: Object) -> Object:
        """The AdmissionReview to send back. Never raises: what can not be decided is refused."""
        request = review["request"]
        made: Object = {"uid": request["uid"], "allowed": True}
        try:
            value = await self._annotation(request)
            patch = _patch(request["object"], value)
            if patch:
                made |= {"patchType": "JSONPatch", "patch": base64.b64encode(json.dumps(patch).encode()).decode()}
        except Denied as error:
            made |= {"allowed": False, "status": {"code": error.code, "message": error.message}}
        except ClusterError as error:
            message = f"firedrill can not tell whether you may do this: {error}"
            made |= {"allowed": False, "status": {"code": 500, "message": message}}
        return {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": made}

    async def _annotation(self, request: Object) -> str | None:
        """What the annotation is to say; None for none. A request that asks for nothing new keeps what was there."""
        new, old = request["object"], request.get("oldObject")
        asked = content(new.get("spec") or {}, _annotations(new))
        if old and asked == content(old.get("spec") or {}, _annotations(old)):
            return _annotations(old).get(ANNOTATION_REQUESTED_BY)
        kind, user = request["kind"]["kind"], request["userInfo"]
        clusters = await self._allowed(kind, new.get("spec") or {}, user)
        return stamp(self._key, kind, request.get("namespace", ""), asked, user.get("username", ""), clusters)

    async def _allowed(self, kind: str, raw_spec: Mapping[str, Any], user: Object) -> Sequence[str]:
        """The targets that a spec names, all of which the user may choose; raises Denied for the first that is not."""
        try:
            selector = ClusterSelector.model_validate(raw_spec.get("clusters") or {})
        except ValidationError as error:
            raise Denied(f"spec.clusters: {describe(error)}", 422) from error
        verb = VERBS[kind]
        if not selector.names:
            # Labels may select other targets tomorrow.
            if await self._may(verb, "", user):
                return [EVERY]
            names = await self._labelled(selector.match_labels)
        else:
            names = sorted(set(selector.names))
        for name in names:
            if not await self._may(verb, name, user):
                raise Denied(
                    f"user {user.get('username', '')} may not {verb} on TargetCluster {name}: a {kind} that names it "
                    f"takes the verb {verb} on targetclusters.{GROUP} {name}"
                )
        return names

    async def _labelled(self, wanted: Mapping[str, str]) -> list[str]:
        listed = await self._hub.get(paths.firedrill("targetclusters"))
        return sorted(
            item["metadata"]["name"]
            for item in listed.get("items") or ()
            if wanted.items() <= (item["metadata"].get("labels") or {}).items()
        )

    async def _may(self, verb: str, cluster: str, user: Object) -> bool:
        attributes = {"group": GROUP, "resource": "targetclusters", "verb": verb}
        spec: Object = {
            "user": user.get("username", ""),
            "uid": user.get("uid", ""),
            "groups": user.get("groups") or [],
            "extra": user.get("extra") or {},
            "resourceAttributes": {**attributes, **({"name": cluster} if cluster else {})},
        }
        body = {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": spec}
        answer = await self._hub.create(_REVIEWS, body)
        return bool((answer.get("status") or {}).get("allowed"))


def _annotations(body: Mapping[str, Any]) -> Mapping[str, str]:
    return body.get("metadata", {}).get("annotations") or {}


def _patch(body: Object, value: str | None) -> list[Object]:
    """The JSON Patch after which the annotation says ``value``; empty where it does."""
    there = _annotations(body)
    if there.get(ANNOTATION_REQUESTED_BY) == value:
        return []
    path = "/metadata/annotations/" + ANNOTATION_REQUESTED_BY.replace("~", "~0").replace("/", "~1")
    if value is None:
        return [{"op": "remove", "path": path}]
    begin: list[Object] = [] if there else [{"op": "add", "path": "/metadata/annotations", "value": {}}]
    return [*begin, {"op": "add", "path": path, "value": value}]
