"""Chaos Toolkit itself, in child processes: what an experiment does, how it is stopped, and what is left of it."""

import asyncio
import json
import os
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from firedrill.engines.chaos.toolkit.journal import Phase, outcome
from firedrill.runner.toolkit.port import Request, ToolkitRefused
from firedrill.runner.toolkit.system import ChildRun, SystemToolkit

pytestmark = pytest.mark.system

Object = dict[str, Any]
MODULES = Path(__file__).parent / "toolkit_modules"
LONG = timedelta(minutes=10)
SECOND = timedelta(seconds=1)


@pytest.fixture(autouse=True)
def _modules(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [os.environ.get("PYTHONPATH"), str(MODULES)])))


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    return tmp_path / "trace"


def text(trace: Path) -> str:
    return trace.read_text() if trace.exists() else ""


def _with_lines(trace: Path, *lines: str) -> str:
    trace.write_text("".join(f"{line}\n" for line in lines))
    return str(trace)


def call(func: str, name: str = "", kind: str = "action", **arguments: Any) -> Object:
    provider = {"type": "python", "module": "shop_chaos", "func": func, "arguments": arguments}
    return {"type": kind, "name": name or func, "provider": provider}


def experiment(method: list[Object], **parts: Any) -> Object:
    return {
        "title": "shop",
        "description": "Does the shop hold?",
        "configuration": {},
        "secrets": {},
        "method": method,
        **parts,
    }


async def start(body: Object, hypothesis: str = "Default", ends_in: timedelta = LONG) -> ChildRun:
    return await SystemToolkit().start(body, hypothesis, timedelta(milliseconds=200), ends_in)


async def ended(run: ChildRun) -> ChildRun:
    while not run.ended:  # noqa: ASYNC110 - another process ends, and no event of ours tells of it
        await asyncio.sleep(0.1)
    return run


async def noted(trace: Path, line: str) -> None:
    while line not in text(trace):  # noqa: ASYNC110 - another process writes it
        await asyncio.sleep(0.1)


async def test_an_experiment_runs_with_its_hypothesis_and_its_rollbacks(trace: Path) -> None:
    path = str(trace)
    probe = {**call("lines", "few lines", "probe", path=path), "tolerance": {"type": "range", "range": [0, 1]}}
    body = experiment(
        [call("note", "hit", path=path, line="hit"), {"ref": "few lines"}],
        **{"steady-state-hypothesis": {"title": "few", "probes": [probe]}},
        rollbacks=[call("note", "mend", path=path, line="mend"), {"ref": "few lines"}],
    )
    journal = (await ended(await start(body))).journal
    assert (journal.phase, journal.status, journal.deviated) == (Phase.ENDED, "completed", False)
    assert text(trace) == "hit\nmend\n"
    assert journal.before is not None
    assert journal.before.met
    assert [each.name for each in journal.method] == ["hit", "few lines"]
    assert journal.rolled_back == [0, 1]
    assert journal.verified is not None
    assert not journal.verified.met, "asked again after the rollbacks, when there are two lines"


async def test_what_deviates_is_rolled_back_all_the_same(trace: Path) -> None:
    path = str(trace)
    probe = call("lines", "none", "probe", path=path)
    body = experiment(
        [call("note", "hit", path=path, line="hit"), call("note", "fails", path=path, line="x", fail=True)],
        **{"steady-state-hypothesis": {"title": "none", "probes": [{**probe, "tolerance": 0}]}},
        rollbacks=[call("note", "mend", path=path, line="mend")],
    )
    journal = (await ended(await start(body))).journal
    assert journal.deviated
    assert outcome(journal).reason == "Deviated"
    assert journal.rolled_back == [0]
    assert "can not note x" in journal.method[1].error


@pytest.mark.parametrize("runtime", ["never", "default", "deviated"])
async def test_rollbacks_are_always_run_when_it_is_interrupted_even_inside_an_action(trace: Path, runtime: str) -> None:
    path = str(trace)
    body = experiment(
        [call("hang", "hit", path=path, line="hit"), call("note", "second", path=path, line="second")],
        rollbacks=[call("note", "mend", path=path, line="mend")],
        runtime={"rollbacks": {"strategy": runtime}},
    )
    run = await start(body)
    await noted(trace, "hit")
    run.interrupt()
    journal = (await ended(run)).journal
    assert text(trace) == "hit\nmend\n"
    assert (journal.phase, journal.status, journal.rolled_back) == (Phase.ENDED, "interrupted", [0])


async def test_a_second_signal_does_not_end_the_rollbacks(trace: Path) -> None:
    path = str(trace)
    slow = {**call("note", "mend", path=path, line="mend"), "pauses": {"after": 1}}
    body = experiment([call("hang", path=path, line="hit")], rollbacks=[slow, call("note", path=path, line="last")])
    run = await start(body)
    await noted(trace, "hit")
    run.interrupt()
    await noted(trace, "mend")
    run.interrupt()
    assert (await ended(run)).journal.rolled_back == [0, 1]


async def test_the_kernel_ends_what_nothing_else_does(trace: Path) -> None:
    run = await start(experiment([call("never_ends", path=str(trace))]), ends_in=SECOND)
    assert "ended with -14" in (await ended(run)).journal.error


async def test_what_was_ended_by_force_is_rolled_back_by_another_process(trace: Path) -> None:
    path = str(trace)
    body = experiment([call("never_ends", path=path)], rollbacks=[call("note", "mend", path=path, line="mend")])
    run = await start(body)
    await noted(trace, "stuck")
    run.interrupt()
    await noted(trace, "swallowed")
    run.kill()
    journal = (await ended(run)).journal
    assert (journal.phase, journal.rolled_back) == (Phase.METHOD, [])
    assert "ended with -9" in journal.error
    done = await SystemToolkit().roll_back(body, [], LONG)
    assert (list(done.done), done.error) == ([0], "")
    assert text(trace).endswith("mend\n")


async def test_a_rollback_that_fails_is_told_and_the_others_are_run(trace: Path) -> None:
    path = str(trace)
    mends = [
        call("note", "one", path=path, line="one"),
        call("note", "two", path=path, line="two", fail=True),
        call("note", "three", path=path, line="three"),
    ]
    done = await SystemToolkit().roll_back(experiment([], rollbacks=mends), [0], LONG)
    assert list(done.done) == [0, 2]
    assert done.error == "rollback two failed: ValueError: can not note two"
    assert text(trace) == "three\n"


async def test_the_hypothesis_is_asked_after_the_rollbacks_until_it_is_met(trace: Path) -> None:
    path = str(trace)
    probe = {**call("note_and_count", "three lines", "probe", path=path), "tolerance": 3}
    body = experiment(
        [],
        **{"steady-state-hypothesis": {"title": "three", "probes": [probe]}},
        rollbacks=[call("note", "mend", path=path, line="mend")],
    )
    done = await SystemToolkit().roll_back(body, [], LONG)
    assert done.verified is not None
    assert done.verified.met
    assert text(trace) == "mend\nasked\nasked\n"


@pytest.mark.parametrize(
    ("path", "more", "met"),
    [
        ("$.pods[*].ready", {"count": 3}, True),
        ("$.pods[*].name", {"expect": ["a", "b", "c"]}, True),
        ("$.pods[*][?(@.ready = true)]", {"count": 3}, False),
        ("$.services", {}, False),
    ],
)
async def test_a_tolerance_may_be_a_path_into_what_was_answered(
    trace: Path, path: str, more: Object, met: bool
) -> None:
    pods = [{"name": name, "ready": name != "c"} for name in "abc"]
    probe = call("note", "answer", "probe", path=str(trace), line=json.dumps({"pods": pods}))
    tolerance = {"type": "jsonpath", "path": path, **more}
    body = experiment([], **{"steady-state-hypothesis": {"title": "t", "probes": [{**probe, "tolerance": tolerance}]}})
    journal = (await ended(await start(body))).journal
    assert journal.before is not None
    assert journal.before.met is met


async def test_what_it_reads_is_read_once_before_it_begins(trace: Path) -> None:
    path = _with_lines(trace, "a", "b")
    body = experiment(
        [],
        configuration={
            "count": {**call("lines", kind="probe", path=path)},
            "port": {"type": "env", "key": "PORT", "env_var_type": "int"},
            "host": {"type": "env", "key": "HOST", "default": "shop"},
        },
        secrets={"k8s": {"token": {"type": "env", "key": "TOKEN"}, "plain": "p"}},
    )
    found = await SystemToolkit().prepare(Request(body, {"PORT": "80", "TOKEN": "t"}, "shop"))
    assert found["configuration"] == {"count": 2, "port": 80, "host": "shop"}
    assert found["secrets"] == {"k8s": {"token": "t", "plain": "p"}}


UNKNOWN = {"type": "python", "module": "no_such_module", "func": "f"}


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (experiment([{"type": "action", "name": "a", "provider": UNKNOWN}]), "could not find Python module"),
        (experiment([call("no_such_function")]), "does not expose a function called 'no_such_function'"),
        (experiment([call("note", path="p")]), "required argument 'line' is missing"),
        (experiment([{"ref": "nobody"}]), "referenced activity 'nobody' could not be found"),
        ({"title": "t", "description": "d"}, "requires a method"),
        (experiment([call("placed")]), "would act in namespace default, and the experiment's target is shop"),
        (experiment([call("placed", ns="${where}")], configuration={"where": "other"}), "namespace other"),
        (
            experiment(
                [],
                **{
                    "steady-state-hypothesis": {
                        "title": "t",
                        "probes": [
                            {
                                **call("note", "p", "probe", path="p", line="l"),
                                "tolerance": {"type": "jsonpath", "path": "$["},
                            }
                        ],
                    }
                },
            ),
            "JSON path $[ is invalid",
        ),
        (
            experiment([], configuration={"x": call("note", kind="probe", path="p", line="l", fail=True)}),
            "configuration.x could not be read: ActivityFailed: ValueError: can not note l",
        ),
        (
            experiment(
                [
                    {
                        "type": "probe",
                        "name": "a",
                        "provider": {**UNKNOWN, "module": "chaosk8s.pod.actions", "func": "create_k8s_api_client"},
                    }
                ]
            ),
            "create_k8s_api_client is not a function of chaosk8s.pod.actions itself",
        ),
    ],
)
async def test_what_can_not_run_is_refused_before_anything_is_done(body: Object, said: str) -> None:
    with pytest.raises(ToolkitRefused) as caught:
        await SystemToolkit().prepare(Request(body, {}, "shop"))
    assert said in str(caught.value)


async def test_a_namespace_may_come_from_the_configuration() -> None:
    body = experiment([call("placed", ns="${where}")], configuration={"where": "shop"})
    await SystemToolkit().prepare(Request(body, {}, "shop"))


async def test_nothing_of_our_environment_is_given(monkeypatch: pytest.MonkeyPatch, trace: Path) -> None:
    monkeypatch.setenv("FIREDRILL_SECRET", "hidden")
    program = {"type": "process", "path": "sh", "arguments": ["-c", f"env > {trace}"], "timeout": 20}
    await ended(await start(experiment([{"type": "action", "name": "env", "provider": program}])))
    assert "PATH=" in text(trace)
    assert "hidden" not in text(trace)
