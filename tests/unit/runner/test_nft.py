"""The nft script: exactly what is asked for, and nothing that is not a typed field."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

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
add rule inet firedrill_a1 incoming tcp dport 8080 ip saddr @on4 numgen random mod 100 < 50 counter name dropped drop;
add rule inet firedrill_a1 incoming tcp dport 8080 ip6 saddr @on6 numgen random mod 100 < 50 counter name dropped drop;
"""


def test_the_script() -> None:
    assert nft.inject_script(nft.Loss("firedrill_a1", 8080, 50, 8)) == SCRIPT


def test_all_packets_need_no_dice() -> None:
    assert "numgen" not in nft.inject_script(nft.Loss("firedrill_a1", 8080, 100, 8))


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
        nft.Loss(table, port, percent, seconds)


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
    assert nft.Loss(name, 1, 1, 1).table == name


losses = st.builds(
    nft.Loss,
    st.from_regex(r"\Afiredrill_[a-z0-9]{1,40}\Z"),
    st.integers(1, 65535),
    st.integers(1, 100),
    st.floats(0.001, 86400),
)


@given(losses)
def test_every_line_is_of_our_table_and_every_element_expires(loss: nft.Loss) -> None:
    lines = nft.inject_script(loss).splitlines()
    assert all(f" inet {loss.table}" in line for line in lines)
    elements = [line for line in lines if line.startswith("add element")]
    assert len(elements) == 2
    assert all(line.count(f"timeout {round(loss.seconds * 1000)}ms") == 2 for line in elements)
    drops = [line for line in lines if " drop" in line and line.startswith("add rule")]
    assert all("saddr @on" in line and f"tcp dport {loss.port} " in line for line in drops)


real = pytest.mark.skipif(
    not (shutil.which("nft") and shutil.which("unshare") and os.geteuid() == 0), reason="needs nft, unshare and root"
)
PROGRAM = """
import subprocess, sys, time, json
from firedrill.runner import netfault, nft
from firedrill.runner.container import run_nft
from firedrill.runner.netfault import inject, undo
subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
loss = nft.Loss("firedrill_real1", 8000, int(sys.argv[1]), 1.5)
code, proof = inject(loss, time.time() + 5, run_nft, time.time)
again, second = inject(loss, time.time() + 5, run_nft, time.time)
time.sleep(1.7)
listing = run_nft(["-j", "list", "table", "inet", loss.table], "")[1]
undone, gone = undo(loss.table, run_nft, time.time)
twice, still = undo(loss.table, run_nft, time.time)
print(json.dumps([code, proof, again, second, nft.live_elements(listing), undone, gone, twice, still]))
"""


@real
@pytest.mark.parametrize("percent", [1, 50, 99, 100])
def test_the_real_nft_takes_the_script_and_the_kernel_ends_it(percent: int) -> None:
    import json

    source = Path(nft.__file__).parents[2]
    done = subprocess.run(
        ["unshare", "-n", sys.executable, "-c", PROGRAM, str(percent)],
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
    assert (proof["rules"], proof["elements"], proof["wasThere"]) == (2, 4, False)
    assert second["wasThere"] is True
    assert live == 0
    assert (gone["found"], gone["dropped"], gone["remaining"]) == (True, 0, [])
    assert (still["found"], still["remaining"]) == (False, [])
