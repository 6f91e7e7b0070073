"""Which starts a run consists of."""

from __future__ import annotations

from bootmatrix.cells import CONTROLLERS, USB, Cell, choose_cells
from lab.rack import DiskController, Firmware, NicModel

# What Debian's OVMF reads; of the others nothing is known on UEFI.
READ_BY_OVMF = {"ahci", "nvme", "virtio-scsi", "virtio-blk"}


def test_every_controller_is_tried_on_both_firmwares() -> None:
    tried = {(cell.controller, cell.firmware) for cell in choose_cells()}
    assert tried == {(c, f) for c in (*DiskController, USB) for f in Firmware}


def test_every_nic_is_tried_where_the_firmware_reads_the_disk() -> None:
    tried = {(c.nic, c.firmware) for c in choose_cells() if c.controller in READ_BY_OVMF}
    assert tried == {(nic, firmware) for nic in NicModel for firmware in Firmware}


def test_a_run_stays_small_and_has_no_cell_twice() -> None:
    cells = choose_cells()
    assert len(cells) == len(set(cells)) == 20


def test_a_cell_does_not_depend_on_what_else_is_asked() -> None:
    for controller in CONTROLLERS:
        for firmware in Firmware:
            alone = choose_cells([controller], [firmware])
            assert alone
            assert set(alone) <= set(choose_cells())


def test_one_nic_is_tried_with_every_controller() -> None:
    cells = choose_cells(nics=[NicModel.VMXNET3])
    assert {cell.nic for cell in cells} == {NicModel.VMXNET3}
    assert len(cells) == len(CONTROLLERS) * len(Firmware)


def test_all_nics_is_the_whole_product_but_for_usb() -> None:
    cells = choose_cells(all_nics=True)
    whole = {Cell(f, c, n) for c in DiskController for f in Firmware for n in NicModel}
    assert whole <= set(cells)
    assert len(cells) == len(whole) + len(Firmware)
