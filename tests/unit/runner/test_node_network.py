"""The drop of a cut-off node in real network namespaces: what is the node's own is dropped, what it forwards is not.

A node, a pod behind it and an API server in front of it are network namespaces of one process each, joined by veth. The
drop is put in place by the same program as in a pod in the node's network, and the kernel ends it.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from firedrill.runner import nft

pytestmark = pytest.mark.system

real = pytest.mark.skipif(
    not (shutil.which("nft") and shutil.which("unshare") and shutil.which("ip") and os.geteuid() == 0),
    reason="needs nft, ip, unshare and root",
)
#: Run in a namespace of its own that is the node's.
PROGRAM = r"""
import contextlib, ctypes, json, os, socket, subprocess, sys, time
from firedrill.runner import netfault

def ip(*arguments):
    subprocess.run(["ip", *arguments], check=True)

def neighbour(name, own, other, node):
    # A process in a network namespace of its own, which stands for it.
    child = subprocess.Popen(["unshare", "-n", "sleep", "60"])
    while os.readlink(f"/proc/{child.pid}/ns/net") == os.readlink("/proc/self/ns/net"):
        time.sleep(0.01)
    ip("link", "add", name, "type", "veth", "peer", "name", "eth0", "netns", str(child.pid))
    ip("address", "add", f"{node}/24", "dev", name)
    ip("link", "set", name, "up")
    inside = ["nsenter", f"--net=/proc/{child.pid}/ns/net", "ip"]
    for arguments in (["link", "set", "lo", "up"], ["address", "add", f"{own}/24", "dev", "eth0"],
                      ["link", "set", "eth0", "up"], ["route", "add", other, "via", node]):
        subprocess.run([*inside, *arguments], check=True)
    return child

ip("link", "set", "lo", "up")
with open("/proc/sys/net/ipv4/ip_forward", "w") as file:
    file.write("1")
api = neighbour("api", "10.77.1.2", "10.77.2.0/24", "10.77.1.1")
pod = neighbour("pod", "10.77.2.2", "10.77.1.0/24", "10.77.2.1")
SERVER = (
    "import socket, threading\n"
    "def serve(port):\n"
    "    s = socket.create_server(('', port))\n"
    "    while True:\n"
    "        s.accept()[0].close()\n"
    "threading.Thread(target=serve, args=(6443,)).start()\n"
    "serve(8080)\n"
)
server = subprocess.Popen(["nsenter", f"--net=/proc/{api.pid}/ns/net", sys.executable, "-c", SERVER])
CLIENT = "import socket, sys; socket.create_connection((sys.argv[1], int(sys.argv[2])), float(sys.argv[3]))"

def reaches(port, within, who=()):
    command = [*who, sys.executable, "-c", CLIENT, "10.77.1.2", str(port), "0.7"]
    end = time.monotonic() + within
    while True:
        if subprocess.run(command, stderr=subprocess.DEVNULL).returncode == 0:
            return True
        if time.monotonic() >= end:
            return False

from_pod = ["nsenter", f"--net=/proc/{pod.pid}/ns/net"]
found = {}
try:
    found["before"] = [reaches(6443, 10), reaches(6443, 10, from_pod)]
    arguments = ["inject", "--table", "firedrill_cut1", "--percent", "100", "--direction", "out", "--protocol", "tcp",
                 "--port", "6443", "--address", "10.77.1.2", "--seconds", "8", "--not-after", str(time.time() + 30)]
    found["code"] = netfault.main(["--termination-log", sys.argv[1], *arguments])
    begun = time.monotonic()
    found["during"] = [reaches(6443, 0), reaches(6443, 5, from_pod), reaches(8080, 5)]
    found["in time"] = time.monotonic() - begun < 7
    found["after"] = reaches(6443, 30)
    found["undone"] = netfault.main(["--termination-log", sys.argv[1], "undo", "--table", "firedrill_cut1"])
    with open(sys.argv[1]) as file:
        found["proof"] = json.load(file)
finally:
    for child in (server, api, pod):
        child.kill()
        child.wait()
print(json.dumps(found))
"""


@real
def test_a_node_s_own_processes_are_cut_off_and_its_pods_are_not(tmp_path: Path) -> None:
    done = subprocess.run(
        ["unshare", "-n", sys.executable, "-c", PROGRAM, str(tmp_path / "termination-log")],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(Path(nft.__file__).parents[2])},
        timeout=240,
    )
    if "Operation not permitted" in done.stderr or "Read-only file system" in done.stderr:
        pytest.skip("no network namespace can be made here")
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    assert found["before"] == [True, True]
    assert found["code"] == 0
    if not found["in time"]:
        pytest.skip("the machine is too slow to look while the drop is on")
    assert found["during"] == [False, True, True], "the node is cut off; what it forwards, and other ports, are not"
    assert found["after"], "the kernel ends it"
    assert found["undone"] == 0
    assert found["proof"]["dropped"] > 0
    assert found["proof"]["remaining"] == []
