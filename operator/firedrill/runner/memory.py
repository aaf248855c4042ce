"""How much memory this process may take."""

import os
from pathlib import Path
from typing import Final

#: Of a container: cgroup v2, then v1.
_LIMITS: Final = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))


def memory_limit(files: tuple[Path, ...] = _LIMITS) -> int:
    """Bytes that the container may take, or the machine has, whichever is less."""
    limits = [os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")]
    for file in files:
        try:
            text = file.read_text().strip()
        except OSError:
            # Another version of cgroups, or none.
            continue
        # v2 writes "max" where there is no limit, v1 a number that no machine has.
        if text.isdigit():
            limits.append(int(text))
    return min(limits)
