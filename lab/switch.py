"""The data centre's switch: a private Open vSwitch in user space, one per lab."""

import signal
from collections.abc import Mapping, Sequence
from pathlib import Path

from lab import cables, namespace
from lab.places import Places
from lab.process import alive, end
from lab.qemu import tap_name
from lab.rack import Lag, Machine, Rack, SwitchPort

SWITCH = "sw0"
MANAGEMENT_BRIDGE = "br-mgmt"
_SCHEMA = "/usr/share/openvswitch/vswitch.ovsschema"
_DAEMONS = ("ovs-vswitchd", "ovsdb-server")


def start(places: Places) -> bool:
    """Make the switch run, with both bridges and the trunk cable; tells if it had to be started."""
    folder = places.ovs
    folder.mkdir(parents=True, exist_ok=True)
    missing = [d for d in _DAEMONS if not alive(folder / f"{d}.pid")]
    if not missing:
        return False
    stop(places)
    database = folder / "conf.db"
    if not database.exists():
        namespace.run(["ovsdb-tool", "create", str(database), _SCHEMA])
    _daemon(places, ["ovsdb-server", str(database), f"--remote=punix:{places.ovs_socket}"])
    vsctl(places, "--no-wait", "init")
    _daemon(places, ["ovs-vswitchd", f"unix:{places.ovs_socket}"])
    words: list[str] = []
    for bridge in (SWITCH, MANAGEMENT_BRIDGE):
        words += ["--", "--may-exist", "add-br", bridge]
        words += ["--", "set", "bridge", bridge, "datapath_type=netdev"]
    for bridge, port, peer in (
        (SWITCH, "trunk-sw", "trunk-mgmt"),
        (MANAGEMENT_BRIDGE, "trunk-mgmt", "trunk-sw"),
    ):
        words += ["--", "--may-exist", "add-port", bridge, port]
        words += ["--", "set", "interface", port, "type=patch", f"options:peer={peer}"]
    vsctl(places, *words)
    return True


def stop(places: Places) -> None:
    """End both daemons, if they run."""
    for daemon in _DAEMONS:
        end(places.ovs / f"{daemon}.pid", signal.SIGTERM)


def plug(places: Places, rack: Rack) -> None:
    """Give every cabled NIC its tap and switch port (or place in a LAG), the others a tap."""
    there = set(_interfaces(places))
    words: list[str] = []
    for machine in rack.machines:
        bundled = {number for lag in machine.lags for number in lag.nics}
        for number, nic in enumerate(machine.nics):
            tap = tap_name(machine, number)
            if tap not in there:
                _add_tap(places, tap)
            port = cables.port_now(places.machine(machine), number, nic)
            if port and number not in bundled:
                words += port_words(tap, port)
        for lag in machine.lags:
            words += _bundle(machine, lag)
    if words:
        vsctl(places, *words)


def _add_tap(places: Places, tap: str) -> None:
    """Make the switch's end of a cable, which must be no host's end.

    The kernel would answer ARP on it for the management node's addresses, which are in this
    namespace, too: machines would then talk to the tap, on whichever VLAN they are, past
    the switch.
    """
    ip = ["ip", "-n", places.namespace]
    namespace.run([*ip, "tuntap", "add", tap, "mode", "tap"])
    namespace.run([*ip, "link", "set", tap, "addrgenmode", "none"])
    namespace.run([*ip, "link", "set", tap, "arp", "off", "up"])


def port_words(tap: str, port: SwitchPort) -> list[str]:
    """Open vSwitch's words for one port, whatever it was before."""
    return [
        *("--", "--may-exist", "add-port", SWITCH, tap),
        *("--", "clear", "port", tap, "vlan_mode", "tag", "trunks"),
        *("--", "set", "port", tap, *port_settings(port)),
    ]


def _bundle(machine: Machine, lag: Lag) -> list[str]:
    """Open vSwitch's words for a LAG: LACP, and one port alone while the machine says none."""
    taps = [tap_name(machine, number) for number in lag.nics]
    name, port = lag_name(machine, lag), machine.nics[lag.nics[0]].port
    settings = port_settings(port) if port else []
    return [
        *("--", "--may-exist", "add-bond", SWITCH, name, *taps),
        *("--", "set", "port", name, *settings, "lacp=active", "bond_mode=balance-slb"),
        # Fast: a member that falls silent is left out after 3 s instead of 90.
        *("other_config:lacp-fallback-ab=true", "other_config:lacp-time=fast"),
        f"other_config:bond-primary={taps[0]}",
    ]


def lag_name(machine: Machine, lag: Lag) -> str:
    """The LAG's name on the switch, by its first NIC."""
    return f"{machine.name}-lag{lag.nics[0]}"


def port_settings(port: SwitchPort) -> list[str]:
    """Open vSwitch's columns for a port: access, trunk, or trunk with a native VLAN."""
    if not port.tagged:
        return ["vlan_mode=access", f"tag={port.untagged}"]
    tagged = ",".join(map(str, port.tagged))
    if port.untagged is None:
        return ["vlan_mode=trunk", f"trunks={tagged}"]
    return ["vlan_mode=native-untagged", f"tag={port.untagged}", f"trunks={port.untagged},{tagged}"]


def vsctl(places: Places, *words: str) -> str:
    """Run ``ovs-vsctl`` against this lab's switch."""
    return namespace.run(["ovs-vsctl", "--timeout=10", f"--db=unix:{places.ovs_socket}", *words])


def _interfaces(places: Places) -> list[str]:
    lines = namespace.run(["ip", "-n", places.namespace, "-o", "link", "show"]).splitlines()
    return [line.split(":")[1].strip().partition("@")[0] for line in lines]


def _environment(folder: Path) -> Mapping[str, str]:
    return {key: str(folder) for key in ("OVS_RUNDIR", "OVS_LOGDIR", "OVS_DBDIR")}


def _daemon(places: Places, command: Sequence[str]) -> None:
    """Start a daemon in the namespace; it returns once it is ready."""
    name, folder = command[0], places.ovs
    options = [
        f"--pidfile={folder / name}.pid",
        f"--log-file={folder / name}.log",
        f"--unixctl={folder / name}.ctl",
        "--detach",
        "--no-chdir",
    ]
    namespace.run(namespace.inside(places.namespace, [*command, *options]), **_environment(folder))
