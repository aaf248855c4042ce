"""The nft script: exactly what is asked for, and nothing that is not a typed field."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firedrill.runner import nft

SCRIPT = """\
create table inet firedrill_a1
add counter inet firedrill_a1 dropped
add set inet firedrill_a1 on4 { type ipv4_addr; flags interval, timeout; }
add element inet firedrill_a1 on4 { 0.0.0.0/1 timeout 8000ms, 128.0.0.0/1 timeout 8000ms }
add set inet firedrill_a1 on6 { type ipv6_addr; flags interval, timeout; }
add element inet firedrill_a1 on6 { ::/1 timeout 8000ms, 8000::/1 timeout 8000ms }
add chain inet firedrill_a1 incoming { type filter hook input priority -300; policy accept; }
add rule inet firedrill_a1 incoming iifname != "lo" tcp dport 8080 ip saddr @on4 DICE counter name dropped drop;
add rule inet firedrill_a1 incoming iifname != "lo" tcp dport 8080 ip6 saddr @on6 DICE counter name dropped drop;
"""


def test_the_script() -> None:
    assert nft.inject_script(nft.Filter("firedrill_a1", 50, 8, port=8080)) == SCRIPT.replace(
        "DICE", "numgen random mod 100 < 50"
    )


def rules(**wanted: Any) -> list[str]:
    """What the rules of a filter match, and what they do, for IPv4."""
    lines = nft.inject_script(nft.Filter("firedrill_a1", **{"percent": 100, "seconds": 8, **wanted})).splitlines()
    return [line.removeprefix("add rule inet firedrill_a1 ") for line in lines if "@on4" in line and "rule" in line]


OUT = 'outgoing oifname != "lo" '
COUNTED = "counter name dropped"


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({"port": 80}, [f'incoming iifname != "lo" tcp dport 80 ip saddr @on4 {COUNTED} drop;']),
        ({}, [f'incoming iifname != "lo" meta l4proto tcp ip saddr @on4 {COUNTED} drop;']),
        (
            {"direction": "both", "protocol": "any"},
            [f'incoming iifname != "lo" ip saddr @on4 {COUNTED} drop;', f"{OUT}ip daddr @on4 {COUNTED} drop;"],
        ),
        (
            {"direction": "out", "protocol": "dns", "percent": 30},
            [f"{OUT}meta l4proto {{ tcp, udp }} th dport 53 ip daddr @on4 numgen random mod 100 < 30 {COUNTED} drop;"],
        ),
        (
            {"port": 80, "action": "reset"},
            [f'incoming iifname != "lo" tcp dport 80 ip saddr @on4 {COUNTED} reject with tcp reset;'],
        ),
    ],
)
def test_what_a_filter_matches_and_what_it_does(wanted: dict[str, Any], expected: list[str]) -> None:
    assert rules(**wanted) == expected


@pytest.mark.parametrize(
    "wanted",
    [
        {"direction": "up"},
        {"protocol": "icmp; flush ruleset"},
        {"action": "accept"},
        {"protocol": "any", "action": "reset"},
        {"protocol": "dns", "port": 53},
    ],
)
def test_a_filter_of_nothing_known_is_refused(wanted: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="must be"):
        nft.Filter("firedrill_a1", 100, 8, **wanted)


@pytest.mark.parametrize(
    ("table", "port", "percent", "seconds"),
    [
        ("filter", 80, 50, 1),
        ("firedrill_a; flush ruleset", 80, 50, 1),
        ("firedrill_", 80, 50, 1),
        ("firedrill_a", 0, 50, 1),
        ("firedrill_a", 65536, 50, 1),
        ("firedrill_a", 80, 0, 1),
        ("firedrill_a", 80, 101, 1),
        ("firedrill_a", 80, 50, 0),
        ("firedrill_a", 80, 50, 86401),
        ("firedrill_a", 80, 50, float("nan")),
    ],
)
def test_what_is_not_possible_is_refused(table: str, port: int, percent: int, seconds: float) -> None:
    with pytest.raises(ValueError, match="must be"):
        nft.Filter(table, percent, seconds, port=port)


@pytest.mark.parametrize("table", ["filter", "firedrill_a\nflush ruleset", "firedrill_"])
def test_no_other_table_is_deleted(table: str) -> None:
    with pytest.raises(ValueError, match="not a table of ours"):
        nft.undo_script(table)


@given(st.text(max_size=60))
def test_any_run_gives_a_table_or_a_refusal(run: str) -> None:
    name = nft.table_name(run)
    if name == nft.PREFIX:
        return
    assert nft.undo_script(name) == f"delete table inet {name}\n"
    assert nft.Filter(name, 1, 1).table == name


MATCHES = st.one_of(
    st.tuples(st.just("tcp"), st.one_of(st.none(), st.integers(1, 65535)), st.sampled_from(nft.ACTIONS)),
    st.tuples(st.sampled_from(["dns", "any"]), st.none(), st.just("drop")),
)
FILTERS = st.builds(
    lambda table, percent, seconds, direction, match: nft.Filter(table, percent, seconds, direction, *match),
    st.from_regex(r"\Afiredrill_[a-z0-9]{1,40}\Z"),
    st.integers(1, 100),
    st.floats(0.001, 86400),
    st.sampled_from(nft.DIRECTIONS),
    MATCHES,
)


@given(FILTERS)
def test_every_line_is_of_our_table_and_every_element_expires(wanted: nft.Filter) -> None:
    lines = nft.inject_script(wanted).splitlines()
    assert all(f" inet {wanted.table}" in line for line in lines)
    elements = [line for line in lines if line.startswith("add element")]
    assert len(elements) == 2
    assert all(line.count(f"timeout {round(wanted.seconds * 1000)}ms") == 2 for line in elements)
    made = [line for line in lines if line.startswith("add rule")]
    assert len(made) == (4 if wanted.direction == "both" else 2)
    assert all(("saddr @on" in line or "daddr @on" in line) and '!= "lo"' in line for line in made)


real = pytest.mark.skipif(
    not (shutil.which("nft") and shutil.which("unshare") and os.geteuid() == 0), reason="needs nft, unshare and root"
)
PROGRAM = """
import subprocess, sys, time, json
from firedrill.runner import netfault, nft
from firedrill.runner.container import run_nft
from firedrill.runner.netfault import inject, undo
subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
wanted = nft.Filter("firedrill_real1", seconds=1.5, **json.loads(sys.argv[1]))
code, proof = inject(wanted, time.time() + 5, run_nft, time.time)
again, second = inject(wanted, time.time() + 5, run_nft, time.time)
time.sleep(1.7)
listing = run_nft(["-j", "list", "table", "inet", wanted.table], "")[1]
undone, gone = undo(wanted.table, run_nft, time.time)
twice, still = undo(wanted.table, run_nft, time.time)
print(json.dumps([code, proof, again, second, nft.live_elements(listing), undone, gone, twice, still]))
"""


@real
@pytest.mark.parametrize(
    ("wanted", "rules_of_it"),
    [
        *(({"percent": percent, "port": 8000}, 2) for percent in (1, 50, 99, 100)),
        ({"percent": 100, "direction": "both", "protocol": "any"}, 4),
        ({"percent": 50, "direction": "out", "protocol": "dns"}, 2),
        ({"percent": 100, "port": 8000, "action": "reset"}, 2),
    ],
    ids=str,
)
@pytest.mark.system
def test_the_real_nft_takes_the_script_and_the_kernel_ends_it(wanted: dict[str, Any], rules_of_it: int) -> None:
    source = Path(nft.__file__).parents[2]
    done = subprocess.run(
        ["unshare", "-n", sys.executable, "-c", PROGRAM, json.dumps(wanted)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(source)},
        timeout=60,
    )
    if "Operation not permitted" in done.stderr:
        pytest.skip("no network namespace can be made here")
    assert done.returncode == 0, done.stderr
    code, proof, again, second, live, undone, gone, twice, still = json.loads(done.stdout)
    assert (code, again, undone, twice) == (0, 0, 0, 0)
    assert (proof["rules"], proof["elements"], proof["wasThere"]) == (rules_of_it, 4, False)
    assert second["wasThere"] is True
    assert live == 0
    assert (gone["found"], gone["dropped"], gone["remaining"]) == (True, 0, [])
    assert (still["found"], still["remaining"]) == (False, [])
