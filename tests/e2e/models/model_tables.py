"""Tables of payments for these tests, the same in every run of them."""

import io

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

#: Rows of a table; in a file of Parquet they are in so many row groups.
ROWS = 24_000
GROUPS = 8
#: How far the amounts of a table move that has drifted, in standard deviations of their logarithm.
SHIFT = 2.0


def payments(seed: int, rows: int = ROWS, shift: float = 0.0) -> pa.Table:
    """Payments: an amount, a merchant, an hour. With a shift the amounts are others, and nothing else."""
    random = np.random.default_rng(seed)
    merchants = np.array(["grocer", "fuel", "travel", "online", "cash"])
    return pa.table(
        {
            "amount": np.round(random.lognormal(3 + shift, 1, rows), 2),
            "merchant": merchants[random.choice(len(merchants), rows, p=[0.3, 0.2, 0.1, 0.3, 0.1])],
            "hour": random.integers(0, 24, rows),
        }
    )


def parquet(table: pa.Table, groups: int = GROUPS) -> bytes:
    """A file of Parquet with so many row groups."""
    body = io.BytesIO()
    pq.write_table(table, body, row_group_size=-(-table.num_rows // groups))
    return body.getvalue()


def csv(table: pa.Table) -> bytes:
    """A file of CSV with a header."""
    rows = zip(*(table.column(name).to_pylist() for name in table.column_names), strict=True)
    lines = [",".join(table.column_names), *(",".join(str(value) for value in row) for row in rows)]
    return ("\n".join(lines) + "\n").encode()


def distance(reference: pa.Table, current: pa.Table, column: str) -> float:
    """The largest difference in the share of values up to a bound, by sorting: no sketch, no code of the product."""
    sides = [np.sort(table.column(column).to_numpy()) for table in (reference, current)]
    every = np.concatenate(sides)
    shares = [np.searchsorted(side, every, side="right") / len(side) for side in sides]
    return float(np.abs(shares[0] - shares[1]).max())
