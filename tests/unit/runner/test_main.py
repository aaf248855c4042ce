"""The runner's front door: tasks, dispatch, results whatever happens, logs."""

import io
import json
import logging
from pathlib import Path
from typing import Any

import pytest
from chaos_clock import VirtualClock
from chaos_cluster import World
from chaos_lab import JOB, PACKET_LOSS, spec, task
from chaos_process import Process

from firedrill.api.errors import InvalidInput
from firedrill.api.task import Task
from firedrill.clusters import paths
from firedrill.runner import guardian, logs, main, results
from firedrill.runner.context import Identity, RunContext, Stop, read_identity, read_task
from firedrill.runner.record_store import RecordStore
from firedrill.runner.sourcing import read_key

RESULT = paths.configmaps("firedrill", f"{JOB}-result")


def context(run: Task, world: World) -> RunContext:
    process = Process(world, "runner")
    store = RecordStore(process, run, process)
    return RunContext(run, process, store, process, Identity("pod", "uid", "firedrill", "node"), Stop())


def stored(world: World) -> dict[str, Any]:
    parsed: dict[str, Any] = json.loads(world.objects[RESULT]["data"]["result.json"])
    return parsed


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> World:
    monkeypatch.setattr(results, "TERMINATION_LOG", tmp_path / "termination-log")
    return World(VirtualClock())


async def test_an_unexpected_error_is_a_result(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    async def crash(_context: RunContext) -> None:
        raise ZeroDivisionError("by nothing")

    monkeypatch.setattr(main, "dispatch", crash)
    assert await world.clock.run(main.carry_out(context(task(spec(PACKET_LOSS)), world))) == 0
    result = stored(world)
    assert (result["verdict"], result["reason"]) == ("Error", "RunnerCrashed")
    assert "ZeroDivisionError: by nothing" in result["message"]
    assert any("in crash" in line for line in result["report"]["traceback"])


async def test_a_wrong_spec_is_a_result_that_names_the_field(world: World) -> None:
    raw = spec(PACKET_LOSS)
    del raw["target"]["namespace"]
    assert await world.clock.run(main.carry_out(context(task(raw), world))) == 0
    assert (stored(world)["verdict"], stored(world)["reason"]) == ("Error", "InvalidSpec")
    assert "spec.target.namespace" in stored(world)["message"]


async def test_a_kind_that_nobody_knows(world: World) -> None:
    assert await world.clock.run(main.carry_out(context(task({}, kind="Wish"), world))) == 0
    assert "no kind Wish" in stored(world)["message"]


async def test_a_claimed_run_leaves_no_result(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    async def nothing(_context: RunContext) -> None:
        return None

    monkeypatch.setattr(main, "dispatch", nothing)
    assert await world.clock.run(main.carry_out(context(task({}), world))) == main.NO_RESULT
    assert RESULT not in world.objects


async def test_config_maps_of_the_runner_namespace_are_sources(world: World) -> None:
    run = context(task({}), world)
    path = paths.configmaps("firedrill", "rows")
    world.put(path, {"data": {"a.csv": "x\n1\n"}, "binaryData": {"b": "AAEC"}})
    assert await world.clock.run(read_key(run, "rows", "a.csv")) == b"x\n1\n"
    assert await world.clock.run(read_key(run, "rows", "b")) == b"\x00\x01\x02"
    with pytest.raises(LookupError, match="has no key c"):
        await world.clock.run(read_key(run, "rows", "c"))
    with pytest.raises(LookupError, match="does not exist"):
        await world.clock.run(read_key(run, "other", "c"))


@pytest.mark.parametrize(
    ("content", "words"),
    [(None, "can not be read"), ("{", "is not valid"), ('{"kind":"x"}', "task.namespace")],
)
@pytest.mark.parametrize("entry", [main.main, guardian.main])
def test_a_wrong_task_is_told(
    entry: Any, content: str | None, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "task.json"
    if content is not None:
        path.write_text(content)
    assert entry(["--task", str(path)]) == 64
    assert words in capsys.readouterr().err


def test_a_task_is_read_as_the_operator_writes_it(tmp_path: Path) -> None:
    run = task(spec(PACKET_LOSS))
    path = tmp_path / "task.json"
    path.write_text(run.model_dump_json(by_alias=True, exclude_none=True))
    assert read_task(path) == run


def test_the_own_pod_must_be_told() -> None:
    told = {"POD_NAME": "p", "POD_UID": "u", "POD_NAMESPACE": "n", "NODE_NAME": "x"}
    assert read_identity(told) == Identity("p", "u", "n", "x")
    with pytest.raises(InvalidInput, match="POD_UID"):
        read_identity({**told, "POD_UID": ""})


def test_logs_are_json_with_the_run() -> None:
    stream = io.StringIO()
    root = logging.getLogger()
    before = root.handlers[:], root.level
    try:
        logs.set_up(task({}), "guardian", stream)
        logging.getLogger("x").warning("seen %d", 3)
        try:
            raise ValueError("no")
        except ValueError:
            logging.getLogger("x").exception("broke")
    finally:
        root.handlers[:], root.level = before
    first, second = (json.loads(line) for line in stream.getvalue().splitlines())
    assert (first["message"], first["level"], first["role"]) == ("seen 3", "warning", "guardian")
    assert (first["resource"], first["cluster"], first["run"]) == ("sre/ledger-loss", "finance", "abc1234567")
    assert "ValueError: no" in second["error"]


def test_each_kind_is_undone_by_its_own_table() -> None:
    from firedrill.api.changes import (
        DataTouched,
        EngineStarted,
        FisStarted,
        GrantsRevoked,
        GroupJoined,
        HeldInPod,
        NamespaceCreated,
        NodeCutOff,
        ObjectCreated,
        ObjectDeleted,
        ObjectEdited,
        PacketsDropped,
        PasswordChanged,
        PodDeleted,
        RequestsSent,
        SessionsHeld,
        TemplateReplaced,
        ToolkitStarted,
    )

    objects = {ObjectEdited, ObjectCreated, ObjectDeleted}
    engines = {ToolkitStarted, EngineStarted}
    stores = {SessionsHeld, GrantsRevoked, PasswordChanged, GroupJoined, DataTouched}
    beyond = {RequestsSent, NodeCutOff, FisStarted}
    changes = {PodDeleted, PacketsDropped, HeldInPod, *objects, *engines, *stores, *beyond}
    assert set(guardian.undo_table("ChaosExperiment")) == changes
    assert set(guardian.undo_table("AutoFix")) == {NamespaceCreated, TemplateReplaced}
