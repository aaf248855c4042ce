"""Checks an experiment with the library itself, and resolves what it reads, before anything of it is done."""

import copy
import importlib
import inspect
from collections.abc import Callable, Iterator
from typing import Any, Final

from chaoslib import convert_to_type, substitute
from chaoslib.activity import run_activity
from chaoslib.exceptions import ChaosException
from chaoslib.experiment import ensure_experiment_is_valid

Object = dict[str, Any]
_NAMESPACES: Final = ("ns", "namespace")


class _Refused(Exception):
    """Why the experiment can not be run."""


def prepare(request: Object) -> Object:
    """``experiment`` as it will be run, its configuration resolved to values; or ``error``."""
    experiment = copy.deepcopy(request["experiment"])
    try:
        env = request["env"]
        experiment["configuration"] = {
            name: _value(each, env) for name, each in (experiment.get("configuration") or {}).items()
        }
        experiment["secrets"] = _secrets(experiment.get("secrets") or {}, env)
        ensure_experiment_is_valid(experiment)
        for where, activity in _calls(experiment, "experiment"):
            _defined_there(where, activity["provider"])
        for name, each in experiment["configuration"].items():
            if isinstance(each, dict) and each.get("type") == "probe":
                experiment["configuration"][name] = _asked(name, each, experiment)
        for where, activity in _calls(experiment, "experiment"):
            _stays_in(where, activity["provider"], request["namespace"], experiment)
    except _Refused as error:
        return {"error": str(error)}
    except (ChaosException, ImportError, TypeError, ValueError, AttributeError, KeyError, RecursionError) as error:
        return {"error": f"{type(error).__name__}: {error}"}
    return {"experiment": experiment}


def _value(each: Any, env: dict[str, str]) -> Any:
    if isinstance(each, dict) and each.get("type") == "env":
        return convert_to_type(each.get("env_var_type"), env.get(each["key"], each.get("default")))
    return each


def _secrets(found: Object, env: dict[str, str]) -> Object:
    return {
        name: (_secrets(each, env) if isinstance(each, dict) and each.get("type") != "env" else _value(each, env))
        for name, each in found.items()
    }


def _asked(name: str, probe: Object, experiment: Object) -> Any:
    """The value of a configuration that a probe tells."""
    activity = copy.deepcopy(probe)
    kind = activity["provider"]["type"]
    try:
        output = run_activity(activity, _known(experiment), experiment["secrets"])
    except Exception as error:
        raise _Refused(f"configuration.{name} could not be read: {type(error).__name__}: {error}") from error
    if kind == "process":
        if output["status"] != 0:
            raise _Refused(f"configuration.{name} could not be read: its program ended with {output['status']}")
        return output["stdout"].strip()
    return output["body"] if kind == "http" else output


def _known(experiment: Object) -> Object:
    """Configuration whose values are there already."""
    found = experiment["configuration"].items()
    return {name: each for name, each in found if not (isinstance(each, dict) and each.get("type") == "probe")}


def _calls(value: Any, where: str) -> Iterator[tuple[str, Object]]:
    """Every call of a Python function, wherever it stands."""
    if isinstance(value, dict):
        provider = value.get("provider")
        if isinstance(provider, dict) and provider.get("type") == "python" and "func" in provider:
            yield f"{where} ({value.get('name', 'no name')})", value
        for key, each in value.items():
            yield from _calls(each, f"{where}.{key}")
    elif isinstance(value, list):
        for number, each in enumerate(value):
            yield from _calls(each, f"{where}[{number}]")


def _function(provider: Object) -> Callable[..., Any]:
    found: Callable[..., Any] = getattr(importlib.import_module(provider["module"]), provider["func"])
    return found


def _defined_there(where: str, provider: Object) -> None:
    """What a module has only imported is not what a policy means that names the module."""
    module = importlib.import_module(provider["module"])
    exported = getattr(module, "__all__", ())
    if provider["func"] not in exported and _function(provider).__module__ != provider["module"]:
        raise _Refused(f"{where}: {provider['func']} is not a function of {provider['module']} itself")


def _stays_in(where: str, provider: Object, namespace: str, experiment: Object) -> None:
    """A function that takes a namespace must be given the target's, which takes part by its label."""
    parameters = inspect.signature(_function(provider)).parameters
    arguments = substitute(provider.get("arguments") or {}, experiment["configuration"], experiment["secrets"])
    for name in _NAMESPACES:
        if name in parameters:
            default = parameters[name].default
            given = arguments.get(name, None if default is inspect.Parameter.empty else default)
            if given != namespace:
                raise _Refused(
                    f"{where} would act in namespace {given or 'of its own choice'}, and the experiment's target is "
                    f"{namespace}: set its argument {name}"
                )
