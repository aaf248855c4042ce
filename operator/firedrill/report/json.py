"""Results as JSON."""

import json
from collections.abc import Sequence
from typing import Any

from firedrill.report.entry import Entry, overall


def to_document(entries: Sequence[Entry]) -> dict[str, Any]:
    """All results as one JSON object: the overall verdict, then each result with its full report."""
    return {
        "verdict": overall(entries).value,
        "results": [
            {"kind": entry.kind, "namespace": entry.namespace, "name": entry.name, "score": entry.score}
            # By way of text, where a number that is not finite becomes null.
            | json.loads(entry.result.model_dump_json(by_alias=True, exclude_none=True))
            | ({"history": [each.to_wire() for each in entry.history]} if entry.history else {})
            for entry in entries
        ],
    }


def render_json(entries: Sequence[Entry]) -> str:
    """The document as text; numbers that are not finite are never in it."""
    return json.dumps(to_document(entries), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
