"""Rollouts in a simulated world that crashes, lags, halts and loses its way: none is lost, and none runs twice.

The world is the truth: in each of two targets a workload with a template, its pods, and perhaps a fault of somebody's
experiment in it. The operator is shown what was read last. Checked all the time: a run that a rollout started began
where the template that was read is another than at the last run there, or at first. And in the end, when all is well
and quiet again: whatever template is there was run for, or was there at first; and nothing more is written.
"""

from dataclasses import dataclass

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from firedrill.api.kinds import CHAOS_EXPERIMENT, DRIFT_CHECK
from firedrill.core.actions import Action, AddFinalizer, EnsureRun, WriteStatus
from firedrill.core.workload import Blind, Sight
from support.rollouts import GATEWAY, Life

CLUSTERS = ("finance", "iot")
TEMPLATES = st.sampled_from("ABC")
_ROUNDS = 60
#: So many rounds of 20 s without a write: longer than any delay.
_QUIET = 3


@dataclass
class Truth:
    """A workload as it really is."""

    template: str = "A"
    #: As its controller counts them.
    count: int = 1
    rolled_out: bool = True
    alive: bool = True
    faulted: str = ""

    def sight(self, at: object) -> Sight:
        return Sight(
            template=f"{self.template}{'!' if self.faulted else ''}",
            revision=str(self.count),
            current=True,
            complete=self.rolled_out and self.alive,
            at=at,  # type: ignore[arg-type]
            faulted=self.faulted,
        )


class World(RuleBasedStateMachine):
    """One resource that waits for rollouts in two targets."""

    def __init__(self) -> None:
        super().__init__()
        self.truth = {name: Truth() for name in CLUSTERS}
        #: What was there at the last run, or when it was first seen: as the world knows it, not as status says.
        self.run_for: dict[str, str] = {}
        self.counted = 0
        self.life = Life(DRIFT_CHECK, *CLUSTERS)

    @initialize(
        changes=st.booleans(),
        policy=st.sampled_from(["Forbid", "Replace"]),
        delay=st.sampled_from(["0s", "30s"]),
        in_turn=st.booleans(),
    )
    def begin(self, changes: bool, policy: str, delay: str, in_turn: bool) -> None:
        kind = CHAOS_EXPERIMENT if changes else DRIFT_CHECK
        more = {"acrossClusters": {"maxConcurrent": 1}} if in_turn and kind is CHAOS_EXPERIMENT else {}
        asked = {**GATEWAY, "delay": delay}
        self.life = Life(kind, *CLUSTERS, onRollout=asked, concurrencyPolicy=policy, **more)

    # -- what happens in the targets ---------------------------------------------------------------------------------

    @rule(name=st.sampled_from(CLUSTERS), template=TEMPLATES)
    def roll_out(self, name: str, template: str) -> None:
        there = self.truth[name]
        if template != there.template:
            there.template, there.rolled_out, there.count = template, False, there.count + 1

    @rule(name=st.sampled_from(CLUSTERS))
    def it_is_complete(self, name: str) -> None:
        self.truth[name].rolled_out = True

    @rule(name=st.sampled_from(CLUSTERS), alive=st.booleans())
    def a_pod_dies_or_comes_back(self, name: str, alive: bool) -> None:
        self.truth[name].alive = alive

    @rule(name=st.sampled_from(CLUSTERS), on=st.booleans())
    def a_fault_comes_or_goes(self, name: str, on: bool) -> None:
        there = self.truth[name]
        if on != bool(there.faulted):
            there.faulted, there.count = "run" if on else "", there.count + 1

    # -- what people do, and what goes wrong -------------------------------------------------------------------------

    @rule(halted=st.sampled_from(["", "incident"]), suspend=st.booleans(), suspended=st.booleans())
    def hold_up(self, halted: str, suspend: bool, suspended: bool) -> None:
        self.life.halted = halted if self.life.kind.changes else ""
        self.life.spec["suspend"] = suspend
        self.life.target_specs = {"suspend": suspended}

    @rule(name=st.sampled_from(CLUSTERS), reachable=st.booleans(), there=st.booleans())
    def cut_or_mend(self, name: str, reachable: bool, there: bool) -> None:
        (self.life.unreachable.discard if reachable else self.life.unreachable.add)(name)
        (self.life.gone.discard if there else self.life.gone.add)(name)

    @rule(name=st.sampled_from(CLUSTERS), reason=st.sampled_from(["WorkloadNotFound", "Unreadable"]))
    def it_is_not_seen(self, name: str, reason: str) -> None:
        self.life.looks[name] = Blind(reason, "why")

    @rule(seconds=st.sampled_from([1, 20, 61]))
    def wait(self, seconds: int) -> None:
        self.life.later(seconds)

    @rule()
    def the_operator_starts_anew(self) -> None:
        self.life.looks = {}

    @rule(name=st.sampled_from(CLUSTERS))
    def it_is_read(self, name: str) -> None:
        self.life.looks[name] = self.truth[name].sight(self.life.now)

    # -- the operator ------------------------------------------------------------------------------------------------

    @rule(crash=st.sampled_from([None, AddFinalizer, WriteStatus, EnsureRun]))
    def the_operator_looks(self, crash: type[Action] | None) -> None:
        self._pass(crash)

    @rule()
    def the_run_ends(self) -> None:
        if self.life.going:
            for _ in range(3):
                self._results()
                self._pass()

    def _results(self) -> None:
        """Each Job that was created has ended and passed."""
        keep = self.life.passes
        self.life.passes = lambda *_, **__: self.life  # type: ignore[method-assign]
        self.life.ends()
        self.life.passes = keep  # type: ignore[method-assign]

    def _pass(self, crash: type[Action] | None = None) -> bool:
        life = self.life
        looks, before = dict(life.looks), {entry.name for entry in life.status.clusters if entry.job and life.going}
        runs, seen_before = len(life.runs), {entry.cluster for entry in life.status.rollouts}
        done = life.one(crash_before=crash)
        for entry in life.status.rollouts:
            if entry.cluster not in seen_before:
                self.run_for[entry.cluster] = self._shown(looks, entry.cluster)
        if len(life.runs) > runs:
            before = set()
            trigger, _ = life.runs[-1]
            for part in trigger.partition(":")[2].split(","):
                name = part.partition("=")[0]
                assert self._shown(looks, name) != self.run_for[name], f"{trigger}, and nothing is new in {name}"
        if life.going:
            for entry in life.status.clusters:
                if entry.job and entry.name not in before:
                    # Where it is out of sight by now, what was noticed there is what the run was begun for.
                    self.run_for[entry.name] = self._shown(looks, entry.name) or self.run_for[entry.name]
        return done

    @staticmethod
    def _shown(looks: dict[str, object], name: str) -> str:
        look = looks.get(name)
        return look.template.rstrip("!") if isinstance(look, Sight) else ""

    @invariant()
    def no_run_has_an_id_twice(self) -> None:
        ids = [entry.id for entry in self.life.status.history]
        assert len(ids) == len(set(ids))

    # -- what must come about ----------------------------------------------------------------------------------------

    def teardown(self) -> None:
        life = self.life
        life.halted, life.target_specs = "", {}
        life.spec["suspend"] = False
        life.unreachable.clear()
        life.gone.clear()
        for there in self.truth.values():
            there.faulted, there.rolled_out, there.alive = "", True, True
        idle = 0
        for _ in range(_ROUNDS):
            life.later(20)
            for name in CLUSTERS:
                self.it_is_read(name)
            if life.going:
                self._results()
            idle = 0 if self._pass() or life.going else idle + 1
            if idle == _QUIET:
                break
        assert not life.going
        assert {name: self.run_for[name] for name in CLUSTERS} == {n: t.template for n, t in self.truth.items()}
        assert [entry.new_template for entry in life.status.rollouts] == ["", ""]
        writes, runs = life.writes(), len(life.runs)
        for _ in range(3):
            life.later(700)
            assert not life.one()
        assert (life.writes(), len(life.runs)) == (writes, runs)


World.TestCase.settings = settings(max_examples=80, stateful_step_count=40)
TestWorld = World.TestCase
