"""Machines over REST."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from rackhand.doors.api.wire_machines import (
    ImportAnswer,
    ImportBody,
    MachineAnswer,
    MachineBody,
    MachineChange,
    PowerBody,
    ReadFlaw,
)
from rackhand.model.errors import Flaw, InvalidFile
from rackhand.work.machines import Machines

_IMPORT_HINT = "correct these entries, or import the others with only_good"


def machine_routes(machines: Machines) -> APIRouter:
    """Return the endpoints of machines."""
    router = APIRouter(prefix="/machines", tags=["machines"])

    @router.get("")
    def list_machines() -> list[MachineAnswer]:
        """Every machine by name."""
        return [MachineAnswer.of(view) for view in machines.all()]

    @router.post("", status_code=201, openapi_extra=_import_schema())
    def import_machines(body: ImportBody) -> ImportAnswer:
        """Import machines: all or none, unless only_good."""
        indices, entries, unread = body.entries()
        if unread and not (body.only_good and entries):
            raise InvalidFile(unread, _IMPORT_HINT)
        outcome = machines.import_machines(entries, only_good=body.only_good)
        left_out = [
            Flaw((flaw.path[0], indices[int(flaw.path[1])], *flaw.path[2:]), flaw.sentence)
            for flaw in outcome.flaws
        ]
        return ImportAnswer(
            imported=[machine.name for machine in outcome.imported],
            flaws=[ReadFlaw(path=list(f.path), sentence=f.sentence) for f in unread + left_out],
        )

    @router.get("/{machine}")
    def show_machine(machine: str) -> MachineAnswer:
        """One machine by name or id."""
        return MachineAnswer.of(machines.find(machine))

    @router.patch("/{machine}")
    def change_machine(machine: str, body: MachineChange) -> MachineAnswer:
        """Change BMC, cabling or whether it is pooled: one of them."""
        if body.bmc is not None:
            credentials = body.bmc.applied_to(machines.find(machine).machine.bmc)
            machines.set_bmc(machine, credentials, body.bmc.driver_options())
        if body.nics is not None:
            machines.set_wires(machine, [nic.wire() for nic in body.nics])
        if body.pooled is not None:
            machines.set_pooled(machine, body.pooled)
        return MachineAnswer.of(machines.find(machine))

    @router.delete("/{machine}", status_code=204)
    def remove_machine(machine: str) -> None:
        """Forget a machine that no lease holds."""
        machines.remove(machine)

    _add_tasks(router, machines)
    return router


def _add_tasks(router: APIRouter, machines: Machines) -> None:
    """Add the endpoints that begin something; its outcome is seen at the machine."""

    @router.post("/{machine}/inspect", status_code=202)
    def inspect_machine(machine: str) -> MachineAnswer:
        """Inspect it anew."""
        machines.inspect(machine)
        return MachineAnswer.of(machines.find(machine))

    @router.post("/{machine}/retry", status_code=202)
    def retry_machine(machine: str) -> MachineAnswer:
        """Clear its fault, so that the loop goes on."""
        machines.retry(machine)
        return MachineAnswer.of(machines.find(machine))

    @router.post("/{machine}/power", status_code=202)
    def power_machine(machine: str, body: PowerBody) -> MachineAnswer:
        """Switch it on or off, or restart it."""
        machines.power(machine, body.to)
        return MachineAnswer.of(machines.find(machine))


def _import_schema() -> dict[str, Any]:
    """Describe the entries, which the body's type leaves open to read them one by one."""
    schema = ImportBody.model_json_schema()
    schema["properties"]["machines"]["items"] = {"$ref": "#/components/schemas/MachineBody"}
    return {"requestBody": {"content": {"application/json": {"schema": schema}}}}


def entry_schemas() -> dict[str, Any]:
    """Return the schemas that the import's description refers to, by name."""
    entry = MachineBody.model_json_schema(ref_template="#/components/schemas/{model}")
    parts: dict[str, Any] = entry.pop("$defs")
    return {"MachineBody": entry, **parts}
