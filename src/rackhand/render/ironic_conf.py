"""Ironic's configuration file for the embedded mode: pure text, no secrets in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import PurePosixPath

from rackhand.model.errors import InvalidValue
from rackhand.render.vlan_probe import WAIT_ARGUMENT, WAIT_S

CONDUCTOR_NAME = "rackhand"
"""A fixed conductor name: nodes stay this conductor's when the host is renamed."""


@dataclass(frozen=True, slots=True)
class IronicSettings:
    """Everything of Ironic's configuration that differs between installations.

    ``state_dir`` holds its database, locks, logs and caches; it and ``http_root``
    and ``boot_files_dir`` must lie on one filesystem, because Ironic hard-links the
    ramdisk into each node's folder; ``boot_files_dir`` holds ``kernel`` and
    ``initramfs``, owned by the user that Ironic runs as (Linux refuses hard links to
    other people's files, and it sets their mode). ``agent_api_url`` is what ramdisks call.
    """

    state_dir: PurePosixPath
    unix_socket: PurePosixPath
    http_root: PurePosixPath
    http_url: str
    tftp_root: PurePosixPath
    boot_files_dir: PurePosixPath
    deploy_logs_dir: PurePosixPath
    management_address: IPv4Address
    agent_api_url: str
    boot_script: PurePosixPath | None = None
    """A file with render/boot_ipxe.py's script; None serves Ironic's own instead."""
    unix_socket_mode: int = 0o600
    deploys_in_flight: int = 50
    ramdisk_timeout_s: int = 1800
    """A machine that is not heard of for this long has failed (long POSTs included)."""
    power_sync_interval_s: int = 300
    bmc_patience_s: int = 20
    """How long a BMC may stay silent or refuse before a command has failed."""
    kernel_parameters: str = "nofb vga=normal console=tty0 console=ttyS0,115200"
    lldp_wait_s: int = WAIT_S
    """How long an inspection waits for NICs to have link and for switches to say LLDP."""
    with_fake_hardware: bool = False
    debug: bool = False


AGENT_PARAMETERS = (
    # Plain HTTP to our own management address: there is no certificate to check.
    "ipa-insecure=1",
    # Told, because only three calls of the API are passed on to ramdisks: without it
    # the agent asks `/`, falls back to 1.31 and is refused for want of a token.
    "ipa-ironic-api-version=1.96",
    # 1 s between looks instead of 10 s and 3 s; the same patience in all.
    "ipa-ip-lookup-attempts=60 ipa-ip-lookup-timeout=1",
    "ipa-disk-wait-attempts=30 ipa-disk-wait-delay=1",
    # LLDP listens for up to 30 s on every NIC.
    "ipa-collect-lldp=0",
)


def ironic_conf(settings: IronicSettings) -> str:
    """Return the text of ironic.conf for one conductor and API in one process.

    Every choice that differs from upstream's default says why. Raises InvalidValue
    for a value that a configuration file cannot hold (line breaks, relative paths).
    """
    for name in ("state_dir", "unix_socket", "http_root", "tftp_root", "boot_files_dir"):
        path: PurePosixPath = getattr(settings, name)
        if not path.is_absolute():
            raise InvalidValue(name, str(path), "is not an absolute path")
    sections: dict[str, Mapping[str, object]] = {
        "DEFAULT": _default(settings),
        "api": _api(settings),
        "conductor": _conductor(settings),
        "database": {
            # One writer at a time: plugins/ironic/sqlite_immediate.py makes the
            # transactions wait for each other, this says for how long.
            "connection": f"sqlite:///{settings.state_dir}/ironic.db?timeout=30",
            "sqlite_synchronous": True,
        },
        "deploy": _deploy(settings),
        "agent": _agent(settings),
        "pxe": _pxe(settings),
        "ipmi": {
            # At least 1 s between two commands to one BMC, instead of 5.
            "min_command_interval": 1,
            "command_retry_timeout": settings.bmc_patience_s,
        },
        "inspector": _inspector(settings),
        "inventory": {"data_backend": "database"},
        "dhcp": {"dhcp_provider": "none"},
        "service_catalog": {"endpoint_override": settings.agent_api_url},
        "oslo_concurrency": {"lock_path": settings.state_dir / "locks"},
        "oslo_messaging_notifications": {"driver": "noop"},
    }
    return "\n".join(_section(name, options) for name, options in sections.items())


def _default(settings: IronicSettings) -> dict[str, object]:
    fake = ("fake",) if settings.with_fake_hardware else ()
    return {
        # Only who may open the unix socket gets in; tenants never reach Ironic.
        "auth_strategy": "noauth",
        "rpc_transport": "none",
        "host": CONDUCTOR_NAME,
        "my_ip": settings.management_address,
        "state_path": settings.state_dir,
        "tempdir": settings.state_dir / "tmp",
        "debug": settings.debug,
        "default_log_levels": _LOG_LEVELS,
        "enabled_hardware_types": (
            "rackhand-ipmi",
            # Adopted machines whose BMC is not known: boot and report, nothing else.
            "rackhand-discovery",
            *(("rackhand-fake",) if settings.with_fake_hardware else ()),
        ),
        "enabled_deploy_interfaces": ("rackhand", "noop", *fake),
        "enabled_boot_interfaces": ("ipxe", *fake),
        "enabled_power_interfaces": (
            "rackhand",
            "rackhand-nobody",
            *(("rackhand-fake",) if fake else ()),
        ),
        "enabled_management_interfaces": ("rackhand", "ipmitool", "noop", *fake),
        "enabled_inspect_interfaces": ("agent", *fake),
        # Ours is each type's first; noop is for machines enrolled before there was one.
        "enabled_network_interfaces": ("rackhand", "noop"),
        "enabled_storage_interfaces": "noop",
        # Vendor passthru can remove BMC accounts (CVE-2026-90458): not there at all.
        "enabled_vendor_interfaces": "no-vendor",
        "enabled_console_interfaces": "no-console",
        "enabled_raid_interfaces": "no-raid",
        "enabled_bios_interfaces": "no-bios",
        "enabled_firmware_interfaces": "no-firmware",
        "enabled_rescue_interfaces": "no-rescue",
        # The ramdisk is served as it is.
        "force_raw_images": False,
    }


_LOG_LEVELS = (
    "sqlalchemy=WARNING,stevedore=WARNING,urllib3=WARNING,requests=WARNING,"
    "oslo.service=INFO,oslo_service=INFO,oslo_concurrency=WARNING,oslo_policy=WARNING,"
    # Its debug lines carry the agent's token.
    "werkzeug=WARNING,ironic.drivers.modules.agent_client=INFO"
)


def _api(settings: IronicSettings) -> dict[str, object]:
    return {
        "unix_socket": settings.unix_socket,
        "unix_socket_mode": f"{settings.unix_socket_mode:o}",
        "public_endpoint": settings.agent_api_url,
        # A heartbeat that meets a lock is dropped; the next must not be 90-180 s away.
        "ramdisk_heartbeat_timeout": 60,
        "restrict_lookup": True,
    }


def _conductor(settings: IronicSettings) -> dict[str, object]:
    in_flight = settings.deploys_in_flight
    return {
        "automated_clean": True,
        "max_concurrent_deploy": in_flight,
        "max_concurrent_clean": in_flight,
        # The start-up sweep takes at most this many nodes; those beyond it would
        # stay in `deploying` for good after a kill. So: above all that can be in flight.
        "periodic_max_workers": 2 * in_flight + 32,
        "workers_pool_size": 4 * in_flight + 100,
        "deploy_callback_timeout": settings.ramdisk_timeout_s,
        "clean_callback_timeout": settings.ramdisk_timeout_s,
        "inspect_wait_timeout": settings.ramdisk_timeout_s,
        "check_provision_state_interval": 20,
        "sync_power_state_interval": settings.power_sync_interval_s,
        # A machine that its user switched off stays off.
        "force_power_state_during_sync": False,
        "power_state_change_timeout": 60,
        "soft_power_off_timeout": 30,
        # A verb that meets a lock waits a little longer rather than being refused.
        "node_locked_retry_attempts": 6,
        "node_locked_retry_interval": 1,
        # It unpacks a zstd ramdisk to four times its size before serving it.
        "disable_zstandard_decompression": True,
        "disable_deep_image_inspection": True,
        "file_url_allowed_paths": settings.boot_files_dir,
        "graceful_shutdown_timeout": 10,
        # One ramdisk for every machine; hard links into each node's folder.
        "deploy_kernel": f"file://{settings.boot_files_dir}/kernel",
        "deploy_ramdisk": f"file://{settings.boot_files_dir}/initramfs",
    }


def _deploy(settings: IronicSettings) -> dict[str, object]:
    return {
        "http_root": settings.http_root,
        "http_url": settings.http_url,
        # Cleaning between leases removes signatures and partition tables; every
        # write begins with a whole-disk wipe of metadata again.
        "erase_devices_priority": 0,
        "erase_devices_metadata_priority": 10,
        "default_boot_mode": "bios",
        "fast_track": False,
        # A failed machine keeps no power on: it must not boot half a disk.
        "power_off_after_deploy_failure": True,
        "iso_master_path": settings.state_dir / "iso",
    }


def _agent(settings: IronicSettings) -> dict[str, object]:
    return {
        # The full set takes many forks in the ramdisk; after a success our deploy
        # interface keeps the journal alone.
        "deploy_logs_collect": "on_failure",
        "deploy_logs_storage_backend": "local",
        "deploy_logs_local_path": settings.deploy_logs_dir,
        "certificates_path": settings.state_dir / "certificates",
        # Seconds that nobody needs: polls of 6 s and 5 s become 1 s, same patience.
        "command_wait_interval": 1,
        "command_wait_attempts": 600,
        "post_deploy_get_power_state_retry_interval": 1,
        "post_deploy_get_power_state_retries": 30,
    }


def _pxe(settings: IronicSettings) -> dict[str, object]:
    script = settings.boot_script
    return {
        **({} if script is None else {"ipxe_boot_script": script}),
        # An installed machine whose firmware boots from the network first, or whose
        # BMC forgot its boot device, is sent to its own disk.
        "enable_netboot_fallback": True,
        "tftp_root": settings.tftp_root,
        "tftp_server": settings.management_address,
        "kernel_append_params": " ".join((settings.kernel_parameters, *AGENT_PARAMETERS)),
        "images_path": settings.state_dir / "images",
        "tftp_master_path": settings.state_dir / "boot-cache",
        "instance_master_path": settings.state_dir / "instance-cache",
    }


def _inspector(settings: IronicSettings) -> dict[str, object]:
    return {
        # People declare the cables; inspection must neither add NICs nor change
        # which one boots. The hooks refuse an empty inventory, and learn
        # architecture and boot mode.
        "add_ports": "disabled",
        "keep_ports": "all",
        "update_pxe_enabled": False,
        "pre_create_ports": False,
        "hooks": "ramdisk-error,validate-interfaces,architecture,boot-mode",
        "require_managed_boot": True,
        # The NICs last: while they are probed nothing else of the machine is asked.
        "extra_kernel_params": "ipa-inspection-collectors="
        "default,pci-devices,rackhand-disks,rackhand-wires "
        f"{WAIT_ARGUMENT}={settings.lldp_wait_s}",
        "power_off": True,
    }


def _section(name: str, options: Mapping[str, object]) -> str:
    return f"[{name}]\n" + "".join(f"{key} = {_value(key, v)}\n" for key, v in options.items())


def _value(key: str, value: object) -> str:
    """Write one value as oslo.config reads it: ``$`` begins a reference unless doubled."""
    text = ",".join(value) if isinstance(value, tuple) else str(value)
    if "\n" in text or "\r" in text:
        raise InvalidValue(key, text, "contains a line break", "give a value of one line")
    return text.replace("$", "$$")
