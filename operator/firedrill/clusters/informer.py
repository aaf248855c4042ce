"""List and watch of one collection: what the API server has, as far as it is known."""

import asyncio
import logging
import random
from collections.abc import Callable
from typing import Any

from firedrill.clusters.client import KubeClient
from firedrill.clusters.errors import ClusterError, Gone, Unreachable

logger = logging.getLogger(__name__)

#: Bookmarks come about once a minute; a watch that is silent for longer is dead, whatever TCP says.
SILENCE = 75.0
#: The server is asked to end a watch after this time, so that every watch is renewed now and then.
_WATCH_SECONDS = 300
#: Even a healthy watch is checked against a full list this often.
RELIST_EVERY = 1800.0
_SHORTEST_WATCH = 1.0
_FIRST_PAUSE = 0.2
_LONGEST_PAUSE = 15.0

Object = dict[str, Any]


class Informer:
    """Follows a collection by list and watch.

    ``on_list`` gets all objects of a fresh list, ``on_event`` one object with ADDED, MODIFIED or DELETED, and
    ``on_state`` the error that broke the view, or None once it is whole again.
    """

    def __init__(
        self,
        client: KubeClient,
        path: str,
        label_selector: str,
        *,
        on_list: Callable[[list[Object]], None],
        on_event: Callable[[str, Object], None],
        on_state: Callable[[str | None], None],
        silence: float = SILENCE,
    ) -> None:
        self._client = client
        self._path = path
        self._selector = label_selector
        self._on_list = on_list
        self._on_event = on_event
        self._on_state = on_state
        self._silence = silence

    async def run(self) -> None:
        """Follow the collection for ever."""
        loop = asyncio.get_running_loop()
        pause = _FIRST_PAUSE
        while True:
            began = loop.time()
            await self._list_and_follow()
            if loop.time() - began > 4 * pause:
                pause = _FIRST_PAUSE
            await asyncio.sleep(pause * random.uniform(0.8, 1.2))  # noqa: S311 - jitter
            pause = min(_LONGEST_PAUSE, pause * 2)

    async def _list_and_follow(self) -> None:
        """Until the watch is broken; returns when a fresh list is due, whatever the reason."""
        try:
            version = await self._list()
            self._on_state(None)
        except ClusterError as error:
            self._broken(error)
            return
        try:
            await self._follow(version)
        except (Gone, Unreachable) as error:
            # A watch that breaks off says nothing of the target itself: the next list shows whether it answers.
            logger.info("watch of %s at %s: %s; listing anew", self._path, self._client.cluster, error)
        except ClusterError as error:
            self._broken(error)

    def _broken(self, error: ClusterError) -> None:
        self._on_state(str(error))
        logger.warning("watch of %s at %s: %s", self._path, self._client.cluster, error)

    async def _list(self) -> str:
        objects: list[Object] = []
        params = {"labelSelector": self._selector, "limit": "500"}
        while True:
            page = await self._client.get(self._path, params)
            objects += page.get("items", [])
            proceed = page["metadata"].get("continue")
            if not proceed:
                self._on_list(objects)
                return str(page["metadata"]["resourceVersion"])
            params["continue"] = proceed

    async def _follow(self, version: str) -> None:
        """Watch from a version on, over the ends of single watches, until it is time for a fresh list."""
        loop = asyncio.get_running_loop()
        end = loop.time() + RELIST_EVERY * random.uniform(0.9, 1.1)  # noqa: S311 - jitter
        while loop.time() < end:
            params = {
                "labelSelector": self._selector,
                "resourceVersion": version,
                "timeoutSeconds": str(_WATCH_SECONDS),
            }
            opened = loop.time()
            async with self._client.watch(self._path, params, silence=self._silence) as events:
                async for event in events:
                    version = event["object"]["metadata"]["resourceVersion"]
                    if event["type"] != "BOOKMARK":
                        self._on_event(event["type"], event["object"])
            if loop.time() - opened < _SHORTEST_WATCH:
                # A server that ends every watch at once must not be asked without end.
                await asyncio.sleep(_SHORTEST_WATCH)
