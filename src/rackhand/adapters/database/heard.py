"""What was heard on the wire: rows to probes, strangers and foreign DHCP servers."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from ipaddress import IPv4Address
from typing import Any

import sqlalchemy as sa

from rackhand.adapters.database import tables
from rackhand.model.names import Mac
from rackhand.model.wiring import ForeignDhcp, ProbeHeard, Stranger

_PROBES, _STRANGERS, _FOREIGN = tables.probes, tables.strangers, tables.foreign_dhcp


class _Heard:
    """A table whose rows are replaced by their key."""

    table: sa.Table

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def _put(self, row: Mapping[str, Any]) -> None:
        key = [column == row[column.name] for column in self.table.primary_key]
        self._connection.execute(sa.delete(self.table).where(*key))
        self._connection.execute(sa.insert(self.table).values(dict(row)))


class ProbeTable(_Heard):
    """The table ``probes``."""

    table = _PROBES

    def of(self, macs: Collection[Mac], since: datetime) -> Sequence[ProbeHeard]:
        """Return those of these NICs that were heard since then, oldest first."""
        columns = _PROBES.c
        query = (
            sa.select(_PROBES)
            .where(columns.mac.in_(sorted(macs)), columns.at >= since)
            .order_by(columns.at, columns.mac, columns.network, columns.tag)
        )
        return [
            ProbeHeard(
                mac=Mac(row["mac"]),
                network=row["network"],
                vlan=row["vlan"],
                tag=row["tag"] or None,
                at=row["at"],
            )
            for row in self._connection.execute(query).mappings()
        ]

    def keep(self, probe: ProbeHeard) -> None:
        """Keep the probe, instead of an older one of its NIC, network and tag."""
        columns, tag = _PROBES.c, probe.tag or 0
        newer = sa.select(columns.at).where(
            columns.mac == probe.mac,
            columns.network == probe.network,
            columns.tag == tag,
            columns.at > probe.at,
        )
        if self._connection.execute(newer).first() is None:
            self._put(
                {
                    "mac": probe.mac,
                    "network": probe.network,
                    "tag": tag,
                    "vlan": probe.vlan,
                    "at": probe.at,
                }
            )

    def forget_before(self, at: datetime) -> None:
        """Forget those that were heard before that moment."""
        self._connection.execute(sa.delete(_PROBES).where(_PROBES.c.at < at))


class StrangerTable(_Heard):
    """The table ``strangers``."""

    table = _STRANGERS

    def all(self) -> Sequence[Stranger]:
        """Return every one, the last heard first; those heard at once by MAC, network."""
        columns = _STRANGERS.c
        query = sa.select(_STRANGERS).order_by(columns.last_at.desc(), columns.mac, columns.network)
        return [
            Stranger(
                mac=Mac(row["mac"]),
                network=row["network"],
                vlan=row["vlan"],
                first_at=row["first_at"],
                last_at=row["last_at"],
                vendor_class=row["vendor_class"],
            )
            for row in self._connection.execute(query).mappings()
        ]

    def keep(self, stranger: Stranger) -> None:
        """Keep it, instead of what is known of the same MAC on the same network."""
        self._put(
            {
                "mac": stranger.mac,
                "network": stranger.network,
                "vlan": stranger.vlan,
                "first_at": stranger.first_at,
                "last_at": stranger.last_at,
                "vendor_class": stranger.vendor_class,
            }
        )

    def forget(self, macs: Collection[Mac]) -> None:
        """Forget these MACs on every network; no error for those that are not there."""
        self._connection.execute(sa.delete(_STRANGERS).where(_STRANGERS.c.mac.in_(sorted(macs))))


class ForeignServerTable(_Heard):
    """The table ``foreign_dhcp``."""

    table = _FOREIGN

    def all(self) -> Sequence[ForeignDhcp]:
        """Return every one, by network, server and MAC."""
        found = [
            ForeignDhcp(
                network=row["network"],
                vlan=row["vlan"],
                server=IPv4Address(row["server"]),
                mac=Mac(row["mac"]),
                first_at=row["first_at"],
                last_at=row["last_at"],
            )
            for row in self._connection.execute(sa.select(_FOREIGN)).mappings()
        ]
        return sorted(found, key=lambda one: (one.network, one.server, one.mac))

    def keep(self, server: ForeignDhcp) -> None:
        """Keep it, instead of what is known of the same server."""
        self._put(
            {
                "network": server.network,
                "server": str(server.server),
                "mac": server.mac,
                "vlan": server.vlan,
                "first_at": server.first_at,
                "last_at": server.last_at,
            }
        )

    def forget(self, server: ForeignDhcp) -> None:
        """Forget the server; no error when it is not there."""
        columns = _FOREIGN.c
        self._connection.execute(
            sa.delete(_FOREIGN).where(
                columns.network == server.network,
                columns.server == str(server.server),
                columns.mac == server.mac,
            )
        )
