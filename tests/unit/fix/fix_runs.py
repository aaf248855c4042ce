"""Runs a fix in a cluster in memory, and reads what came of it."""

import json
from typing import Any

from fix_builders import task
from fix_world import RECORD, World

from firedrill.api.record import Record
from firedrill.api.task import Result
from firedrill.runner import fix


async def run(world: World, **changes: Any) -> Result:
    context = world.context(task(**changes))
    return await fix.run(context, dial=world.dial, api_address="10.0.0.1:443")


def record(world: World) -> Record:
    return Record.model_validate_json(world.objects[RECORD]["data"]["record.json"])


def findings(result: Result) -> dict[str, tuple[str, str]]:
    return {item.type: (item.status.value, item.reason) for item in result.findings}


def production_writes(world: World) -> list[tuple[str, str]]:
    """Writes to the production namespace but for Events."""
    return [
        (verb, path)
        for verb, path in world.writes
        if "/namespaces/devices" in path and "events" not in path and verb != "dry-run"
    ]


def set_control(world: World, **control: Any) -> None:
    body = world.objects[RECORD]
    body["data"]["control.json"] = json.dumps(control)
    world.put(RECORD, body)
