"""YAML files of several documents, read so that every problem can be told with its line."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml


@dataclass(frozen=True)
class RawDocument:
    """A parsed document and the line it starts at."""

    line: int
    body: Any


class InvalidYaml(ValueError):
    """The text is not YAML; the message names line and column."""


class _Loader(yaml.SafeLoader):
    """Refuses a key that is given twice: YAML keeps the last one in silence."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            if not isinstance(key_node, yaml.ScalarNode) or key_node.tag == "tag:yaml.org,2002:merge":
                continue
            if key_node.value in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key_node.value!r} is given twice", key_node.start_mark
                )
            seen.add(key_node.value)
        return super().construct_mapping(node, deep)


def read_documents(text: str) -> Iterator[RawDocument]:
    """The documents of a text, without empty ones; a List gives its items. Raises InvalidYaml."""
    try:
        loader = _Loader(text)
        while loader.check_node():
            node = loader.get_node()
            if node is None:
                continue
            line = node.start_mark.line + 1
            body = loader.construct_document(node)
            if isinstance(body, dict) and body.get("kind") == "List" and isinstance(body.get("items"), list):
                yield from (RawDocument(line, item) for item in body["items"])
            elif body is not None:
                yield RawDocument(line, body)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        raise InvalidYaml(f"{where}{error.problem or error.context or 'not YAML'}") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise InvalidYaml(f"not YAML: {str(error).splitlines()[0] if str(error) else type(error).__name__}") from error
