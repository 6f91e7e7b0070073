"""Settings under which LVM's tools work on one block device and leave the host alone."""

from __future__ import annotations

_SETTINGS = """\
devices {{
    filter = ["a|^{device}$|", "r|.*|"]
    use_devicesfile = 0
    obtain_device_list_from_udev = 0
    external_device_info_source = "none"
}}
activation {{ udev_sync = 0  udev_rules = 0  monitoring = 0 }}
backup {{ backup = 0  archive = 0 }}
global {{ activation = 0  event_activation = 0  use_lvmpolld = 0 }}
"""


def lvm_settings(device: str) -> str:
    """Return an ``lvm.conf`` that shows LVM ``device`` alone and keeps it from the kernel.

    No volume can be activated, no udev, daemon or event is waited for, and no backup of the
    metadata is kept on the host. ``device`` is a path such as ``/dev/loop3``.
    Source: lvm.conf(5), lvmconfig(8).
    """
    return _SETTINGS.format(device=device)
