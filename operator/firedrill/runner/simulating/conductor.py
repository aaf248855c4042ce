"""``firedrill conductor``: watches over a simulation that stands, and tells the hub what is of note."""

import argparse
import asyncio
import json
import logging
import os
import signal
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

import httpx
from pydantic import Field, ValidationError

from firedrill.api.base import Model
from firedrill.api.errors import InvalidInput, describe
from firedrill.api.meta import STATE_KEY
from firedrill.api.simulation_status import ServicesState, SimulationState, SloState
from firedrill.clusters import paths
from firedrill.clusters.client import KubeClient
from firedrill.clusters.credentials import api_from_environment
from firedrill.clusters.errors import ClusterError, Forbidden, NotFound
from firedrill.runner.ports import Cluster, Object
from firedrill.runner.simulating.readiness import readiness
from firedrill.simulation import objectives
from firedrill.simulation.labels import MANAGER
from firedrill.sources.errors import SourceError
from firedrill.sources.prometheus import Prometheus

log = logging.getLogger(__name__)

_INTERVAL_SECONDS: Final = 10.0
_NAMED: Final = 10
#: A budget or a rate that moves by less is no news.
_BUDGET_STEP: Final = 0.05
#: Of a budget that is overspent many times over, as a share of it.
_OVERSPENT_STEP: Final = 0.25
_CROSSING: Final = 0.1
_RATE_STEP: Final = 0.25
INVALID_INPUT: Final = 64


class ConductorConfig(Model):
    """What a conductor watches over."""

    uid: str
    namespace: str
    services: list[str]
    slos: dict[str, float] = Field(description="Objective of each SLO, by name.")
    prometheus: str
    runner_namespace: str
    state: str = Field(description="ConfigMap in the runner namespace.")


def main(argv: Sequence[str]) -> int:
    """Entry point: runs until it is asked to end; 64 for a wrong configuration."""
    parser = argparse.ArgumentParser(prog="firedrill conductor", description="Watch over a simulation.")
    parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    # One line for each request says nothing that a failure would not say.
    logging.getLogger("httpx").setLevel(logging.WARNING)
    try:
        config = ConductorConfig.model_validate_json(os.environ.get("CONDUCTOR_CONFIG", ""))
    except ValidationError as error:
        print(f"CONDUCTOR_CONFIG: {describe(error)}", file=sys.stderr)
        return INVALID_INPUT
    try:
        return asyncio.run(_run(config))
    except InvalidInput as error:
        print(error, file=sys.stderr)
        return INVALID_INPUT


async def _run(config: ConductorConfig) -> int:
    client = KubeClient(await api_from_environment(), "here")
    task = asyncio.current_task()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, lambda: task.cancel() if task else None)
    try:
        async with httpx.AsyncClient(trust_env=False) as http:
            await conduct(config, client, Prometheus(http, config.prometheus))
    except asyncio.CancelledError:
        log.info("asked to end")
    finally:
        await client.close()
    return 0


async def conduct(config: ConductorConfig, client: Cluster, server: Prometheus) -> None:
    """Look every few seconds, and write what is of note. Goes on over every failure."""
    told: SimulationState | None = None
    while True:
        try:
            state = await look(config, client, server)
            if told is None or is_news(told, state):
                await _tell(config, client, state)
                told = state
        except ClusterError as error:
            log.warning("not told: %s", error)
        await asyncio.sleep(_INTERVAL_SECONDS)


async def look(config: ConductorConfig, client: Cluster, server: Prometheus) -> SimulationState:
    """The state of the simulation; a part that can not be seen is absent, and ``problem`` says why."""
    problem, rate, errors, slos = "", None, None, list[SloState]()
    try:
        # Over minutes: short bursts of the load are no news.
        rate = await server.value(f"avg_over_time({objectives.RATE}[5m])")
        errors = await server.value(f"avg_over_time({objectives.ERRORS}[5m])")
        slos = await _slos(config, server)
    except SourceError as error:
        problem = str(error)[:256]
    workloads: list[Object] = []
    try:
        params = {"labelSelector": f"app.kubernetes.io/managed-by={MANAGER}"}
        workloads = (await client.get(paths.deployments(config.namespace), params))["items"]
    except (Forbidden, NotFound) as error:
        # With the namespace goes the right to look into it: nothing of the simulation is there any more.
        problem = f"its workloads can not be seen: {error}"[:256]
    ready = readiness(config.services, workloads)
    return SimulationState(
        uid=config.uid,
        namespace=config.namespace,
        seen_at=datetime.now(UTC).replace(microsecond=0),
        services=ServicesState(ready=ready.ready, wanted=ready.wanted, waiting=list(ready.waiting[:_NAMED])),
        rate=None if rate is None else round(rate, 2),
        error_ratio=None if errors is None else round(errors, 5),
        slos=slos,
        problem=problem,
    )


async def _slos(config: ConductorConfig, server: Prometheus) -> list[SloState]:
    values = {s.labels.get("slo", ""): s.value for s in await server.query(objectives.VALUE)}
    budgets = {s.labels.get("slo", ""): s.value for s in await server.query(objectives.BUDGET)}
    return [slo_state(name, objective, values.get(name), budgets.get(name)) for name, objective in config.slos.items()]


def slo_state(name: str, objective: float, value: float | None, budget: float | None) -> SloState:
    """How an objective stands; without a value nothing is said of it."""
    return SloState(
        name=name,
        objective=objective,
        value=None if value is None else round(value, 5),
        budget_left=None if budget is None else round(budget, 4),
        met=None if value is None else value >= objective,
    )


def is_news(told: SimulationState, state: SimulationState) -> bool:
    """Whether anything changed by which somebody would act otherwise: an idle simulation costs no write."""
    if told.services != state.services or bool(told.problem) != bool(state.problem):
        return True
    if (told.rate is None) != (state.rate is None):
        return True
    if told.rate is not None and state.rate is not None:
        step = max(1.0, _RATE_STEP * told.rate)
        if abs(told.rate - state.rate) > step:
            return True
    before = {slo.name: slo for slo in told.slos}
    return any(_slo_news(before.get(slo.name), slo) for slo in state.slos)


def _slo_news(told: SloState | None, slo: SloState) -> bool:
    if told is None or (told.met is None) != (slo.met is None):
        return True
    if told.met != slo.met and _clear(slo):
        return True
    if told.budget_left is None or slo.budget_left is None:
        return told.budget_left is not slo.budget_left
    step = max(_BUDGET_STEP, _OVERSPENT_STEP * -told.budget_left)
    return abs(told.budget_left - slo.budget_left) >= step


def _clear(slo: SloState) -> bool:
    """Whether a value is far enough from its objective not to cross it again the next moment."""
    return slo.value is not None and abs(slo.value - slo.objective) >= _CROSSING * (1 - slo.objective)


async def _tell(config: ConductorConfig, client: Cluster, state: SimulationState) -> None:
    text = state.model_dump_json(by_alias=True, exclude_none=True)
    path = paths.configmaps(config.runner_namespace, config.state)
    await client.patch(path, {"data": {STATE_KEY: text}})
    log.info("told: %s", json.dumps(json.loads(text)["services"]))
