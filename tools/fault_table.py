"""The table of all faults: where each works, how it is proven and undone, and how long that has taken."""

from collections.abc import Sequence
from typing import Final

from fault_cases import API, REAL, UNTIMED
from fault_figures import Figure, Spread
from pydantic.alias_generators import to_camel

from firedrill.api.faults.about import FaultModel
from firedrill.api.faults.union import FAULTS

_COUNTS: Final = (1, 10, 100, 1000, 6000)
_HEAD: Final = """# Faults: where each works, how it is proven and undone, and how long that takes

Written by `make generate` from the models and from `docs/figures/faults.json`, which `make bench-faults` and
`make bench-faults-real` write. What each fault does and which parameters it has: [the reference](reference/faults.md).

A cell tells seconds, median / 99 %: *in* from the start of applying until a change was in place, *out* from the start
of undoing until it was seen undone, and of how many changes (*n*; a fault that makes one change a run was repeated).
"""
_HOW: Final = """
## How it was measured

- **On the API alone** (`make bench-faults`): runner and guardian as in a run, on a real API server with etcd and its
  controllers, without nodes. Pods are made by the controllers and Ready by a stand-in; those of a changed template or
  with an image that is not there never are. *In place* is the API server's answer. A hundred pods count as one node.
- **On pods that run** (`make bench-faults-real`): ChaosExperiments that the operator starts in a cluster of one node,
  with runner and guardian in Jobs. Times are those at which the record was seen to say so, which somebody who watches
  it would see; they hold the start of ephemeral containers.
- What is being undone is looked at again after 0.1 s, 0.2 s, 0.4 s, and then every half second.
"""


def render(figures: Sequence[Figure]) -> str:
    """The document, as Markdown. ``figures`` may be of any faults and numbers of pods, each at most once."""
    found = {figure.key: figure for figure in figures}
    counts = [count for count in _COUNTS if any(figure.pods == count for figure in figures)]
    columns = ("fault", "works where", "proven by", "undone", *map(_pods, counts))
    lines = [_HEAD, f"| {' | '.join(columns)} |", "|---" * len(columns) + "|"]
    for field, fault in FAULTS.items():
        name = to_camel(field)
        cells = [_cell(found.get((name, count))) for count in counts]
        words = (_where(name, fault), fault.about.proven, fault.about.undone)
        lines.append(f"| {' | '.join((f'**{name}**', *map(_escaped, words), *cells))} |")
    problems = [f"- {each.fault} on {_pods(each.pods)}: {each.problem}" for each in figures if each.problem]
    if problems:
        lines += ["", "## What did not go as it should", "", *problems]
    reasons: dict[str, list[str]] = {}
    for name, untimed in UNTIMED.items():
        reasons.setdefault(untimed.why, []).append(name)
    lines += ["", "## What is not timed", "", *(f"- {', '.join(names)}: {why}" for why, names in reasons.items())]
    return "\n".join([*lines, _HOW + _conditions(figures)])


def _pods(count: int) -> str:
    return "1 pod" if count == 1 else f"{count:,} pods"


def _where(name: str, fault: type[FaultModel]) -> str:
    """What it is carried out by, what it hits, what else it needs."""
    by = "by the API server alone" if name in API else "in pods that run" if name in REAL else UNTIMED[name].by
    needs = [f"needs {fault.about.needs}"] if fault.about.needs else []
    return "; ".join([by, f"hits {fault.about.hits.value}", *needs])


def _cell(figure: Figure | None) -> str:
    if figure is None:
        return ""
    count = figure.inject.count if figure.inject else 0
    mark = " (see below)" if figure.problem else ""
    return f"in {_seconds(figure.inject)}<br>out {_seconds(figure.undo)}<br>n {count:,}{mark}"


def _seconds(found: Spread | None) -> str:
    return f"{found.p50:.2f} / {found.p99:.2f}" if found else "none"


def _conditions(figures: Sequence[Figure]) -> str:
    """What the machine was like, by way and number of pods."""
    lines = []
    for real in (False, True):
        for count in sorted({figure.pods for figure in figures if figure.real is real}):
            seen = [each.conditions for each in figures if each.real is real and each.pods == count]
            days, nices = {each.day for each in seen}, {f"{each.nice}" for each in seen}
            loads = [each.load for each in seen]
            lines.append(
                f"- {_pods(count)}, {'in pods that run' if real else 'API alone'}: on {', '.join(sorted(days))}, "
                f"{seen[0].processors} processors, a load of {min(loads):.0f} to {max(loads):.0f}, "
                f"a niceness of {', '.join(sorted(nices))}"
            )
    return "\n".join([*lines, ""])


def _escaped(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
