"""Chaos Mesh: its objects, their conditions, and what it counts."""

import copy
from typing import Any, Final

from firedrill.api.base import format_duration
from firedrill.api.faults.operators import ChaosMesh
from firedrill.api.target import PodTarget, TargetMode
from firedrill.api.verdict import Measurement, Verdict
from firedrill.engines.chaos.adapters.view import Adapter, EngineView, Object, Setting
from firedrill.engines.chaos.faults.fields import Kind
from firedrill.engines.chaos.faults.template import NotApplicable

API: Final = "chaos-mesh.org/v1alpha1"
PAUSE: Final = "experiment.chaos-mesh.org/pause"
#: Actions that are over as soon as they are done: there is nothing to recover, and Chaos Mesh may never say so.
_EVENTS: Final = ("pod-kill", "container-kill")
_MODES: Final = {
    TargetMode.ONE: "one",
    TargetMode.ALL: "all",
    TargetMode.FIXED: "fixed",
    TargetMode.PERCENT: "fixed-percent",
    TargetMode.RANDOM: "random-max-percent",
}


def _kind(fault: ChaosMesh) -> Kind:
    return Kind(API, fault.kind.value.lower(), fault.kind.value)


def _made(fault: ChaosMesh, setting: Setting) -> Object:
    spec = copy.deepcopy(fault.spec)
    target = setting.target
    if "selector" not in spec:
        expressions = [each.to_wire() for each in target.match_expressions]
        spec["selector"] = {
            **({"labelSelectors": dict(target.match_labels)} if target.match_labels else {}),
            **({"expressionSelectors": expressions} if expressions else {}),
        }
        spec["mode"] = _MODES[target.mode]
        if target.value is not None:
            spec["value"] = str(target.value)
    _keep_in(spec, "spec", target)
    spec["duration"] = format_duration(setting.duration)
    return {"spec": spec}


def _keep_in(value: Any, where: str, target: PodTarget) -> None:
    """Every selector, wherever it stands, is of the target's namespace alone."""
    if isinstance(value, list):
        for number, each in enumerate(value):
            _keep_in(each, f"{where}[{number}]", target)
    if not isinstance(value, dict):
        return
    selector = value.get("selector")
    if isinstance(selector, dict):
        named = [*(selector.get("namespaces") or ()), *(selector.get("pods") or {})]
        strange = sorted({str(name) for name in named if name != target.namespace})
        if strange:
            raise NotApplicable(
                f"{where}.selector names namespace {', '.join(strange)}; the target is {target.namespace}"
            )
        selector["namespaces"] = [target.namespace]
    for key, each in value.items():
        _keep_in(each, f"{where}.{key}", target)


def _read(body: Object, _: Object | None) -> EngineView:
    status = body.get("status") or {}
    conditions = {each.get("type"): each.get("status") == "True" for each in status.get("conditions") or ()}
    experiment = status.get("experiment") or {}
    records: list[Object] = experiment.get("containerRecords") or []
    stopped = experiment.get("desiredPhase") == "Stop"
    # Before anything is injected all counts as recovered, so that word is only worth something after a stop.
    nothing = "Selected" in conditions and not conditions["Selected"] and not records
    recovered = stopped and (conditions.get("AllRecovered", False) or nothing)
    injected = [each for each in records if int(each.get("injectedCount") or 0) > 0 or each.get("phase") == "Injected"]
    failures = [
        str(event.get("message"))[:200]
        for each in records
        for event in each.get("events") or ()
        if event.get("type") == "Failed"
    ]
    told = ", ".join(f"{name} {'True' if value else 'False'}" for name, value in sorted(conditions.items()))
    evidence = f"Chaos Mesh tells {told or 'nothing'}; {len(injected)} of {len(records)} targets were injected"
    if failures:
        evidence += f"; last failure: {failures[-1]}"
    verdict = None if injected and len(injected) == len(records) else Verdict.INCONCLUSIVE
    return EngineView(
        injected=bool(injected) and verdict is None,
        recovered=recovered or (_is_event(body) and bool(injected) and len(injected) == len(records)),
        ended=stopped and recovered,
        evidence=evidence,
        verdict=verdict,
        reason="NotAllInjected" if verdict else "",
        message=evidence if verdict else "",
        measurements=(
            Measurement(
                name="chaosMesh: injected", value=float(len(injected)), unit="count", detail=evidence, weight=0.0
            ),
        ),
        report={"chaosMesh": status},
    )


def _is_event(body: Object) -> bool:
    return body.get("kind") == "PodChaos" and (body.get("spec") or {}).get("action") in _EVENTS


MESH: Final = Adapter(
    "ChaosMesh", _kind, _made, _read, {"metadata": {"annotations": {PAUSE: "true"}}}, lambda _body: None
)
