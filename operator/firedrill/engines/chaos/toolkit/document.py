"""What an experiment of Chaos Toolkit would do, read from the experiment alone: before anything of it is loaded."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from firedrill.api.enginepolicy import ChaosToolkitPolicy

Object = dict[str, Any]

_MODULE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*")
_FUNCTION: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
#: Told at most, so that a message stays readable.
_TOLD: Final = 5


def forbidden(experiment: Object, policy: ChaosToolkitPolicy) -> str:
    """What of the experiment the policy does not allow; empty where it allows all.

    Looked at is every ``provider`` wherever it stands: activities, tolerances, controls, dynamic configuration.
    """
    found = [f"{where} {why}" for where, provider in _providers(experiment, "") if (why := _refused(provider, policy))]
    for where, provider in _providers(experiment.get("configuration") or {}, "configuration"):
        if not _only_reads(provider):
            found.append(
                f"{where} is read before anything is recorded, so it must be a function of a module named probes, or a "
                "GET request"
            )
    return _joined(found)


def missing(experiment: Object, env: Mapping[str, str]) -> str:
    """What the experiment needs and is not here; empty where nothing is missing."""
    found = []
    for where, value in _walk(experiment.get("secrets") or {}, "secrets"):
        if isinstance(value, dict) and value.get("type") == "vault":
            found.append(f"{where} is read from Vault, which needs the package hvac, and it is not installed")
    for part in ("configuration", "secrets"):
        for where, value in _walk(experiment.get(part) or {}, part):
            if _of_environment(value) and value.get("key") not in env and "default" not in value:
                found.append(f"{where} reads {value.get('key')} from the environment: set it in fault.chaosToolkit.env")
    return _joined(found)


def names(experiment: Object, part: str, kind: str = "") -> list[str]:
    """Names of the activities of a part (``method`` or ``rollbacks``), of one type where it is given."""
    activities = [each for each in experiment.get(part) or () if isinstance(each, dict)]
    return [
        str(each.get("name") or each.get("ref") or "?") for each in activities if not kind or each.get("type") == kind
    ]


def _only_reads(provider: Object) -> bool:
    match provider.get("type"):
        case "python":
            return str(provider.get("module")).rpartition(".")[2] == "probes"
        case "http":
            return str(provider.get("method", "GET")).upper() in ("GET", "HEAD")
    return False


def _refused(provider: Object, policy: ChaosToolkitPolicy) -> str:
    match provider.get("type"):
        case "python":
            return _refused_module(provider, policy)
        case "process":
            return "" if policy.allow_process else "runs a program, and policy.chaosToolkit.allowProcess is not set"
        case "http":
            return "" if policy.allow_http else "sends a request, and policy.chaosToolkit.allowHttp is not set"
    return f"has a provider of type {provider.get('type')!r}, which is none of python, process, http"


def _refused_module(provider: Object, policy: ChaosToolkitPolicy) -> str:
    module, function = provider.get("module"), provider.get("func")
    if not isinstance(module, str) or not _MODULE.fullmatch(module):
        return f"names no Python module: {module!r}"
    if function is not None and (not isinstance(function, str) or not _FUNCTION.fullmatch(function)):
        return f"names no function that may be called: {function!r}"
    if any(_covers(pattern, module, function) for pattern in policy.modules):
        return ""
    called = f"{module}.{function}" if function else module
    allowed = ", ".join(policy.modules) or "none"
    return f"calls {called}; policy.chaosToolkit.modules allows {allowed}"


def _covers(pattern: str, module: str, function: str | None) -> bool:
    if pattern.endswith(".*"):
        package = pattern.removesuffix(".*")
        return module == package or module.startswith(f"{package}.")
    return pattern == module or (function is not None and pattern == f"{module}.{function}")


def _providers(value: Any, where: str) -> Iterator[tuple[str, Object]]:
    for path, each in _walk(value, where):
        if isinstance(each, dict) and isinstance(each.get("provider"), dict):
            yield path or "the experiment", each["provider"]


def _walk(value: Any, where: str) -> Iterator[tuple[str, Any]]:
    """Every value with its path."""
    yield where, value
    if isinstance(value, dict):
        for key, each in value.items():
            yield from _walk(each, f"{where}.{key}" if where else str(key))
    elif isinstance(value, list):
        for number, each in enumerate(value):
            yield from _walk(each, f"{where}[{number}]")


def _of_environment(value: Any) -> bool:
    return isinstance(value, dict) and value.get("type") == "env"


def _joined(found: list[str]) -> str:
    more = f"; and {len(found) - _TOLD} more" if len(found) > _TOLD else ""
    return "; ".join(found[:_TOLD]) + more
