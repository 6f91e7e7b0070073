"""network_data.json so written that cloud-init's renderers lose less of it.

Measured with the real cloud-init, see docs/network-rendering.md. Readers of the schema
are not disturbed: fields are only added, and ``bond_primary`` becomes a NIC's new name.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def for_cloud_init(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return the data with what cloud-init needs beside the schema.

    - A bond's options stand there a second time in the spelling that cloud-init's
      ifcfg, netplan and networkd renderers look for (``bond_lacp-rate``): from 23 on its
      reader makes ``bond-lacp_rate`` of the schema's own, which they pass over.
    - DNS servers that only ``services`` names stand with a network of their family, too:
      the netplan and NetworkManager renderers forget them once a network names its own.
    - Where a name matters (a bond's primary, VLANs right on a NIC, whose name must not
      grow beyond 15 characters), NICs get short names, nic0, nic1 …; cloud-init renames
      them by MAC address before the network starts.
    """
    links = [dict(link) for link in data.get("links", [])]
    nics = [link for link in links if link["type"] not in ("bond", "vlan")]
    needing = {link.get("vlan_link") for link in links}
    for bond in (link for link in links if link["type"] == "bond"):
        if "bond_primary" in bond:
            needing.update(bond["bond_links"])
    for index, nic in enumerate(nics):
        if nic["id"] in needing:
            nic.setdefault("name", f"nic{index}")
    names = {nic["id"]: nic["name"] for nic in nics if "name" in nic}
    for bond in (link for link in links if link["type"] == "bond"):
        if "bond_primary" in bond:
            bond["bond_primary"] = names.get(bond["bond_primary"], bond["bond_primary"])
        for key in [key for key in bond if key.startswith("bond_") and key != "bond_links"]:
            option = key.removeprefix("bond_")
            if "_" in option:
                bond["bond_" + option.replace("_", "-")] = bond[key]
    return {**data, "links": links, "networks": _with_dns(data)}


def _with_dns(data: Mapping[str, Any]) -> list[dict[str, Any]]:
    networks = [
        {**network, "services": list(network.get("services", []))}
        for network in data.get("networks", [])
    ]
    named = [service for network in networks for service in network["services"]]
    for service in data.get("services", []):
        family = "ipv6" if ":" in service["address"] else "ipv4"
        takers = [network for network in networks if network["type"].startswith(family)]
        if service["type"] == "dns" and service not in named and takers:
            takers[0]["services"].append(dict(service))
    return networks
