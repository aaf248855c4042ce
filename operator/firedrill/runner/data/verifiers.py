"""What a Postgres checks passwords by."""

import base64
import secrets
from typing import Final

_ITERATIONS: Final = 4096


def unmatched_verifier() -> str:
    """A SCRAM verifier of random keys: the server takes it as it is, and no password is known that fits it."""
    salt, stored_key, server_key = (base64.b64encode(secrets.token_bytes(size)).decode() for size in (16, 32, 32))
    return f"SCRAM-SHA-256${_ITERATIONS}:{salt}${stored_key}:{server_key}"
