"""A machine's network as a flat set of facts, so that meanings can be compared as sets.

A fact is (interface, kind, value). Interfaces are called by the NIC's name, bondN, or
PARENT.ID for a VLAN, whatever its own name; machine-wide facts by "".
"""

from __future__ import annotations

from rackhand.render.wicked_links import Bond, Host, Link, Vlan

Fact = tuple[str, str, str]

NAME_FITS = "name of at most 15"


def facts_of(host: Host) -> set[Fact]:
    by_name = {link.name: link for link in host.links}
    owners = {
        m: link.name
        for link in host.links
        if isinstance(link.kind, Bond)
        for m in link.kind.members
    }
    facts: set[Fact] = {("", "dns", str(address)) for address in host.dns}
    facts |= {("", "dns search", domain) for domain in host.search}
    for link in host.links:
        facts |= _link_facts(link, by_name)
        if link.name in owners:
            facts.add((link.name, "member of", owners[link.name]))
    return facts


def _link_facts(link: Link, by_name: dict[str, Link]) -> set[Fact]:
    me = link.name
    facts: set[Fact] = set()
    if isinstance(link.kind, Vlan):
        me = f"{link.kind.parent}.{link.kind.vlan_id}"
        facts = {(me, "vlan", me), (me, NAME_FITS, "yes")}
        if link.mac and link.mac != by_name[link.kind.parent].mac:
            facts.add((me, "own MAC", link.mac))
    elif isinstance(link.kind, Bond):
        facts = {(me, f"bond {name}", value) for name, value in link.kind.options}
        if link.mac:
            facts.add((me, "MAC", link.mac))
    else:
        facts.add((me, "found by MAC", str(link.mac)))
    if link.mtu is not None:
        facts.add((me, "mtu", str(link.mtu)))
    facts |= {(me, f"address {a.version}", str(a)) for a in link.addresses}
    facts |= {(me, "dynamic", way) for way in link.dynamic}
    for route in link.routes:
        facts.add(route_fact(me, str(route.destination), route.gateway, route.metric))
    if link.accept_ra is not None:
        facts.add((me, "router advertisements", str(int(link.accept_ra))))
    return facts


def route_fact(interface: str, destination: str, gateway: object, metric: object = None) -> Fact:
    kind = "route" if destination not in ("0.0.0.0/0", "::/0") else "default route"
    version = 6 if ":" in destination else 4
    tail = "" if metric is None else f" metric {metric}"
    return (interface, f"{kind} {version}", f"{destination} via {gateway}{tail}")
