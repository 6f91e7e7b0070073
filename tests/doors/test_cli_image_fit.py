"""Images by command line: on which machines one would fail, and which files are refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from rackhand.fakes.server import plain_hardware
from rackhand.model.machine import PciDevice
from tests.build.bad_images import qemu_img
from tests.build.small_systems import System, make_disk, make_tree

from .conftest import House, Rackhand, image_folder, machines_yaml

SMART_ARRAY = PciDevice("0000:02:00.0", "103c", "3239", "010400")
DRIVERS = {"kernel": "6.1.0", "early": [], "pci": {"hpsa": ["103c:3239"]}}
NAMES = tuple(f"n{number}" for number in range(1, 10))


def test_misfits_are_told_by_model_and_reason(house: House, rackhand: Rackhand, site: Path) -> None:
    (site / "machines.yaml").write_text(machines_yaml(*NAMES))
    assert rackhand("machine", "import", "-f", site / "machines.yaml").code == 0
    rackhand("image", "add", "other", "--from", image_folder(site / "other", drivers=DRIVERS))
    assert rackhand("image", "fit", "other").out == "nothing speaks against it\n"
    with house.store.transaction() as session:
        for machine in session.machines.all():
            hardware = replace(plain_hardware(machine.wires), pci=(SMART_ARRAY,))
            session.machines.replace(replace(machine, hardware=hardware))

    told = rackhand("image", "fit", "other")
    assert told.code == 6
    why = "would not find its disk: hpsa is missing in its initramfs (103c:3239)"
    assert all(word in told.out for word in ("Fake Fake 1U", why, "9", "n1, n2", "n8 +1"))
    (misfit,) = rackhand("image", "fit", "other", "-o", "json").json
    assert (misfit["reason"], misfit["machines"]) == (why, list(NAMES))


def test_an_image_that_does_not_say_what_it_drives(rackhand: Rackhand, site: Path) -> None:
    told = rackhand("image", "fit", "debian-12")
    assert told.code == 3
    assert "does not say what hardware it drives" in told.err
    assert "pack" in told.err


def test_a_file_that_is_no_disk_is_refused_with_a_way_out(
    rackhand: Rackhand, tmp_path: Path
) -> None:
    (tmp_path / "page.qcow2").write_text("<!DOCTYPE html>")
    told = rackhand("image", "check", tmp_path / "page.qcow2")
    assert told.code == 3
    assert told.err.startswith("error[image-refused]: ")
    assert "no-disk-image: it is an HTML page" in told.err
    assert "hint: name the disk itself" in told.err


def test_a_vm_image_is_added_with_all_that_is_found_in_it(rackhand: Rackhand, site: Path) -> None:
    raw = make_disk(site / "vm.raw", make_tree(site / "tree", System()))
    qemu_img("convert", "-f", "raw", "-O", "qcow2", raw, site / "vm.qcow2")
    told = rackhand("image", "add", "vm", "--from", site / "vm.qcow2", "-o", "json")
    assert told.code == 0, told.err
    assert "warning[no-lvm]: " in told.err
    (image,) = told.json
    assert (image["os_version"], image["firmware"], image["ready"]) == ("12", ["bios"], True)
    assert rackhand("image", "fit", "vm").code == 0


def test_a_vm_image_that_no_machine_could_start_is_not_added(
    rackhand: Rackhand, site: Path
) -> None:
    raw = make_disk(site / "vm.raw", make_tree(site / "tree", System(kernel=False)))
    told = rackhand("image", "add", "vm", "--from", raw)
    assert told.code == 3
    assert "error[image-unfit]: " in told.err
    assert "there is no kernel" in told.err
    assert "hint: apt-get install linux-image-amd64" in told.err
    assert rackhand("image", "show", "vm").code == 4
