"""Reads the storage hosts of a rack file."""

import re
from ipaddress import IPv4Interface

from lab.marked_yaml import Seen, Spot
from lab.rack import Lun, StorageHost

# RFC 3720, 3.2.6.3.1: year and month of the domain, the domain backwards, anything after a colon.
_IQN = re.compile(r"iqn\.\d{4}-\d{2}(?:\.[a-z0-9-]+)+(?::[a-z0-9.:-]+)?")


def storage_hosts(spot: Spot, seen: Seen) -> tuple[StorageHost, ...]:
    """The entries of the key ``storage``; mistakes are noted at their places."""
    found = (_host(one, seen) for one in spot.items())
    return tuple(host for host in found if host)


def _host(spot: Spot, seen: Seen) -> StorageHost | None:
    required = ["name", "vlan", "address", "target", "luns"]
    v = spot.mapping(required, [])
    if any(key not in v for key in required):
        return None
    name, target = v["name"].text(8), v["target"].text(223)
    if not re.fullmatch(r"[a-z][a-z0-9]*", name):
        v["name"].complain(
            f"{v['name'].path}: {name!r} is no storage host's name", "small letters and digits"
        )
    if not _IQN.fullmatch(target):
        v["target"].complain(
            f"{v['target'].path}: {target!r} is no iSCSI qualified name",
            "write it like iqn.2001-05.com.example:san1",
        )
    seen.once("name", name, v["name"])
    return StorageHost(
        name=name,
        vlan=v["vlan"].integer(1, 4094),
        address=_address(v["address"]),
        target=target,
        luns=tuple(_lun(one, seen) for one in v["luns"].items(at_least=1)),
    )


def _address(spot: Spot) -> IPv4Interface:
    try:
        return IPv4Interface(spot.raw())
    except ValueError as error:
        spot.complain(f"{spot.path}: {error}", "write it like 10.100.0.5/24")
        return IPv4Interface("0.0.0.0/0")


def _lun(spot: Spot, seen: Seen) -> Lun:
    v = spot.mapping(["size_gib", "serial", "vendor", "product"], [])
    lun = Lun(
        size_gib=v["size_gib"].integer(1, 16384) if "size_gib" in v else 1,
        # Their lengths in INQUIRY data (SPC-4, 6.4.2 and 7.8.16); tgtadm takes no commas.
        serial=v["serial"].text(20) if "serial" in v else "",
        vendor=v["vendor"].text(8) if "vendor" in v else "",
        product=v["product"].text(16) if "product" in v else "",
    )
    for key in v.keys() & {"serial", "vendor", "product"}:
        if "," in v[key].raw():
            v[key].complain(f"{v[key].path} has a comma", "leave it out")
    if "serial" in v:
        seen.once("disk serial", lun.serial, v["serial"])
    return lun
