"""A reference that is saved: rows of it drawn at random, and what they are of.

Any table may be a reference. A saved one is small, is the same for ever, and can be pinned by the hash of its file. Its
rows are a simple random sample of the reference's, without replacement, so each test of it against current data holds
as a two-sample test of that sample; what is lost is power, and no p-value has to be corrected. Summaries such as bins
or moments were not taken: an exact two-sample test, the joint classifier and the model of the concept need rows.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from firedrill.engines.drift.matrix import row_sample
from firedrill.engines.drift.table import Columns, unique_names

#: Key of the notes in the metadata of the file's schema.
NOTES_KEY: Final = b"firedrill.profile"
#: The same rows are drawn of the same reference, so that its profile has the same hash.
_SEED: Final = 20260501
DEFAULT_ROWS: Final = 100_000


@dataclass(frozen=True)
class Saved:
    """What a profile is of: rows of the reference, and those of them that were drawn."""

    rows: int
    sampled: int
    model_version: str | None = None

    @property
    def is_part(self) -> bool:
        """Whether rows were left out."""
        return self.sampled < self.rows


def save(reference: Columns, file: Any, rows: int = DEFAULT_ROWS, model_version: str | None = None) -> Saved:
    """Write at most ``rows`` rows of a reference into a Parquet file, in their order; gives what it is of.

    ``file`` is a path or an open binary file. A column at a time is in memory besides the rows that are drawn.
    """
    drawn = row_sample(reference.num_rows, rows, _SEED)
    names = unique_names(reference.names)
    columns = [
        reference.column(place) if drawn is None else reference.column(place).take(pa.array(drawn))
        for place in range(len(names))
    ]
    saved = Saved(reference.num_rows, reference.num_rows if drawn is None else rows, model_version)
    notes = {"version": 1, "rows": saved.rows, "sampled": saved.sampled, "modelVersion": model_version}
    table = pa.table(columns, names=names).replace_schema_metadata({NOTES_KEY: json.dumps(notes).encode()})
    pq.write_table(table, file, compression="zstd")
    return saved


def saved_of(notes: Mapping[bytes, bytes]) -> Saved | None:
    """What the notes of a file say; None where it is no profile. Raises ValueError for notes of another form."""
    text = notes.get(NOTES_KEY)
    if text is None:
        return None
    try:
        said = json.loads(text)
        version = said["modelVersion"]
        if said["version"] != 1:
            raise ValueError(f"of version {said['version']}, this release reads 1")
        return Saved(int(said["rows"]), int(said["sampled"]), None if version is None else str(version))
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"the notes of the profile can not be read: {error}") from error
