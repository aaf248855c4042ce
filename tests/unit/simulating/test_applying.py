"""Applying objects: what is told of it, and what is taken away."""

from typing import Any

from firedrill.clusters.client import APPLY_PATCH
from firedrill.clusters.errors import NotFound
from firedrill.runner.ports import SystemClock
from firedrill.runner.simulating.applying import COLLECTIONS, NOT_PRUNED, Applier
from firedrill.simulation.labels import MANAGER

Object = dict[str, Any]


class Store:
    """An API server that keeps objects by path, and raises the generation of those whose spec changes."""

    def __init__(self) -> None:
        self.objects: dict[str, Object] = {}
        self.deleted: list[str] = []

    async def get(self, path: str, params: Any = None) -> Object:
        assert params == {"labelSelector": f"app.kubernetes.io/managed-by={MANAGER}"}
        return {"items": [made for key, made in self.objects.items() if key.rpartition("/")[0] == path]}

    async def patch(self, path: str, body: Object, *, content_type: str, manager: str, dry_run: bool = False) -> Object:
        assert (content_type, manager) == (APPLY_PATCH, MANAGER)
        known = self.objects.get(path)
        generation = 1
        if known is not None:
            changed = known["spec"] != body.get("spec")
            generation = known["metadata"]["generation"] + changed
        made = {**body, "metadata": {**body["metadata"], "generation": generation}, "spec": body.get("spec")}
        self.objects[path] = made
        return made

    async def delete(self, path: str, **_: Any) -> Object:
        if path not in self.objects:
            raise NotFound(404, "NotFound", path)
        del self.objects[path]
        self.deleted.append(path)
        return {}


def deployment(name: str, image: str = "a") -> Object:
    return {"kind": "Deployment", "metadata": {"name": name}, "spec": {"image": image}}


def applier(store: Store) -> Applier:
    return Applier(store, SystemClock(), "bank")  # type: ignore[arg-type]


async def test_what_was_made_and_what_rolls_is_told_by_name() -> None:
    store = Store()
    first = await applier(store).apply([deployment("gateway"), deployment("ledger")])
    assert (first.created, first.rolled) == (["gateway", "ledger"], [])
    again = await applier(store).apply([deployment("gateway"), deployment("ledger", "b"), deployment("fx")])
    assert (again.created, again.rolled) == (["fx"], ["ledger"])


async def test_what_is_not_wanted_any_more_goes_of_every_kind_but_secrets_which_may_not_be_read() -> None:
    store = Store()
    seen: list[str] = []
    listed = store.get

    async def get(path: str, params: Any = None) -> Object:
        seen.append(path)
        return await listed(path, params)

    store.get = get  # type: ignore[method-assign]
    for api_version, plural in COLLECTIONS.values():
        root = "/api/v1" if api_version == "v1" else f"/apis/{api_version}"
        path = f"{root}/namespaces/bank/{plural}"
        for name in ("kept", "old"):
            store.objects[f"{path}/{name}"] = {"metadata": {"name": name, "generation": 1}, "spec": None}
    wanted = [{"kind": kind, "metadata": {"name": "kept"}} for kind in COLLECTIONS]
    assert await applier(store).prune(wanted) == len(COLLECTIONS) - len(NOT_PRUNED)
    assert all(path.endswith("/old") for path in store.deleted)
    left = {path for path in store.objects if not path.endswith("/kept")}
    assert left == {"/api/v1/namespaces/bank/secrets/old"}
    assert not any("secrets" in path for path in seen)
