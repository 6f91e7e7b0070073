"""The tables, as the newest migration leaves them.

Uniqueness is the database's: a name, a VLAN of a zone, a BMC, a MAC, an address is
taken once, whoever writes. A lease's name and hostname are unique only while it
lives, so they have columns of their own that are NULL once it is released (NULLs
are no duplicates in SQLite, MariaDB and PostgreSQL; partial indexes are not in all).
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa

from rackhand.adapters.database.documents import from_time, to_time

metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


class UtcTime(sa.TypeDecorator[datetime]):
    """A moment as ISO 8601 text in UTC with microseconds, the same in every database."""

    impl = sa.String(32)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> str | None:  # noqa: ARG002
        """Return the text to store."""
        return None if value is None else from_time(value)

    def process_result_value(self, value: Any | None, dialect: sa.Dialect) -> datetime | None:  # noqa: ARG002
        """Return the stored moment, in UTC."""
        return None if value is None else to_time(value)


def _id() -> sa.Column[str]:
    return sa.Column("id", sa.String(36), primary_key=True)


def _name() -> sa.Column[str]:
    return sa.Column("name", sa.String(63), nullable=False, unique=True)


def _generation() -> sa.Column[int]:
    return sa.Column("generation", sa.Integer, nullable=False)


def _json(name: str, nullable: bool = False) -> sa.Column[Any]:
    return sa.Column(name, sa.JSON(none_as_null=True), nullable=nullable)


zones = sa.Table(
    "zones",
    metadata,
    _id(),
    _name(),
    sa.Column("description", sa.Text, nullable=False),
    _generation(),
)

networks = sa.Table(
    "networks",
    metadata,
    _id(),
    _name(),
    sa.Column("zone", sa.String(63), nullable=False),
    sa.Column("vlan", sa.Integer, nullable=False),
    sa.Column("subnet", sa.String(18), nullable=False),
    sa.Column("gateway_address", sa.String(15), nullable=False),
    _json("ranges"),
    sa.Column("router", sa.String(15)),
    _json("dns"),
    _json("ntp"),
    sa.Column("mtu", sa.Integer, nullable=False),
    sa.Column("subnet_v6", sa.String(43)),
    sa.Column("router_v6", sa.String(39)),
    _json("ranges_v6"),
    _json("excluded"),
    _json("search"),
    _json("routes"),
    sa.Column("physical_network", sa.String(63)),
    _generation(),
    sa.UniqueConstraint("zone", "vlan"),
)

flavors = sa.Table(
    "flavors",
    metadata,
    _id(),
    _name(),
    sa.Column("vcpus", sa.Integer, nullable=False),
    sa.Column("memory_mib", sa.BigInteger, nullable=False),
    sa.Column("architecture", sa.String(32), nullable=False),
    _json("properties"),
    _json("disk"),
    sa.Column("volume_group_size", sa.String(16), nullable=False, server_default="fixed"),
    sa.Column("cleaning", sa.String(16), nullable=False, server_default="metadata"),
    _generation(),
)

images = sa.Table(
    "images",
    metadata,
    _id(),
    _name(),
    sa.Column("sha256", sa.String(64), nullable=False),
    sa.Column("manifest_sha256", sa.String(64), nullable=False),
    sa.Column("size_bytes", sa.BigInteger, nullable=False),
    sa.Column("data_bytes", sa.BigInteger, nullable=False),
    sa.Column("compressed_bytes", sa.BigInteger, nullable=False),
    sa.Column("minimum_disk_bytes", sa.BigInteger, nullable=False),
    sa.Column("os_family", sa.String(64), nullable=False),
    sa.Column("os_version", sa.String(64), nullable=False),
    sa.Column("architecture", sa.String(32), nullable=False),
    _json("firmware"),
    sa.Column("volume_group", sa.String(127)),
    sa.Column("created_at", UtcTime, nullable=False),
    sa.Column("ready", sa.Boolean, nullable=False),
    sa.Column("retired_at", UtcTime),
    _json("boot_matrix", nullable=True),
    _generation(),
)

machines = sa.Table(
    "machines",
    metadata,
    _id(),
    _name(),
    sa.Column("zone", sa.String(63), nullable=False),
    sa.Column("bmc_address", sa.String(253), nullable=False),
    sa.Column("bmc_port", sa.Integer, nullable=False),
    sa.Column("bmc_username", sa.String(255), nullable=False),
    _json("wires"),
    _json("hardware", nullable=True),
    sa.Column("inspected_at", UtcTime),
    _json("fault", nullable=True),
    sa.Column("pooled", sa.Boolean, nullable=False),
    _generation(),
    _json("wire_probe", nullable=True),
    sa.Column("inspection_began_at", UtcTime),
    sa.UniqueConstraint("bmc_address", "bmc_port"),
)

machine_macs = sa.Table(
    "machine_macs",
    metadata,
    sa.Column("mac", sa.String(17), primary_key=True),
    sa.Column(
        "machine_id",
        sa.String(36),
        sa.ForeignKey("machines.id", ondelete="CASCADE"),
        nullable=False,
        index=True,
    ),
)

leases = sa.Table(
    "leases",
    metadata,
    _id(),
    sa.Column("name", sa.String(63), nullable=False),
    sa.Column("live_name", sa.String(63), unique=True),
    sa.Column("live_hostname", sa.String(253), unique=True),
    _json("spec"),
    sa.Column("created_at", UtcTime, nullable=False),
    sa.Column("intent", sa.String(32), nullable=False),
    sa.Column("state", sa.String(32), nullable=False),
    _json("placement", nullable=True),
    _json("ledger"),
    _json("fault", nullable=True),
    sa.Column("deadline_at", UtcTime),
    sa.Column("attempts", sa.Integer, nullable=False),
    _generation(),
)

discoveries = sa.Table(
    "discoveries",
    metadata,
    _id(),
    _name(),
    sa.Column("mac", sa.String(17), nullable=False, unique=True),
    sa.Column("network", sa.String(63), nullable=False),
    sa.Column("zone", sa.String(63), nullable=False),
    sa.Column("address", sa.String(15), nullable=False),
    sa.Column("at", UtcTime, nullable=False),
    sa.Column("state", sa.String(32), nullable=False),
    _json("hardware", nullable=True),
    sa.Column("bmc_address", sa.String(45)),
    _json("wires"),
    sa.Column("reported_at", UtcTime),
    _json("fault", nullable=True),
    _generation(),
)

reservations = sa.Table(
    "reservations",
    metadata,
    sa.Column("network", sa.String(63), primary_key=True),
    sa.Column("address", sa.String(39), primary_key=True),
    sa.Column("mac", sa.String(17), nullable=False),
    sa.Column("machine_id", sa.String(36), nullable=False, index=True),
    sa.Column("lease_id", sa.String(36), index=True),
)

events = sa.Table(
    "events",
    metadata,
    # SQLite numbers rows by itself only where the key is called INTEGER.
    sa.Column(
        "number",
        sa.BigInteger().with_variant(sa.Integer, "sqlite"),
        primary_key=True,
        autoincrement=True,
    ),
    sa.Column("at", UtcTime, nullable=False),
    sa.Column("kind", sa.String(64), nullable=False),
    sa.Column("subject_kind", sa.String(32), nullable=False),
    sa.Column("subject_id", sa.String(36), nullable=False),
    sa.Column("subject_name", sa.String(63), nullable=False),
    sa.Column("sentence", sa.Text, nullable=False),
    sa.Index("ix_events_subject_id_number", "subject_id", "number"),
)

probes = sa.Table(
    "probes",
    metadata,
    sa.Column("mac", sa.String(17), primary_key=True),
    sa.Column("network", sa.String(63), primary_key=True),
    # 0 is untagged: a key has no NULL, and 0 is no VLAN.
    sa.Column("tag", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("vlan", sa.Integer, nullable=False),
    sa.Column("at", UtcTime, nullable=False, index=True),
)

strangers = sa.Table(
    "strangers",
    metadata,
    sa.Column("mac", sa.String(17), primary_key=True),
    sa.Column("network", sa.String(63), primary_key=True),
    sa.Column("vlan", sa.Integer, nullable=False),
    sa.Column("first_at", UtcTime, nullable=False),
    sa.Column("last_at", UtcTime, nullable=False),
    sa.Column("vendor_class", sa.String(255)),
)

foreign_dhcp = sa.Table(
    "foreign_dhcp",
    metadata,
    sa.Column("network", sa.String(63), primary_key=True),
    sa.Column("server", sa.String(15), primary_key=True),
    sa.Column("mac", sa.String(17), primary_key=True),
    sa.Column("vlan", sa.Integer, nullable=False),
    sa.Column("first_at", UtcTime, nullable=False),
    sa.Column("last_at", UtcTime, nullable=False),
)
