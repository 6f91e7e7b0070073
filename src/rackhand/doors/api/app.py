"""The REST API: every noun's endpoints under /v1, behind the token."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute

from rackhand.doors.api.bearer import BearerGate
from rackhand.doors.api.discoveries import discovery_routes
from rackhand.doors.api.errors import ErrorAnswer, add_error_handlers
from rackhand.doors.api.events import event_routes
from rackhand.doors.api.flavors import flavor_routes
from rackhand.doors.api.gateway import gateway_routes
from rackhand.doors.api.images import image_routes
from rackhand.doors.api.leases import lease_routes
from rackhand.doors.api.machines import entry_schemas, machine_routes
from rackhand.doors.api.networks import network_routes
from rackhand.doors.api.strangers import stranger_routes
from rackhand.doors.api.use_cases import UseCases
from rackhand.doors.api.zones import zone_routes

_ERRORS: dict[int | str, dict[str, Any]] = {
    status: {"model": ErrorAnswer, "description": words}
    for status, words in {
        400: "invalid-value, invalid-file",
        401: "not-allowed",
        404: "not-found",
        409: "already-exists, wrong-state, no-exact-match",
        503: "engine-unreachable, engine-refused, store-broken",
    }.items()
}


def create_api(work: UseCases, token: str) -> FastAPI:
    """Return the API as an ASGI application that serves ``work`` to who holds ``token``.

    ValueError for an empty token.
    """
    if not token:
        raise ValueError("an empty token would let everybody in")
    app = FastAPI(
        title="Rackhand",
        version="1",
        summary="Hands out bare-metal servers",
        openapi_url="/v1/openapi.json",
        docs_url=None,  # these pages load scripts from elsewhere
        redoc_url=None,
        redirect_slashes=False,
        generate_unique_id_function=_operation_id,
    )
    for routes in (
        zone_routes(work.zones),
        network_routes(work.networks, work.wires),
        flavor_routes(work.flavors),
        image_routes(work.images),
        machine_routes(work.machines),
        lease_routes(work.leases, work.lease_logs),
        event_routes(work.journal),
        stranger_routes(work.wires),
        discovery_routes(work.adoptions, work.machines),
        gateway_routes(work.gateway, work.wires, work.questions),
    ):
        app.include_router(routes, prefix="/v1", responses=_ERRORS)
    add_error_handlers(app)
    app.add_middleware(BearerGate, token=token)
    _describe_token(app)
    return app


def _operation_id(route: APIRoute) -> str:
    return route.name


def _describe_token(app: FastAPI) -> None:
    describe = app.openapi

    def with_token() -> dict[str, Any]:
        document = describe()
        schemes = document.setdefault("components", {}).setdefault("securitySchemes", {})
        schemes["token"] = {"type": "http", "scheme": "bearer"}
        document["security"] = [{"token": []}]
        document["components"]["schemas"] |= entry_schemas()
        # Malformed bodies are answered with 400 like every other unusable value.
        for operations in document["paths"].values():
            for operation in operations.values():
                operation["responses"].pop("422", None)
        for unused in ("HTTPValidationError", "ValidationError"):
            document["components"]["schemas"].pop(unused, None)
        return document

    app.openapi = with_token  # type: ignore[method-assign]
