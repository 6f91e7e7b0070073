"""A DHCP server that somebody else plugged into the switch: a real dnsmasq, on its own host."""

import signal
from ipaddress import IPv4Interface

from lab import namespace, process, switch
from lab.errors import LabError
from lab.places import Places

_PID = "dnsmasq.pid"


def start(places: Places, vlan: int, address: IPv4Interface) -> None:
    """Plug a host with ``address`` into an access port of ``vlan``; it hands out addresses.

    LabError when the VLAN has one already, or the subnet has no room for a range.
    """
    folder, there = places.rogue(vlan), places.rogue_namespace(vlan)
    if process.alive(folder / _PID):
        raise LabError(
            f"VLAN {vlan} has a foreign DHCP server already",
            f"script/lab rogue-dhcp stop --vlan {vlan}",
        )
    hosts = [host for host in address.network.hosts() if host != address.ip]
    if not hosts:
        raise LabError(f"{address} leaves no address to hand out", "give it a /24")
    stop(places, vlan)
    folder.mkdir(parents=True)
    port = _port(vlan)
    switch.vsctl(
        *(places, "add-port", switch.SWITCH, port, f"tag={vlan}"),
        *("--", "set", "interface", port, "type=internal"),
    )
    namespace.create(there)
    namespace.run(["ip", "-n", places.namespace, "link", "set", port, "netns", there])
    namespace.run(["ip", "-n", there, "addr", "add", str(address), "dev", port])
    namespace.run(["ip", "-n", there, "link", "set", port, "up"])
    command = [
        *("dnsmasq", "--conf-file=/dev/null", "--port=0", "--user=root", "--no-ping"),
        *(f"--interface={port}", "--bind-interfaces", "--except-interface=lo"),
        f"--dhcp-range={hosts[0]},{hosts[-1]},10m",
        *(f"--dhcp-leasefile={folder}/leases", f"--log-facility={folder}/log", "--log-dhcp"),
        f"--pid-file={folder / _PID}",
    ]
    namespace.run(namespace.inside(there, command))


def stop(places: Places, vlan: int) -> bool:
    """Unplug it and leave nothing; tells whether it was there."""
    folder, there = places.rogue(vlan), places.rogue_namespace(vlan)
    was = process.alive(folder / _PID)
    process.end(folder / _PID, signal.SIGTERM)
    switch.vsctl(places, "--if-exists", "del-port", switch.SWITCH, _port(vlan))
    namespace.delete(there)
    if folder.exists():
        for file in folder.iterdir():
            file.unlink()
        folder.rmdir()
    return was


def _port(vlan: int) -> str:
    return f"rogue{vlan}"
