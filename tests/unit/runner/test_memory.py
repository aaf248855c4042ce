"""How much memory a runner may take, by what the kernel says."""

from pathlib import Path

import pytest

from firedrill.runner.memory import memory_limit


@pytest.mark.parametrize(
    ("written", "limit"),
    [(["1048576\n"], 1048576), (["max\n"], None), ([], None), (["2097152", "1048576"], 1048576), (["9" * 19], None)],
)
def test_the_least_limit_counts(tmp_path: Path, written: list[str], limit: int | None) -> None:
    files = [tmp_path / f"{i}" for i in range(2)]
    for file, text in zip(files, written, strict=False):
        file.write_text(text)
    machine = memory_limit(())
    assert memory_limit(tuple(files)) == (machine if limit is None else limit)
    assert machine > 2**28
