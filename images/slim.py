"""Make a folder of installed Python packages small and quick to start from a read-only disk.

    python3 slim.py FOLDER

Removes tests, headers, static libraries and Arrow's network transport (40 MB that nothing uses), then
compiles every module. The compiled files are checked against nothing (unchecked-hash), so that they
serve whatever times the image's files carry.
"""

import compileall
import py_compile
import shutil
import sys
from pathlib import Path

FOLDERS = {"tests", "__pycache__", "include"}
SUFFIXES = {".a", ".pyx", ".pxd", ".pyi", ".c", ".h", ".hpp", ".cpp"}
PATTERNS = ("pyarrow/libarrow_flight.so*", "pyarrow/libarrow_python_flight.so*", "pyarrow/_flight.*.so")
# Packages whose code imports from a folder of theirs that is called so.
KEPT = {"numpy/_core/tests", "sklearn/utils/tests"}


def main(folder: Path) -> None:
    """Remove, then compile."""
    for path in sorted(folder.rglob("*"), reverse=True):
        if path.is_dir() and not path.is_symlink():
            if path.name in FOLDERS and str(path.relative_to(folder)) not in KEPT:
                shutil.rmtree(path)
        elif path.suffix in SUFFIXES:
            path.unlink(missing_ok=True)
    for pattern in PATTERNS:
        for path in folder.glob(pattern):
            path.unlink()
    compileall.compile_dir(
        folder,
        quiet=2,
        workers=1,
        stripdir=str(folder),
        prependdir="/opt/python",
        invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
    )


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: slim.py FOLDER")
    main(Path(sys.argv[1]))
