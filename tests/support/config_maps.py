"""ConfigMaps in memory, as far as the workers of a run need them."""

from typing import Any

from firedrill.clusters.errors import NotFound


class Store:
    """What workers write and read; a map that is there already is left as it is."""

    def __init__(self) -> None:
        self.maps: dict[str, Any] = {}

    async def get(self, path: str, params: Any = None) -> Any:
        """The map at a path; raises NotFound."""
        if path not in self.maps:
            raise NotFound(404, "NotFound", path)
        return self.maps[path]

    async def create(self, path: str, body: Any, *, dry_run: bool = False) -> Any:
        """Keep a map."""
        self.maps[f"{path}/{body['metadata']['name']}"] = body
        return body
