"""The definitions that a cluster gets: structural, bounded, described, and small."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from firedrill.api.crd import custom_resource_definition
from firedrill.api.kinds import ALL_KINDS, RUN_KINDS, Kind
from firedrill.api.meta import CATEGORY

Schema = dict[str, Any]
ROOT = Path(__file__).resolve().parents[3]
LIMIT = 200 * 1024
#: Known to be short by their form.
BOUNDED_BY_FORM = {"date-time"}

each_kind = pytest.mark.parametrize("kind", ALL_KINDS, ids=lambda kind: kind.name)


def schema_of(kind: Kind) -> Schema:
    return dict(custom_resource_definition(kind)["spec"]["versions"][0]["schema"]["openAPIV3Schema"])


def walk(schema: Schema, path: str = "") -> Iterator[tuple[str, Schema]]:
    """Every schema in a schema, with the path of its field."""
    yield path, schema
    for name, field in schema.get("properties", {}).items():
        yield from walk(field, f"{path}.{name}")
    if "items" in schema:
        yield from walk(schema["items"], f"{path}[]")
    if isinstance(schema.get("additionalProperties"), dict):
        yield from walk(schema["additionalProperties"], f"{path}{{}}")


def fields(kind: Kind) -> Iterator[tuple[str, Schema]]:
    """Every field of spec and status."""
    properties = schema_of(kind)["properties"]
    for part in ("spec", "status"):
        for path, schema in walk(properties[part], f".{part}"):
            if path != f".{part}":
                yield path, schema


@each_kind
def test_the_schema_is_structural(kind: Kind) -> None:
    for path, schema in walk(schema_of(kind)):
        forbidden = {"$ref", "$defs", "anyOf", "oneOf", "allOf", "not", "const", "discriminator", "default"}
        assert not forbidden & set(schema), path
        assert isinstance(schema.get("type"), str), path
        assert not ("properties" in schema and "additionalProperties" in schema), path


@each_kind
def test_every_list_map_and_string_has_a_bound(kind: Kind) -> None:
    for path, schema in fields(kind):
        if not path.startswith(".spec"):
            continue
        if schema["type"] == "array":
            assert "maxItems" in schema, path
        if "additionalProperties" in schema:
            assert "maxProperties" in schema, path
        if schema["type"] == "string" and "enum" not in schema and schema.get("format") not in BOUNDED_BY_FORM:
            assert "maxLength" in schema or _bounded_pattern(schema), path


def _bounded_pattern(schema: Schema) -> bool:
    """A choice of words, such as ^(Exists|Equal)$."""
    pattern = schema.get("pattern", "")
    return pattern.startswith("^(") and pattern.endswith(")$") and not set(pattern) & set("*+{.")


@each_kind
def test_every_list_of_status_has_a_bound(kind: Kind) -> None:
    for path, schema in fields(kind):
        if schema["type"] == "array":
            assert "maxItems" in schema, path


@each_kind
def test_every_field_is_described(kind: Kind) -> None:
    for path, schema in fields(kind):
        if not path.endswith(("[]", "{}")):
            assert schema.get("description"), path


@each_kind
def test_the_definition_is_small(kind: Kind) -> None:
    # As the API server gets it, and as kubectl keeps it in an annotation, which ends at 256 KiB.
    text = json.dumps(custom_resource_definition(kind), separators=(",", ":"))
    assert len(text.encode()) < LIMIT


@each_kind
def test_what_is_committed_is_what_the_models_say(kind: Kind) -> None:
    for folder in (ROOT / "crds", ROOT / "helm" / "firedrill" / "files" / "crds"):
        committed = yaml.safe_load((folder / f"{kind.plural}.yaml").read_text())
        assert committed == custom_resource_definition(kind), "run `make generate`"


@each_kind
def test_a_kind_is_found_by_its_category_and_short_name(kind: Kind) -> None:
    definition = custom_resource_definition(kind)["spec"]
    assert definition["names"]["categories"] == [CATEGORY]
    assert definition["names"]["shortNames"]
    assert definition["versions"][0]["subresources"] == {"status": {}}
    assert definition["scope"] == ("Namespaced" if kind.namespaced else "Cluster")


@pytest.mark.parametrize("kind", RUN_KINDS.values(), ids=lambda kind: kind.name)
def test_people_see_the_same_columns_of_every_kind(kind: Kind) -> None:
    columns = custom_resource_definition(kind)["spec"]["versions"][0]["additionalPrinterColumns"]
    own = {"Simulation": ["Services", "Rate", "SLOs", "Budget-Left"]}.get(kind.name, [])
    shown = [column["name"] for column in columns if not column.get("priority")]
    assert [name for name in shown if name in own] == own
    assert [name for name in shown if name not in own] == [
        "Verdict",
        "Score",
        "Clusters",
        "Last-Run",
        "Next-Run",
        "Age",
    ]
    assert [column["name"] for column in columns if column.get("priority")] == ["Message", "Pass-Rate"]


def test_short_names_and_plurals_are_distinct() -> None:
    plurals = [kind.plural for kind in ALL_KINDS]
    shorts = [short for kind in ALL_KINDS for short in kind.short_names]
    assert len(set(plurals + shorts)) == len(plurals) + len(shorts)


@pytest.mark.parametrize("kind", RUN_KINDS.values(), ids=lambda kind: kind.name)
def test_conditions_are_a_map_by_type(kind: Kind) -> None:
    conditions = schema_of(kind)["properties"]["status"]["properties"]["conditions"]
    assert conditions["x-kubernetes-list-type"] == "map"
    assert conditions["x-kubernetes-list-map-keys"] == ["type"]
