"""Errors in what a person wrote, told so that the person can mend them."""

from pydantic import ValidationError


class InvalidInput(ValueError):
    """A resource or an argument is wrong; the message names each field and what is wrong with it."""


def describe(error: ValidationError, root: str = "spec") -> str:
    """All errors of a validation in one line, each with the path of its field in the names of the API."""
    parts = []
    for item in error.errors(include_url=False):
        path = root
        for key in item["loc"]:
            path += f"[{key}]" if isinstance(key, int) else f".{key}"
        parts.append(f"{path}: {item['msg'].removeprefix('Value error, ')}")
    return "; ".join(parts)
