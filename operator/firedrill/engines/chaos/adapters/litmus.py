"""Litmus: its ChaosEngine, and the ChaosResult that it leaves."""

from typing import Final

from firedrill.api.faults.operators import Litmus
from firedrill.api.verdict import Measurement, Verdict
from firedrill.engines.chaos import labels
from firedrill.engines.chaos.adapters.view import Adapter, EngineView, Object, Setting
from firedrill.engines.chaos.faults.fields import Kind
from firedrill.engines.chaos.faults.template import NotApplicable

API: Final = "litmuschaos.io/v1alpha1"
ENGINE: Final = Kind(API, "chaosengines", "ChaosEngine")
RESULT: Final = Kind(API, "chaosresults", "ChaosResult")
_DURATION: Final = "TOTAL_CHAOS_DURATION"
_ENDED: Final = ("completed", "stopped")


def _made(fault: Litmus, setting: Setting) -> Object:
    if setting.litmus is None:
        raise NotApplicable("policy.litmus of the TargetCluster names no service account for Litmus")
    half = str(max(1, int(setting.duration.total_seconds() / 2)))
    env = {_DURATION: half, **fault.env}
    if not env[_DURATION].isdigit() or int(env[_DURATION]) > setting.duration.total_seconds():
        raise NotApplicable(f"env.{_DURATION} must be seconds, and no more than the experiment's duration")
    variables = [{"name": name, "value": value} for name, value in sorted(env.items())]
    return {
        "spec": {
            "engineState": "active",
            "annotationCheck": "false",
            "appinfo": {
                "appns": setting.target.namespace,
                "applabel": labels.query(labels.selector_of(setting.target)),
                "appkind": fault.app_kind.value,
            },
            "chaosServiceAccount": setting.litmus.service_account,
            "jobCleanUpPolicy": "delete",
            "experiments": [{"name": fault.experiment, "spec": {"components": {"env": variables}}}],
        }
    }


def _result(body: Object) -> tuple[Kind, str]:
    return RESULT, f"{body['metadata']['name']}-{body['spec']['experiments'][0]['name']}"


def _read(body: Object, result: Object | None) -> EngineView:
    state = str((body.get("status") or {}).get("engineStatus") or "")
    status = (result or {}).get("status") or {}
    said = status.get("experimentStatus") or {}
    targets: list[Object] = (status.get("history") or {}).get("targets") or []
    states = sorted({str(each.get("chaosStatus")) for each in targets})
    left = [str(each.get("name")) for each in targets if each.get("chaosStatus") == "injected"]
    ended = state in _ENDED
    word = str(said.get("verdict") or "")
    evidence = (
        f"Litmus tells {state or 'nothing'}, verdict {word or 'none'}; {len(targets)} targets"
        f"{' are ' + ', '.join(states) if states else ''}"
    )
    verdict, reason, message = _concluded(state, word, said, evidence)
    percentage = str(said.get("probeSuccessPercentage") or "")
    return EngineView(
        injected=bool(targets),
        recovered=ended and not left,
        ended=ended,
        evidence=evidence,
        verdict=verdict,
        reason=reason,
        message=message,
        measurements=(
            Measurement(
                name="litmus: probeSuccessPercentage",
                value=float(percentage) if percentage.replace(".", "", 1).isdigit() else None,
                unit="percent",
                detail=evidence,
                weight=0.0,
            ),
        ),
        report={"litmus": {"engine": body.get("status") or {}, "result": status}},
    )


def _concluded(state: str, word: str, said: Object, evidence: str) -> tuple[Verdict | None, str, str]:
    if word in ("Fail", "Error"):
        failed = said.get("failureOutput") or {}
        step = failed.get("failedStep") or said.get("failStep") or "no step named"
        verdict = Verdict.FAILED if word == "Fail" else Verdict.ERROR
        return verdict, f"Litmus{word}", f"Litmus tells {word}: {step}"
    if word == "Pass":
        return None, "", ""
    reason = "LitmusStopped" if state == "stopped" or word == "Stopped" else "LitmusNotEnded"
    return Verdict.INCONCLUSIVE, reason, f"Litmus has come to no verdict in the duration: {evidence}"


LITMUS: Final = Adapter("Litmus", lambda _fault: ENGINE, _made, _read, {"spec": {"engineState": "stop"}}, _result)
