"""Leases over REST."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import StreamingResponse

from rackhand.doors.api.wire_leases import (
    LeaseAnswer,
    LeaseBody,
    LogAnswer,
    PlanAnswer,
    SpecBody,
)
from rackhand.work.deploy_logs import LeaseLogs
from rackhand.work.leases import Leases


def lease_routes(leases: Leases, logs: LeaseLogs) -> APIRouter:
    """Return the endpoints of leases."""
    router = APIRouter(prefix="/leases", tags=["leases"])

    @router.get("")
    def list_leases() -> list[LeaseAnswer]:
        """Every lease, released ones too, oldest first."""
        return [LeaseAnswer.of(lease) for lease in leases.all()]

    @router.post("", status_code=202)
    def request_lease(body: LeaseBody) -> LeaseAnswer:
        """Ask for a machine; follow it at /v1/leases/{id}."""
        return LeaseAnswer.of(leases.request(body.spec(), body.name))

    @router.post("/plan")
    def plan_lease(
        body: SpecBody,
        check: Annotated[
            bool, Query(description="Run the machine's pre-flight too; takes a few seconds.")
        ] = False,
    ) -> PlanAnswer:
        """Tell what a request would get now, touching nothing."""
        return PlanAnswer.of(leases.plan(body.spec(), check))

    @router.get("/{lease}")
    def show_lease(lease: str) -> LeaseAnswer:
        """One lease by name, or by id also when released."""
        return LeaseAnswer.of(leases.find(lease))

    @router.post("/{lease}/release", status_code=202)
    def release_lease(lease: str) -> LeaseAnswer:
        """Give the machine back: it is wiped and its addresses are freed."""
        return LeaseAnswer.of(leases.release(lease))

    @router.post("/{lease}/retry", status_code=202)
    def retry_lease(lease: str) -> LeaseAnswer:
        """Clear a failed lease's fault, so that the loop tries again."""
        return LeaseAnswer.of(leases.retry(lease))

    @router.get("/{lease}/logs")
    def list_logs(lease: str) -> list[LogAnswer]:
        """The kept logs of its deployments, oldest first."""
        return [
            LogAnswer(name=log.name, size_bytes=log.size_bytes, at=log.at) for log in logs.of(lease)
        ]

    @router.get("/{lease}/logs/{name}", response_class=StreamingResponse)
    def read_log(lease: str, name: str) -> StreamingResponse:
        """One kept log's bytes."""
        content = logs.open(lease, name)
        return StreamingResponse(
            iter(lambda: content.read(1 << 16), b""), media_type="application/octet-stream"
        )

    return router
