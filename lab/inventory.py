"""The lab as somebody would note it down for Rackhand: BMCs, boot MACs and cabling."""

from typing import Any

import yaml

from lab.rack import Machine, Rack
from lab.switch import lag_name


def import_file(rack: Rack) -> str:
    """A Rackhand import file for the rack; hardware facts are left for inspection to find."""
    text = yaml.safe_dump(
        {"machines": [_machine(m) for m in rack.machines]}, sort_keys=False, width=100
    )
    return str(text)


def _machine(machine: Machine) -> dict[str, Any]:
    bmc = machine.bmc
    return {
        "name": machine.name,
        "bmc": {
            "address": bmc.address,
            "username": bmc.user,
            "password": bmc.password,
            # ipmi_sim speaks no other; without it each ipmitool call tries 17 for 5 s.
            "cipher_suite": 3,
        },
        "nics": [_nic(machine, i) for i in range(len(machine.nics))],
    }


def _nic(machine: Machine, number: int) -> dict[str, Any]:
    nic = machine.nics[number]
    port = nic.documented
    entry: dict[str, Any] = {"mac": nic.mac}
    if port and port.untagged is not None:
        entry["vlan"] = port.untagged
    if port and port.tagged:
        entry["tagged"] = list(port.tagged)
    if number == 0:
        entry["boot"] = True
    for lag in machine.lags:
        if number in lag.nics:
            entry["group"] = lag_name(machine, lag)
    return entry
