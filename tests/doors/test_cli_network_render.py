"""`rackhand network render` of a lease: planned by Rackhand, rendered here."""

from __future__ import annotations

from pathlib import Path

from .conftest import House, Rackhand, machines_yaml


def test_a_lease_is_planned_and_rendered(rackhand: Rackhand, site: Path, house: House) -> None:
    (site / "machines.yaml").write_text(machines_yaml("n1"))
    (site / "lease.yaml").write_text(
        "flavor: small\nimage: debian-12\nhostname: db\n"
        "networks: [{network: front, address: 10.0.100.77}]\n"
    )
    ask = ("network", "render", "--os", "sles-15", site / "lease.yaml", "--to", site / "out")
    assert rackhand(*ask).code == 6, "no machine yet"
    with house.looping():
        rackhand("machine", "import", "-f", site / "machines.yaml", "--wait")
        seen = rackhand(*ask)
    assert seen.code == 0, seen.err
    text = (site / "out/etc/sysconfig/network/ifcfg-nic0").read_text()
    assert "IPADDR='10.0.100.77/24'\n" in text
    assert (
        'ATTR{address}=="52:54:00:00:01:01", NAME="nic0"'
        in (site / "out/etc/udev/rules.d/85-persistent-net-cloud-init.rules").read_text()
    )
