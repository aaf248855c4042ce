"""What a policy allows an experiment of Chaos Toolkit, and what an experiment needs that is not here."""

from typing import Any

import pytest
from pydantic import ValidationError

from firedrill.api.enginepolicy import ChaosToolkitPolicy
from firedrill.api.faults.union import Fault
from firedrill.engines.chaos.toolkit.document import forbidden, missing

Object = dict[str, Any]


def python(module: str, func: str = "f") -> Object:
    return {"type": "python", "module": module, "func": func}


def experiment(**parts: Any) -> Object:
    return {"title": "t", "description": "d", "method": [], **parts}


def activity(provider: Object, **parts: Any) -> Object:
    return {"type": "action", "name": "a", "provider": provider, **parts}


TERMINATE = python("chaosk8s.pod.actions", "terminate_pods")
PROCESS = {"type": "process", "path": "ls"}
HTTP = {"type": "http", "url": "http://shop/"}
CONTROL = {"name": "c", "provider": {"type": "python", "module": "mine.control"}}


@pytest.mark.parametrize(
    ("parts", "policy", "refused"),
    [
        ({}, {}, ""),
        ({"method": [activity(TERMINATE)]}, {"modules": ["chaosk8s.pod.actions"]}, ""),
        ({"method": [activity(TERMINATE)]}, {"modules": ["chaosk8s.*"]}, ""),
        ({"method": [activity(TERMINATE)]}, {"modules": ["chaosk8s.pod.actions.terminate_pods"]}, ""),
        (
            {"method": [activity(python("chaosk8s.pod.actions", "exec_in_pods"))]},
            {"modules": ["chaosk8s.pod.actions.terminate_pods"]},
            "method[0] calls chaosk8s.pod.actions.exec_in_pods; policy.chaosToolkit.modules allows "
            "chaosk8s.pod.actions.terminate_pods",
        ),
        ({"method": [activity(TERMINATE)]}, {"modules": ["chaosk8s.pod"]}, "method[0] calls"),
        ({"method": [activity(python("chaosk8sx.a"))]}, {"modules": ["chaosk8s.*"]}, "calls chaosk8sx.a.f"),
        ({"method": [activity(TERMINATE)]}, {}, "allows none"),
        ({"method": [activity(python("os", "system"))]}, {"modules": ["chaosk8s.*"]}, "method[0] calls os.system"),
        ({"rollbacks": [activity(python("os", "system"))]}, {"modules": ["chaosk8s.*"]}, "rollbacks[0] calls os"),
        ({"method": [activity(python("chaosk8s.a", "_f"))]}, {"modules": ["chaosk8s.*"]}, "no function that may be"),
        ({"method": [activity(python("chaosk8s.a;b"))]}, {"modules": ["chaosk8s.*"]}, "names no Python module"),
        ({"method": [activity(PROCESS)]}, {}, "method[0] runs a program"),
        ({"method": [activity(PROCESS)]}, {"allowProcess": True}, ""),
        ({"method": [activity(HTTP)]}, {"allowProcess": True}, "method[0] sends a request"),
        ({"method": [activity(HTTP)]}, {"allowHttp": True}, ""),
        ({"method": [activity({"type": "grpc"})]}, {"allowHttp": True}, "provider of type 'grpc'"),
        (
            {"steady-state-hypothesis": {"title": "h", "probes": [activity(PROCESS, tolerance=0)]}},
            {},
            "steady-state-hypothesis.probes[0] runs a program",
        ),
        (
            {"steady-state-hypothesis": {"probes": [activity(HTTP, tolerance=activity(python("os", "f")))]}},
            {"allowHttp": True},
            "probes[0].tolerance calls os.f",
        ),
        ({"configuration": {"x": activity(PROCESS)}}, {}, "configuration.x runs a program"),
        ({"configuration": {"x": activity(PROCESS)}}, {"allowProcess": True}, "configuration.x is read before"),
        ({"configuration": {"x": activity(TERMINATE)}}, {"modules": ["chaosk8s.*"]}, "configuration.x is read before"),
        ({"configuration": {"x": activity(python("chaosk8s.pod.probes"))}}, {"modules": ["chaosk8s.*"]}, ""),
        ({"configuration": {"x": activity({**HTTP, "method": "POST"})}}, {"allowHttp": True}, "is read before"),
        ({"configuration": {"x": activity(HTTP)}}, {"allowHttp": True}, ""),
        ({"controls": [CONTROL]}, {"modules": ["chaosk8s.*"]}, "controls[0] calls mine.control"),
        ({"method": [activity(TERMINATE, controls=[CONTROL])]}, {"modules": ["chaosk8s.*"]}, "method[0].controls[0]"),
        ({"controls": [CONTROL]}, {"modules": ["mine.control"]}, ""),
        ({"extensions": [{"name": "e", "data": 1}]}, {}, ""),
    ],
)
def test_whatever_runs_code_must_be_named_by_the_policy(parts: Object, policy: Object, refused: str) -> None:
    found = forbidden(experiment(**parts), ChaosToolkitPolicy.model_validate(policy))
    assert refused in found if refused else found == ""


@pytest.mark.parametrize(
    ("parts", "env", "lacks"),
    [
        ({}, {}, ""),
        ({"configuration": {"u": {"type": "env", "key": "URL"}}}, {"URL": "x"}, ""),
        ({"configuration": {"u": {"type": "env", "key": "URL", "default": "y"}}}, {}, ""),
        ({"configuration": {"u": {"type": "env", "key": "URL"}}}, {}, "configuration.u reads URL from the environment"),
        ({"secrets": {"k": {"t": {"type": "env", "key": "TOKEN"}}}}, {}, "secrets.k.t reads TOKEN"),
        ({"secrets": {"k": {"t": {"type": "vault", "path": "a/b"}}}}, {}, "secrets.k.t is read from Vault"),
        (
            {"steady-state-hypothesis": {"probes": [activity(HTTP, tolerance={"type": "jsonpath", "path": "$.a"})]}},
            {},
            "",
        ),
        (
            {"steady-state-hypothesis": {"probes": [activity(HTTP, tolerance={"type": "regex", "pattern": "."})]}},
            {},
            "",
        ),
    ],
)
def test_what_is_not_here_is_said(parts: Object, env: dict[str, str], lacks: str) -> None:
    found = missing(experiment(**parts), env)
    assert lacks in found if lacks else found == ""


def nested(depth: int) -> Object:
    found: Object = {}
    for _ in range(depth):
        found = {"a": found}
    return found


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ({}, "set exactly one of experiment and configMap"),
        ({"experiment": {}, "configMap": {"name": "a"}}, "set exactly one of experiment and configMap"),
        ({"experiment": {"title": "x" * 70_000}}, "at most 65536 are kept"),
        ({"experiment": nested(40)}, "nested more than 32 levels"),
        ({"experiment": nested(5_000)}, "nested more than 32 levels"),
        ({"experiment": {}, "env": {"A-B": "x"}}, "String should match pattern"),
        ({"experiment": {}, "hypothesis": "Never"}, "Input should be"),
    ],
)
def test_wrong_faults_are_refused_by_name(fault: Object, said: str) -> None:
    with pytest.raises(ValidationError, match=r"chaos_?[tT]oolkit") as caught:
        Fault.model_validate({"chaosToolkit": fault})
    assert said in str(caught.value)


@pytest.mark.parametrize("pattern", ["*", "", "a b", "chaosk8s.*.x", "os;"])
def test_a_policy_names_modules(pattern: str) -> None:
    with pytest.raises(ValidationError, match="modules"):
        ChaosToolkitPolicy.model_validate({"modules": [pattern]})
