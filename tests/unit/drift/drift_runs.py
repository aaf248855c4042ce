"""DriftChecks as a runner carries them out, on small tables."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx

from firedrill.api.task import Result
from firedrill.runner.drift import run
from firedrill.sources.context import SourceContext
from support.tasks import check_task

CSV = "a,b\n" + "".join(f"{i % 17},{'xyz'[i % 3]}\n" for i in range(200))
SHIFTED = "a,b\n" + "".join(f"{i % 17 + 9},{'xyz'[i % 3]}\n" for i in range(200))
NOW = datetime(2025, 1, 1, tzinfo=UTC)


async def drift(base: Path = Path(), **spec: Any) -> Result:
    body = {
        "reference": {"inline": {"csv": CSV}},
        "current": {"inline": {"csv": CSV}},
    } | spec
    task = check_task("DriftCheck", body, at=NOW)
    async with httpx.AsyncClient(transport=httpx.MockTransport(lambda _: httpx.Response(503))) as http:
        result = await run(task, SourceContext(http, allow_files=True, base_dir=base), lambda: NOW)
    json.dumps(result.to_wire(), allow_nan=False)
    return result
