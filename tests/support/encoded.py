"""Data of a Secret."""

import base64
from collections.abc import Mapping


def encoded(data: Mapping[str, str]) -> dict[str, str]:
    """Values as a Secret holds them."""
    return {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}
