"""Import and inspection of real machines; BMCs that refuse or keep silent."""

from __future__ import annotations

from typing import Any

import pytest
from import_story import WRONG_PASSWORD, Imported
from rackhand_site import Site

pytestmark = [pytest.mark.lab, pytest.mark.timeout(3600)]
GIB = 1 << 30


@pytest.mark.parametrize("name", ["n1", "n2"])
def test_inspection_finds_what_the_rack_file_says(
    site: Site, imported: Imported, name: str
) -> None:
    machine, built = getattr(imported, name), site.rack()[name]
    assert machine["fault"] is None, machine["fault"]
    assert (machine["state"], machine["power_on"]) == ("available", False)
    found = machine["hardware"]
    assert found["vcpus"] == built["cpus"]
    assert found["memory_mib"] == built["memory_mib"]
    assert found["firmware"] == built["firmware"]
    assert found["architecture"] == "x86_64"
    model = built["model"]
    assert {key: found[key] for key in ("vendor", "model", "serial")} == {
        "vendor": model["vendor"],
        "model": model["product"],
        "serial": model["serial"],
    }
    assert _disks(found) == {
        disk["serial"]: (
            disk["size_gib"] * GIB,
            {"ahci": "sata", "nvme": "nvme"}[disk["controller"]],
            f"0x{disk['wwn']}" if "wwn" in disk else None,
        )
        for disk in built["disks"]
    }


def _disks(hardware: Any) -> dict[str, tuple[int, str, str | None]]:
    return {
        disk["serial"]: (
            disk["size_bytes"],
            disk["transport"],
            # An NVMe namespace without one gets an identifier made of model and serial.
            disk["wwn"] if disk["transport"] == "sata" else None,
        )
        for disk in hardware["disks"]
    }


@pytest.mark.parametrize(
    ("name", "driver", "ids"),
    [("n1", "e1000", ("8086", "100e")), ("n2", "virtio_net", ("1af4", "1000"))],
)
def test_every_nic_is_found_with_link_driver_and_pci_device(
    site: Site, imported: Imported, name: str, driver: str, ids: tuple[str, str]
) -> None:
    found = getattr(imported, name)["hardware"]
    nics = {nic["mac"]: nic for nic in found["nics"]}
    assert set(nics) == {nic["mac"] for nic in site.rack()[name]["nics"]}
    devices = {pci["address"]: (pci["vendor_id"], pci["product_id"]) for pci in found["pci"]}
    for nic in nics.values():
        assert nic["has_link"] is True
        assert nic["driver"] == driver
        if driver == "e1000":  # virtio has no pace of its own
            assert nic["speed_mbps"] == 1000
    assert ids in devices.values()
    classes = {pci["class_id"][:2] for pci in found["pci"]}
    assert {"01", "02", "06"} <= classes, "mass storage, network, bridges (PCI class codes)"


def test_a_wrong_bmc_password_is_told_from_a_bmc_that_does_not_answer(imported: Imported) -> None:
    assert imported.n3["fault"]["code"] == "bmc-password-wrong", imported.n3["fault"]
    assert imported.n4["fault"]["code"] == "bmc-unreachable", imported.n4["fault"]
    for machine in (imported.n3, imported.n4):
        assert machine["name"] in machine["fault"]["sentence"]
        assert machine["fault"]["hint"]
        assert WRONG_PASSWORD not in str(machine)


def test_the_right_password_mends_it(imported: Imported) -> None:
    assert imported.n3_mended["fault"] is None, imported.n3_mended["fault"]
    assert imported.n3_mended["state"] in ("manageable", "inspecting", "cleaning", "available")
