"""Resources of FHIR: their form in JSON, and their content by the definitions of R4B in fhir.resources."""

from typing import Any, Final

from pydantic import ValidationError

from firedrill.api.datachecks import FhirCheck
from firedrill.engines.pipeline.fhircodes import R4_ONLY
from firedrill.engines.pipeline.fhirjson import NotJson, Wrong, model_of, parsed, unchecked_of
from firedrill.engines.pipeline.finding import Finding
from firedrill.engines.pipeline.subject import Subject
from firedrill.engines.pipeline.texts import NotChecked, each_text

_NOT_HERE: Final = "a type of R4 that can not be checked here"


def fhir(check: FhirCheck, subject: Subject) -> list[Finding]:
    """Share of resources that are not valid."""
    types = frozenset(check.resource_types)
    hint = "read the data with format lines"
    return each_text("fhir", check.column, subject, check.max_share, lambda text: wrong_resource(text, types), hint)


def wrong_resource(text: str, types: frozenset[str]) -> str:
    """Why a text is no valid resource of one of the types, naming fields and no value; empty where it is one.

    Raises NotChecked of a resource that R4 has and R4B has not, or that holds one.
    """
    try:
        body = parsed(text)
    except NotJson as error:
        return str(error)
    if not isinstance(body, dict):
        return f"not a JSON object but {type(body).__name__}"
    kind = body.get("resourceType")
    if not isinstance(kind, str):
        return "resourceType is missing"
    model = model_of(kind)
    if model is None and kind not in R4_ONLY:
        return "resourceType is no type of R4B"
    if types and kind not in types:
        return f"resourceType {kind} is not one of those allowed"
    if model is None:
        raise NotChecked(f"{kind} is {_NOT_HERE}")
    try:
        left = unchecked_of(body, kind)
        if left:
            raise NotChecked(f"{left[0]} is {_NOT_HERE}")
        model.model_validate(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        where = ".".join("[]" if isinstance(part, int) else str(part) for part in first["loc"]).replace(".[]", "[]")
        return f"{kind}.{where}: {_said(first)}" if where else f"{kind}: {_said(first)}"
    except Wrong as error:
        return str(error)
    except RecursionError:
        return f"{kind} is nested too deep"
    except (TypeError, AttributeError, ValueError, KeyError) as error:
        # What the library does not foresee.
        return f"{kind}: {type(error).__name__}"
    return ""


def _said(error: Any) -> str:
    """What is wrong, by the kind of error: texts of validators may repeat the value."""
    return "is missing" if error["type"] == "missing" else f"is not valid ({error['type'].replace('_', ' ')})"
