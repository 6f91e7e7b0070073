"""The journal over REST."""

from __future__ import annotations

from functools import partial
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query

from rackhand.doors.api.long_poll import WAIT_MAX_S, LongPolls
from rackhand.model.event import Event
from rackhand.work.events import Journal


def event_routes(journal: Journal) -> APIRouter:
    """Return the endpoint of events."""
    router = APIRouter(prefix="/events", tags=["events"])
    polls = LongPolls()

    @router.get("")
    async def list_events(
        after: Annotated[int, Query(ge=0, description="Only events with a greater number.")] = 0,
        subject: Annotated[UUID | None, Query(description="Only this object's, by id.")] = None,
        limit: Annotated[int, Query(ge=1, le=1000)] = 100,
        wait_s: Annotated[float, Query(ge=0, le=WAIT_MAX_S, description="Wait for one.")] = 0,
    ) -> list[Event]:
        """Events, oldest first; with wait_s the answer waits until there is one."""
        read = partial(journal.read, after, subject_id=subject, limit=limit, wait_s=wait_s)
        return list(await polls.run(read))

    return router
