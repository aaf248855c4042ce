"""Fetch the jars that a lock file names, and check their sha256.

    python3 fetch.py LOCK FOLDER

A line of the lock file is `group:artifact:version sha256`; # begins a comment. They come from the mirror of
Maven Central in Maven's own settings (~/.m2/settings.xml) if it has one, else from Maven Central; MAVEN_CENTRAL_URL
goes before both. Exit code 1 names the jar that cannot be had.
"""

import hashlib
import os
import sys
import urllib.error
import urllib.request
from pathlib import Path
from xml.etree import ElementTree

CENTRAL = "https://repo1.maven.org/maven2"
STANDS_FOR_CENTRAL = {"*", "central", "external:*"}
TRIES = 3
TIMEOUT = 60


def repository() -> str:
    """The base address of the repository, without a slash at its end."""
    chosen = os.environ.get("MAVEN_CENTRAL_URL", "")
    return (chosen or _mirror(Path.home() / ".m2" / "settings.xml") or CENTRAL).rstrip("/")


def _mirror(settings: Path) -> str | None:
    if not settings.is_file():
        return None
    for mirror in ElementTree.parse(settings).iterfind(".//{*}mirrors/{*}mirror"):  # noqa: S314 - the user's own file
        wanted = mirror.findtext("{*}mirrorOf", "").replace(" ", "").split(",")
        blocked = mirror.findtext("{*}blocked", "") == "true"
        if not blocked and "!central" not in wanted and STANDS_FOR_CENTRAL & set(wanted):
            return mirror.findtext("{*}url")
    return None


def entries(lock: Path) -> list[tuple[str, str]]:
    """The path of each jar below a repository, and its sha256."""
    found = []
    for line in lock.read_text(encoding="utf-8").splitlines():
        words = line.split("#", 1)[0].split()
        if words:
            coordinates, digest = words
            group, artifact, version = coordinates.split(":")
            found.append((f"{group.replace('.', '/')}/{artifact}/{version}/{artifact}-{version}.jar", digest))
    return found


def fetch(address: str) -> bytes:
    """What is at an address; a broken connection is tried again."""
    for left in reversed(range(TRIES)):
        try:
            with urllib.request.urlopen(address, timeout=TIMEOUT) as answer:  # noqa: S310 - of a repository
                content: bytes = answer.read()
            return content
        except urllib.error.HTTPError as error:
            if left == 0 or error.code < 500:
                raise
        except OSError:
            if left == 0:
                raise
    raise AssertionError("the last try returns or raises")


def main(lock: Path, folder: Path) -> int:
    """Fetch them all; gives the exit code."""
    folder.mkdir(parents=True, exist_ok=True)
    base = repository()
    for path, digest in entries(lock):
        try:
            content = fetch(f"{base}/{path}")
        except OSError as error:
            print(f"{base}/{path}: {error}", file=sys.stderr)
            return 1
        found = hashlib.sha256(content).hexdigest()
        if found != digest:
            print(f"{base}/{path}: its sha256 is {found}, not {digest}", file=sys.stderr)
            return 1
        (folder / path.rsplit("/", 1)[1]).write_bytes(content)
    return 0


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: fetch.py LOCK FOLDER")
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
