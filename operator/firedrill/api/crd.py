"""CustomResourceDefinitions from the models.

Schemas are structural: references are put in place, unions are objects of optional members, and there are no
defaults, so that a newer version of Firedrill does not change what a stored resource says.
"""

import json
from typing import Any

from firedrill.api.kinds import Kind, Rule
from firedrill.api.meta import CATEGORY, GROUP, VERSION

Schema = dict[str, Any]

_DROPPED = ("title", "default", "additionalProperties", "propertyNames", "patternProperties", "discriminator", "$defs")


def custom_resource_definition(kind: Kind) -> Schema:
    """The definition of a kind, as it is applied to a cluster."""
    schema: Schema = {
        "type": "object",
        "description": kind.description,
        "required": ["spec"],
        "properties": {
            "apiVersion": {"type": "string", "description": f"{GROUP}/{VERSION}."},
            "kind": {"type": "string", "description": f"{kind.name}."},
            "metadata": {"type": "object"},
            "spec": {**structural(kind.spec.model_json_schema(by_alias=True)), **_rules(kind.rules)},
            "status": structural(kind.status.model_json_schema(by_alias=True, mode="serialization")),
        },
    }
    # What is written to status is parsed on reading; a newer version's fields must not be refused meanwhile.
    schema["properties"]["status"].pop("required", None)
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{kind.plural}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced" if kind.namespaced else "Cluster",
            "names": {
                "kind": kind.name,
                "listKind": f"{kind.name}List",
                "plural": kind.plural,
                "singular": kind.name.lower(),
                "shortNames": list(kind.short_names),
                "categories": [CATEGORY],
            },
            "versions": [
                {
                    "name": VERSION,
                    "served": True,
                    "storage": True,
                    "subresources": {"status": {}},
                    "additionalPrinterColumns": [_column(column) for column in kind.columns],
                    "schema": {"openAPIV3Schema": schema},
                }
            ],
        },
    }


def _column(column: Any) -> Schema:
    made: Schema = {"name": column.name, "type": column.type, "jsonPath": column.json_path}
    if column.wide:
        made["priority"] = 1
    if column.description:
        made["description"] = column.description
    return made


def _rules(rules: tuple[Rule, ...]) -> Schema:
    if not rules:
        return {}
    return {
        "x-kubernetes-validations": [
            {"rule": rule.rule, "message": rule.message, **({"fieldPath": rule.field_path} if rule.field_path else {})}
            for rule in rules
        ]
    }


def structural(schema: Schema) -> Schema:
    """A structural OpenAPI v3 schema from the JSON schema of a model."""
    return _convert(schema, schema.get("$defs", {}))


def _convert(schema: Schema, definitions: Schema) -> Schema:
    if "$ref" in schema:
        target = definitions[schema["$ref"].rsplit("/", 1)[-1]]
        return _convert({**target, **{key: value for key, value in schema.items() if key != "$ref"}}, definitions)
    if "anyOf" in schema:
        members = [member for member in schema["anyOf"] if member.get("type") != "null"]
        if len(members) != 1:
            raise ValueError(f"a union that is not an object of optional members: {schema}")
        rest = {key: value for key, value in schema.items() if key != "anyOf"}
        return _convert({**members[0], **rest}, definitions)
    made = {key: value for key, value in schema.items() if key not in _DROPPED}
    default = schema.get("default")
    if default not in (None, "", [], {}):
        made["description"] = f"{made.get('description', '')} Default: {json.dumps(default).strip(chr(34))}."
    for bound in ("Minimum", "Maximum"):
        limit = made.pop(f"exclusive{bound}", None)
        if limit is not None:
            made[bound.lower()] = limit
            made[f"exclusive{bound}"] = True
    if "properties" in made:
        made["properties"] = {key: _convert(value, definitions) for key, value in made["properties"].items()}
    elif made.get("type") == "object" and not made.get("x-kubernetes-preserve-unknown-fields"):
        made["additionalProperties"] = _convert(_values_of(schema), definitions)
    if "items" in made:
        made["items"] = _convert(made["items"], definitions)
    return made


def _values_of(schema: Schema) -> Schema:
    patterns = schema.get("patternProperties")
    if patterns:
        return dict(next(iter(patterns.values())))
    values = schema.get("additionalProperties")
    if not isinstance(values, dict):
        raise ValueError(f"an object without known fields: {schema}")
    return values
