"""Who the installed system is and who may log in, for cloud-init 22.4 and newer."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from rackhand.model.lease import Lease, LeaseSpec
from rackhand.model.network import IpAddress


def meta_data(lease: Lease) -> dict[str, Any]:
    """Return OpenStack's meta_data.json; cloud-init takes ``uuid`` as the instance id.

    It is the lease's: a machine leased again is a new instance, a restarted one is not.
    """
    return {
        "uuid": str(lease.id),
        "instance_id": str(lease.id),
        "name": lease.name,
        "hostname": lease.spec.hostname,
        "launch_index": 0,
        "public_keys": {f"key-{index}": key for index, key in enumerate(lease.spec.ssh_keys)},
    }


def user_data(spec: LeaseSpec, ntp: Sequence[IpAddress] = ()) -> str:
    """Return a cloud-config: host name, root's keys, root's password as its hash only.

    JSON is YAML (YAML 1.2, 1.2), so no YAML library is needed. Logging in over SSH takes
    a key; the password, where there is one, is for the console. ``ntp`` are the time
    servers of its networks, which network_data.json has no word for.
    """
    config: dict[str, Any] = {
        "hostname": spec.hostname.partition(".")[0],
        "preserve_hostname": False,
        # Only the host's own line: people's other lines in /etc/hosts stay.
        "manage_etc_hosts": "localhost",
        "disable_root": False,
        "ssh_pwauth": False,
        # Without "default" in the list the distribution's own user is not made.
        "users": [_root(spec)],
    }
    if "." in spec.hostname:
        config["fqdn"] = spec.hostname
    if ntp:
        config["ntp"] = {
            "enabled": True,
            # The first of the distribution's clients that the image has (cc_ntp.py,
            # select_ntp_client): chrony, systemd-timesyncd or ntp. Never installed.
            "ntp_client": "auto",
            "config": {"packages": []},
            "servers": [str(address) for address in ntp],
        }
    return "#cloud-config\n" + json.dumps(config, indent=1, ensure_ascii=True) + "\n"


def _root(spec: LeaseSpec) -> dict[str, Any]:
    root: dict[str, Any] = {
        "name": "root",
        "lock_passwd": spec.root_password_hash is None,
        "ssh_authorized_keys": list(spec.ssh_keys),
    }
    if spec.root_password_hash is not None:
        # Of the three keys for a hash the only one that is set on a user who exists.
        root["hashed_passwd"] = spec.root_password_hash
    return root
