"""Resources of FHIR, held against the definitions of R4B by fhir.resources."""

import json
from functools import cache
from typing import Any

from pydantic import ValidationError

from firedrill.api.datachecks import FhirCheck
from firedrill.engines.pipeline.finding import Finding
from firedrill.engines.pipeline.subject import Subject
from firedrill.engines.pipeline.texts import each_text


def fhir(check: FhirCheck, subject: Subject) -> list[Finding]:
    """Share of resources that are not valid."""
    types = frozenset(check.resource_types)
    hint = "read the data with format lines"
    return each_text("fhir", check.column, subject, check.max_share, lambda text: wrong_resource(text, types), hint)


def wrong_resource(text: str, types: frozenset[str]) -> str:
    """Why a text is no valid resource of one of the types, naming fields and no value; empty where it is one."""
    try:
        body = json.loads(text)
    except (json.JSONDecodeError, RecursionError):
        return "not JSON"
    if not isinstance(body, dict):
        return f"not a JSON object but {type(body).__name__}"
    kind = body.get("resourceType")
    if not isinstance(kind, str):
        return "resourceType is missing"
    model = _model(kind)
    if model is None:
        return "resourceType is no type of R4B"
    if types and kind not in types:
        return f"resourceType {kind} is not one of those allowed"
    try:
        model.model_validate(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        unknown = first["type"] == "extra_forbidden"
        # The name of an unknown field is the sender's, and may be anything: what it stands in is named.
        named = first["loc"][:-1] if unknown else first["loc"]
        where = ".".join("[]" if isinstance(part, int) else str(part) for part in named).replace(".[]", "[]")
        if unknown:
            return f"{kind}.{where} has an unknown field" if where else f"{kind} has an unknown field"
        return f"{kind}.{where}: {_said(first)}" if where else f"{kind}: {_said(first)}"
    except (TypeError, AttributeError, ValueError) as error:
        # What the library does not foresee, such as an object in the place of a list.
        return f"{kind}: {type(error).__name__}"
    return ""


def _said(error: Any) -> str:
    """What is wrong, by the kind of error: texts of validators may repeat the value."""
    return "is missing" if error["type"] == "missing" else f"is not valid ({error['type'].replace('_', ' ')})"


@cache
def _model(kind: str) -> Any:
    from fhir.resources.R4B import get_fhir_model_class

    try:
        return get_fhir_model_class(kind)
    except (ValueError, KeyError, ImportError, AttributeError):
        return None
