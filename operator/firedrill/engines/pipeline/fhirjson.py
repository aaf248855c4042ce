"""The form of FHIR in JSON, which fhir.resources does not hold a resource to: types of JSON, what is empty, names of
fields, codes. It takes "true" for a boolean and "12" for a number, and no code for wrong.

Rules: https://hl7.org/fhir/R4B/json.html and https://hl7.org/fhir/R4B/datatypes.html. What fields there are, and of
which types, is read from the models of fhir.resources.
"""

import base64
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import Any, Final, get_args

from firedrill.engines.pipeline.fhircodes import R4_ONLY, codes_of

#: Types of JSON by primitive type; all others are strings.
_NUMBERS: Final[Mapping[str, tuple[type, ...]]] = MappingProxyType(
    {
        "boolean": (bool,),
        "integer": (int,),
        "integer64": (int,),
        "unsignedInt": (int,),
        "positiveInt": (int,),
        "decimal": (int, float),
    }
)
_NAMES: Final[Mapping[tuple[type, ...], str]] = MappingProxyType(
    {(bool,): "a boolean", (int,): "an integer", (int, float): "a number", (str,): "a string"}
)


def _is_base64(text: str) -> bool:
    try:
        base64.b64decode("".join(text.split()), validate=True)
    except ValueError:
        return False
    return True


_WORD: Final = re.compile(r"\S+").fullmatch
#: Forms that fhir.resources lets pass: it discards what is not of base64, and allows longer identifiers.
_FORMS: Final[Mapping[str, Callable[[str], object]]] = MappingProxyType(
    {
        "id": re.compile(r"[A-Za-z0-9\-.]{1,64}").fullmatch,
        "uri": _WORD,
        "url": _WORD,
        "canonical": _WORD,
        "base64Binary": _is_base64,
    }
)


class NotJson(ValueError):
    """A text is no JSON, or JSON that readers do not agree on."""


class Wrong(ValueError):
    """A resource is not valid; the text says where and why, and holds no value."""


@dataclass(frozen=True)
class Field:
    """What a field of a type holds. ``model`` is None for primitives, and for any resource."""

    primitive: str
    model: Any
    many: bool
    codes: frozenset[str]

    @property
    def types(self) -> tuple[type, ...]:
        """Types of JSON that a primitive may have."""
        return _NUMBERS.get(self.primitive, (str,))


def parsed(text: str) -> Any:
    """JSON of a text. Raises NotJson, also of a key that repeats and of numbers that JSON has not."""
    try:
        return json.loads(text, object_pairs_hook=_unlike, parse_constant=_no_number)
    except NotJson:
        raise
    except (json.JSONDecodeError, RecursionError) as error:
        raise NotJson("not JSON") from error


def _unlike(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        raise NotJson("a key is there twice in an object")
    return made


def _no_number(_name: str) -> Any:
    raise NotJson("not JSON")


@cache
def model_of(kind: str) -> Any:
    """The model of a type of resource; None where R4B has no such resource."""
    from fhir.resources.R4B import get_fhir_model_class

    try:
        model = get_fhir_model_class(kind)
    except (ValueError, KeyError, ImportError, AttributeError):
        return None
    return model if model.has_resource_base() and kind not in {"Resource", "DomainResource"} else None


def unchecked_of(body: dict[str, Any], kind: str) -> list[str]:
    """Walk a resource of a type of R4B, and give the paths of resources within that only R4 has. Raises Wrong."""
    left: list[str] = []
    _object(body, kind, model_of(kind), left, is_resource=True)
    return left


def _object(body: dict[str, Any], path: str, model: Any, left: list[str], is_resource: bool = False) -> None:
    if not body:
        raise Wrong(f"{path} is an empty object")
    fields = fields_of(model)
    for name, value in body.items():
        field = fields.get(name)
        if field is None:
            if is_resource and name == "resourceType":
                continue
            # The name of an unknown field is the sender's, and may be anything: what it stands in is named.
            raise Wrong(f"{path} has an unknown field")
        where = f"{path}.{name}"
        if not field.many:
            _value(value, where, field, left)
            continue
        if not isinstance(value, list):
            raise Wrong(f"{where} is not an array")
        if not value:
            raise Wrong(f"{where} is an empty array")
        where += "[]"
        beside = _beside(body, name) if None in value else None
        for at, each in enumerate(value):
            # A null keeps the place of what the other array of the field has there.
            if each is not None or beside is None or at >= len(beside) or beside[at] is None:
                _value(each, where, field, left)


def _beside(body: Mapping[str, Any], name: str) -> list[Any] | None:
    """The array of extensions of a primitive, or that of its values."""
    other = body.get(name.removeprefix("_") if name.startswith("_") else f"_{name}")
    return other if isinstance(other, list) else None


def _value(value: Any, path: str, field: Field, left: list[str]) -> None:
    if value is None:
        raise Wrong(f"{path} is null")
    if field.primitive:
        _primitive(value, path, field)
    elif not isinstance(value, dict):
        raise Wrong(f"{path} is not an object")
    elif field.model is not None:
        _object(value, path, field.model, left)
    else:
        kind = value.get("resourceType")
        if not isinstance(kind, str):
            raise Wrong(f"{path}.resourceType is missing")
        if kind in R4_ONLY:
            left.append(path)
            return
        model = model_of(kind)
        if model is None:
            raise Wrong(f"{path}.resourceType is no type of R4B")
        _object(value, path, model, left, is_resource=True)


def _primitive(value: Any, path: str, field: Field) -> None:
    # A boolean is an integer for Python, and not for JSON: types are compared as they are.
    if type(value) not in field.types:
        raise Wrong(f"{path} is not {_NAMES[field.types]}")
    if value == "":
        raise Wrong(f"{path} is an empty string")
    if field.codes and value not in field.codes:
        raise Wrong(f"{path} is none of its codes")
    form = _FORMS.get(field.primitive)
    if form is not None and not form(value):
        raise Wrong(f"{path} is not valid ({field.primitive})")


@cache
def fields_of(model: Any) -> Mapping[str, Field]:
    """Fields of a model of fhir.resources by their names in JSON, those of extensions of primitives too."""
    return MappingProxyType({name: made for name, made in _fields(model) if made is not None})


def _fields(model: Any) -> Iterator[tuple[str, Field | None]]:
    from fhir_core.utils import get_fhir_type_name, is_list_type

    for field in model.model_fields.values():
        name = field.alias
        # Comments in JSON are of DSTU2; R4B has none.
        if name == "fhir_comments":
            continue
        many = is_list_type(field)
        load: Callable[[], Any] | None = _loader(field.annotation)
        if load is None:
            extra = field.json_schema_extra or {}
            codes = codes_of(model, name, extra.get("enum_values", ()))
            yield name, Field(get_fhir_type_name(field), None, many, codes)
        else:
            found = load()
            yield name, Field("", None if found.__name__ == "Resource" else found, many, frozenset())


def _loader(annotation: Any) -> Callable[[], Any] | None:
    """What gives the model of a field, which may be within a list or an option; None of a primitive."""
    load = getattr(annotation, "get_model_klass", None)
    if load is not None:
        made: Callable[[], Any] = load
        return made
    return next((found for each in get_args(annotation) if (found := _loader(each)) is not None), None)
