"""Runs one experiment with the library, and writes its journal whenever something has happened."""

import logging
import signal
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, NoReturn

from chaoslib.caching import cache_activities
from chaoslib.experiment import run_experiment
from chaoslib.hypothesis import run_steady_state_hypothesis
from chaoslib.run import EventHandlerRegistry, RunEventHandler
from chaoslib.types import Schedule, Strategy

from firedrill.engines.chaos.toolkit.journal import Hypothesis, Journal, Phase
from firedrill.runner.toolkit import telling
from firedrill.runner.toolkit.system import JOURNAL

Object = dict[str, Any]
log = logging.getLogger(__name__)

#: Whatever the experiment says: a rollback that is skipped leaves a fault behind.
SETTINGS: Final[Object] = {"runtime": {"rollbacks": {"strategy": "always"}}}
STRATEGIES: Final = {
    "Default": Strategy.DEFAULT,
    "BeforeMethod": Strategy.BEFORE_METHOD,
    "AfterMethod": Strategy.AFTER_METHOD,
    "DuringMethod": Strategy.DURING_METHOD,
    "Continuously": Strategy.CONTINUOUS,
    "Skip": Strategy.SKIP,
}
#: The library's word for: leave now, but run the rollbacks.
_LEAVE: Final = 20


def run(request: Object, folder: Path) -> None:
    """Run a prepared experiment to its end, rollbacks included."""
    experiment = request["experiment"]
    keeper = JournalKeeper(folder, experiment)
    schedule = Schedule(continuous_hypothesis_frequency=request["every"])
    try:
        run_experiment(experiment, SETTINGS, None, STRATEGIES[request["hypothesis"]], schedule, [keeper])
        ended_at = datetime.now(UTC)
        verified = verify(experiment)
    except Exception as error:
        log.exception("the experiment broke off")
        keeper.write(error=f"{type(error).__name__}: {error}")
        raise
    keeper.write(phase=Phase.ENDED, verified=verified, ended_at=ended_at)


def verify(experiment: Object) -> Hypothesis | None:
    """Ask the hypothesis once more, when all is rolled back; None where there is none."""
    cache_activities(experiment)
    registry = EventHandlerRegistry()
    state = run_steady_state_hypothesis(
        experiment, experiment["configuration"], experiment["secrets"], None, event_registry=registry
    )
    return telling.hypothesis(state)


class JournalKeeper(RunEventHandler):  # type: ignore[misc]
    """Follows the library, and writes down how far it has come. It may be called by several threads."""

    def __init__(self, folder: Path, experiment: Object) -> None:
        self._path = folder / JOURNAL
        self._experiment = experiment
        self._library: Object = {}
        self._kept = Journal()
        self._rolling = False
        self._turn = threading.Lock()

    def started(self, experiment: Object, journal: Object) -> None:
        """The library's own handler raises what an activity may swallow: this one nobody does."""
        del experiment
        self._library = journal
        signal.signal(signal.SIGTERM, _leave)
        self.write(phase=Phase.BEFORE)

    def start_method(self, experiment: Object) -> None:
        """The method begins."""
        del experiment
        self.write(phase=Phase.METHOD)

    def start_hypothesis_after(self, experiment: Object) -> None:
        """The method is over."""
        del experiment
        self.write(phase=Phase.AFTER)

    def start_rollbacks(self, experiment: Object) -> None:
        """From now on nothing stops the rollbacks but the end of the process."""
        del experiment
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        self._rolling = True
        self.write(phase=Phase.ROLLBACKS)

    def activity_completed(self, activity: Object, run: Object) -> None:
        """An activity is over."""
        rolled = self._place(activity) if self._rolling and run.get("status") == "succeeded" else None
        self.write(rolled_back=[*self._kept.rolled_back, *([] if rolled is None else [rolled])])

    def _place(self, activity: Object) -> int | None:
        """Which rollback an activity is, that has not been noted yet."""
        for number, each in enumerate(self._experiment.get("rollbacks") or ()):
            named = each is activity or (each.get("ref") or each.get("name")) == activity.get("name")
            if named and number not in self._kept.rolled_back:
                return number
        return None

    def write(self, **update: Any) -> None:
        """Write the journal as it is now."""
        with self._turn:
            found, states = self._library, self._library.get("steady_states") or {}
            self._kept = self._kept.model_copy(
                update={
                    "status": str(found.get("status") or ""),
                    "deviated": bool(found.get("deviated")),
                    "before": telling.hypothesis(states.get("before")),
                    "during": [each for each in map(telling.hypothesis, states.get("during") or ()) if each],
                    "after": telling.hypothesis(states.get("after")),
                    "method": telling.activities(found.get("run")),
                    "rollbacks": telling.activities(found.get("rollbacks")),
                    "ended_at": datetime.now(UTC),
                    **update,
                }
            )
            part = self._path.with_suffix(".part")
            part.write_text(self._kept.model_dump_json(by_alias=True))
            part.replace(self._path)


def _leave(_number: int, _frame: object) -> NoReturn:
    raise SystemExit(_LEAVE)
