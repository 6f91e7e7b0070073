"""Storage hosts: tgtd, an iSCSI target in user space, each on a host of its own on the switch."""

import os
import subprocess
import time

from lab import namespace, switch
from lab.errors import LabError
from lab.places import Places
from lab.process import alive
from lab.rack import Lun, StorageHost

_START_DEADLINE_S = 10.0
_CONTROL = ("--control-port", "0")


def start(places: Places, host: StorageHost) -> bool:
    """Plug the host in and serve its LUNs; tells if it had to be started.

    Disks that exist keep their content. LabError when tgtd does not come up.
    """
    place = places.storage(host)
    if alive(place.pid):
        return False
    there = place.namespace
    namespace.delete(there)
    place.run.mkdir(parents=True, exist_ok=True)
    place.disks.mkdir(parents=True, exist_ok=True)
    _plug(places, host, there)
    with (place.run / "tgtd.log").open("ab") as log:
        words = ["tgtd", "--foreground", *_CONTROL, "--iscsi", f"portal={host.address.ip}:3260"]
        process = subprocess.Popen(
            namespace.inside(there, words),
            env={**os.environ, "TGT_IPC_SOCKET": str(place.control_socket)},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            cwd=place.run,
        )
    place.pid.write_text(f"{process.pid}\n")
    _wait(places, host, process)
    _tgtadm(places, host, "target", "new", "--targetname", host.target)
    for number, lun in enumerate(host.luns):
        _add_lun(places, host, number, lun)
    _tgtadm(places, host, "target", "bind", "--initiator-address", "ALL")
    return True


def _plug(places: Places, host: StorageHost, there: str) -> None:
    port = f"store-{host.name}"
    switch.vsctl(places, "--if-exists", "del-port", switch.SWITCH, port)
    switch.vsctl(
        *(places, "add-port", switch.SWITCH, port, f"tag={host.vlan}"),
        *("--", "set", "interface", port, "type=internal"),
    )
    namespace.create(there)
    namespace.run(["ip", "-n", places.namespace, "link", "set", port, "netns", there])
    namespace.run(["ip", "-n", there, "addr", "add", str(host.address), "dev", port])
    namespace.run(["ip", "-n", there, "link", "set", port, "up"])


def _wait(places: Places, host: StorageHost, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _START_DEADLINE_S
    while True:
        try:
            _tgtadm(places, host, "target", "show")
            return
        except LabError as error:
            if process.poll() is not None or time.monotonic() > deadline:
                log = places.storage(host).run / "tgtd.log"
                raise LabError(
                    f"storage host {host.name} does not come up", f"see {log}"
                ) from error
        time.sleep(0.05)


def _add_lun(places: Places, host: StorageHost, number: int, lun: Lun) -> None:
    """LUN 0 is tgtd's own controller, so the first disk is LUN 1."""
    file = places.storage(host).disk_file(number)
    if not file.exists():
        with file.open("wb") as image:
            image.truncate(lun.size_gib << 30)
    which = ("--lun", str(number + 1))
    _tgtadm(places, host, "logicalunit", "new", *which, "--backing-store", str(file))
    said = f"vendor_id={lun.vendor},product_id={lun.product},scsi_sn={lun.serial}"
    _tgtadm(places, host, "logicalunit", "update", *which, "--params", said)


def _tgtadm(places: Places, host: StorageHost, mode: str, op: str, *words: str) -> None:
    which = ("--lld", "iscsi", "--mode", mode, "--op", op)
    tid = () if op == "show" else ("--tid", "1")
    namespace.run(
        ["tgtadm", *_CONTROL, *which, *tid, *words],
        TGT_IPC_SOCKET=str(places.storage(host).control_socket),
    )
