"""IPv6, routes and excluded ranges of networks; bonds of leases; LAGs of cables."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_LISTS = ("ranges_v6", "excluded", "search", "routes")


def upgrade() -> None:
    """Add what is new, empty in every row that is there."""
    with op.batch_alter_table("networks") as networks:
        networks.add_column(sa.Column("subnet_v6", sa.String(length=43), nullable=True))
        networks.add_column(sa.Column("router_v6", sa.String(length=39), nullable=True))
        for name in _LISTS:
            networks.add_column(sa.Column(name, sa.JSON(), nullable=True))
    table = sa.table("networks", *(sa.column(name, sa.JSON()) for name in _LISTS))
    op.execute(table.update().values({name: [] for name in _LISTS}))
    with op.batch_alter_table("networks") as networks:
        for name in _LISTS:
            networks.alter_column(name, existing_type=sa.JSON(), nullable=False)
    with op.batch_alter_table("reservations") as reservations:
        reservations.alter_column(
            "address",
            existing_type=sa.String(length=15),
            type_=sa.String(length=39),
            existing_nullable=False,
        )
    _mend("machines", "wires", _with_group)
    _mend("leases", "spec", _with_bonds_asked)
    _mend("leases", "placement", _with_bonds)


def _mend(name: str, column: str, mended: Any) -> None:
    """Rewrite one JSON column of every row."""
    table = sa.table(name, sa.column("id", sa.String()), sa.column(column, sa.JSON()))
    connection = op.get_bind()
    for row_id, document in connection.execute(sa.select(table.c.id, table.c[column])).all():
        if document is not None:
            change = table.update().where(table.c.id == row_id)
            connection.execute(change.values({column: mended(document)}))


def _with_group(wires: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{**wire, "group": None} for wire in wires]


def _with_bonds_asked(spec: dict[str, Any]) -> dict[str, Any]:
    networks = [{**ask, "address_v6": None} for ask in spec["networks"]]
    return {**spec, "networks": networks, "bonds": []}


def _with_bonds(placement: dict[str, Any]) -> dict[str, Any]:
    assignments = [{**one, "address_v6": None, "bond": None} for one in placement["assignments"]]
    return {**placement, "assignments": assignments, "bonds": []}
