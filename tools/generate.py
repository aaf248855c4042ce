"""Writes what is generated from the models: CRDs, the chart's copy of them, references, and the table of faults."""

import sys
from pathlib import Path
from typing import Any

import fault_figures
import fault_table
import yaml
from pydantic.alias_generators import to_camel

from firedrill.api.crd import custom_resource_definition
from firedrill.api.faults.about import Family
from firedrill.api.faults.union import FAULTS
from firedrill.api.kinds import ALL_KINDS, Kind

ROOT = Path(__file__).resolve().parent.parent
_HEAD = "# Generated from the models by `make generate`. Do not edit.\n"


def main() -> int:
    """Write all generated files; returns 0."""
    for kind in ALL_KINDS:
        definition = custom_resource_definition(kind)
        text = yaml.safe_dump(definition, sort_keys=False, width=110)
        _write(ROOT / "crds" / f"{kind.plural}.yaml", _HEAD + text)
        _write(ROOT / "helm" / "firedrill" / "files" / "crds" / f"{kind.plural}.yaml", _HEAD + text)
        schema = definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]
        _write(ROOT / "docs" / "reference" / f"{kind.name.lower()}.md", _reference(kind, schema))
    _write(ROOT / "docs" / "reference" / "faults.md", _faults())
    write_fault_table()
    return 0


def write_fault_table() -> None:
    """Write the table of faults from the models and the figures that are kept; raises ValueError for wrong figures."""
    _write(ROOT / "docs" / "fault-table.md", fault_table.render(fault_figures.load()))


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def _reference(kind: Kind, schema: dict[str, Any]) -> str:
    lines = [
        f"# {kind.name}",
        "",
        "Generated from the models by `make generate`.",
        "",
        kind.description,
        "",
        f"Short name `{', '.join(kind.short_names)}`; {'namespaced' if kind.namespaced else 'cluster-scoped'}.",
        "",
    ]
    for part in ("spec", "status"):
        lines += [f"## {part}", "", "| field | type | what it is |", "|---|---|---|"]
        lines += _rows("", schema[part])
        lines.append("")
    rules = schema["spec"].get("x-kubernetes-validations", [])
    if rules:
        lines += ["## What must agree", "", *[f"- {rule['message']}" for rule in rules], ""]
    return "\n".join(lines)


def _faults() -> str:
    lines = [
        "# Faults",
        "",
        "Generated from the models by `make generate`. Parameters: [ChaosExperiment](chaosexperiment.md).",
        "",
    ]
    for family in Family:
        lines += [f"## Family {family.value}", ""]
        for name, fault in FAULTS.items():
            if fault.about.family is family:
                lines += [f"**{to_camel(name)}** {fault.about.does}.", "", f"- hits {fault.about.hits.value}"]
                lines += [f"- needs {fault.about.needs}"] if fault.about.needs else []
                lines += [f"- undone: {fault.about.undone}", f"- proven by {fault.about.proven}", ""]
    return "\n".join(lines)


def _rows(prefix: str, schema: dict[str, Any]) -> list[str]:
    required = set(schema.get("required", []))
    rows = []
    for name, field in schema.get("properties", {}).items():
        where = f"{prefix}{name}"
        mark = " (required)" if name in required else ""
        text = str(field.get("description", "")).replace("|", "\\|").replace("\n", " ")
        rows.append(f"| `{where}` | {_type(field)}{mark} | {text} |")
        inner = field.get("items", field)
        if "properties" in inner:
            rows += _rows(f"{where}[]." if "items" in field else f"{where}.", inner)
    return rows


def _type(field: dict[str, Any]) -> str:
    if "enum" in field:
        return ", ".join(f"`{value}`" for value in field["enum"])
    if field.get("type") == "array":
        return f"list of {_type(field['items'])}"
    if "additionalProperties" in field:
        return f"map of {_type(field['additionalProperties'])}"
    name = str(field.get("type", "object"))
    if str(field.get("pattern", "")).endswith("(h|ms|m|s))+$"):
        return "duration"
    low, high = field.get("minimum"), field.get("maximum")
    if low is not None or high is not None:
        return f"{name}, {'' if low is None else low} to {'' if high is None else high}".rstrip()
    return name


if __name__ == "__main__":
    sys.exit(main())
