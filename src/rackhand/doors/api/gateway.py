"""The gateway's plan over REST."""

from __future__ import annotations

from functools import partial
from typing import Annotated

from fastapi import APIRouter, Query

from rackhand.doors.api.long_poll import WAIT_MAX_S, LongPolls
from rackhand.model.network import GatewayPlan
from rackhand.work.gateway import GatewayDesk


def gateway_routes(gateway: GatewayDesk) -> APIRouter:
    """Return the endpoint that a gateway asks."""
    router = APIRouter(prefix="/gateway", tags=["gateway"])
    polls = LongPolls()

    @router.get("/plan")
    async def read_plan(
        in_force: Annotated[str | None, Query(description="The revision being served.")] = None,
        wait_s: Annotated[float, Query(ge=0, le=WAIT_MAX_S, description="Wait for another.")] = 0,
    ) -> GatewayPlan:
        """Report which revision is in force, and get the plan that should be."""
        return await polls.run(partial(gateway.wait, in_force, wait_s))

    return router
