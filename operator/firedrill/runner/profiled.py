"""A reference that is a saved profile: whether it is of the model that is asked for, and of the one that answers."""

from typing import Any

import pyarrow.compute as pc

from firedrill.api.data import ReferenceProfile
from firedrill.api.driftcheck import DriftCheckSpec
from firedrill.api.errors import InvalidInput
from firedrill.engines.drift.saved import Saved, saved_of
from firedrill.sources.errors import SourceError, SourceReason
from firedrill.sources.table import ParquetTable, SourceTable

_FIELD = "spec.reference.profile"
_VERSIONS_SHOWN = 3


def profile_used(spec: DriftCheckSpec, reference: SourceTable, current: SourceTable) -> dict[str, Any]:
    """What the report says of the profile; empty without one.

    Raises SourceError where it is of another model than the spec or the current data say, InvalidInput where its rows
    do not serve what is asked. The content was held against its hash before.
    """
    asked, saved = spec.reference.profile, _saved(reference)
    if saved is not None and saved.is_part and spec.rows.dependent:
        raise InvalidInput(
            "spec.rows.dependent: the reference is a profile that holds some of its rows alone: no series"
        )
    if asked is None:
        return {}
    if saved is not None and None not in (saved.model_version, asked.model_version):
        _same_version(asked, saved)
    if asked.version_column is not None:
        _answered_by(asked, asked.version_column, current)
    version = asked.model_version or (saved.model_version if saved else None)
    rows = {"rows": saved.rows, "sampled": saved.sampled} if saved else {"rows": reference.num_rows}
    return {"reference_profile": {"sha256": asked.sha256, "model_version": version, **rows}}


def _saved(reference: SourceTable) -> Saved | None:
    if not isinstance(reference, ParquetTable):
        return None
    try:
        return saved_of(reference.notes)
    except ValueError as error:
        raise SourceError(SourceReason.INVALID_DATA, "spec.reference", str(error)) from error


def _same_version(asked: ReferenceProfile, saved: Saved) -> None:
    if saved.model_version != asked.model_version:
        message = f"is {asked.model_version!r}, and the profile says that it is of {saved.model_version!r}"
        raise SourceError(SourceReason.NOT_THE_ONE, f"{_FIELD}.modelVersion", message)


def _answered_by(asked: ReferenceProfile, name: str, current: SourceTable) -> None:
    """Rows whose version is not told are not held against it."""
    if name not in current.names:
        message = f"the current data have no column {name!r}"
        raise SourceError(SourceReason.INVALID_DATA, f"{_FIELD}.versionColumn", message)
    column = current.column(list(current.names).index(name)).cast("string")
    counts = {str(each["values"]): int(each["counts"]) for each in pc.value_counts(column.drop_null()).to_pylist()}
    others = {version: count for version, count in counts.items() if version != asked.model_version}
    if others:
        most = sorted(others, key=lambda version: (-others[version], version))[:_VERSIONS_SHOWN]
        told = ", ".join(f"{version!r} ({others[version]} rows)" for version in most)
        message = f"is {asked.model_version!r}, and column {name!r} of the current data says {told}"
        raise SourceError(SourceReason.NOT_THE_ONE, f"{_FIELD}.modelVersion", message)
