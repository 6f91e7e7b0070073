"""The whole embedded mode: prepare, start, keep, stop."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

import rackhand
from rackhand.adapters.ip_link import ensure_loopback_address
from rackhand.adapters.kernel_vlan import KernelVlans
from rackhand.adapters.openvswitch import OpenVSwitchPorts
from rackhand.model.errors import RackhandError
from rackhand.settings import NoTrunk, OpenVSwitchTrunk, Settings
from rackhand.up import services
from rackhand.up.asked import Asked
from rackhand.up.boot_files import put_boot_files
from rackhand.up.core_desk import CoreDesk
from rackhand.up.ears import Ears
from rackhand.up.engine_setup import check_account_can_read, prepare_engine
from rackhand.up.gateway import Gateway, GatewayPlace, VlanPorts
from rackhand.up.log_limits import LogLimits
from rackhand.up.notify import notify
from rackhand.up.reports import Pending, Reporter
from rackhand.up.state_dir import Account, StatePaths, account, prepare
from rackhand.up.supervisor import Supervisor


class Voice:
    """Says what happens, on the terminal and in logs/supervisor.log."""

    def __init__(self, log: Path) -> None:
        self._log = log

    def say(self, text: str) -> None:
        """Tell progress."""
        self._tell(text, sys.stdout)

    def warn(self, text: str) -> None:
        """Tell a failure."""
        self._tell(text, sys.stderr)

    def _tell(self, text: str, to: TextIO) -> None:
        print(text, file=to, flush=True)
        with self._log.open("a") as log:
            at = datetime.now(UTC).isoformat(timespec="milliseconds")
            log.write(f"{at} {text}\n")


def supervise(settings: Settings) -> int:
    """Run the embedded mode until a signal; returns the exit code.

    A failed start names the program, its log and a hint, and stops the others.
    """
    began = time.monotonic()
    paths = StatePaths(settings.state_dir)
    try:
        who = account(settings.user, settings.source)
        prepare(paths, who)
        voice = Voice(paths.logs / "supervisor.log")
        voice.say(f"state directory {paths.root}, management address {settings.http_url}")
        supervisor = Supervisor(voice.say, voice.warn)
        _stop_on_signals(supervisor)
        threads = _gateway(settings, paths, who, supervisor, voice)
        _timed(voice.say, "boot files", lambda: put_boot_files(settings, paths, who))
        _add_services(settings, paths, who, supervisor, voice)
    except RackhandError as error:
        return _failed(error)
    supervisor.watch(LogLimits(paths).keep)
    try:
        supervisor.start_all()
        if not supervisor.stopping:
            for thread in threads:
                thread.start()
            voice.say(f"Rackhand is up after {time.monotonic() - began:.1f} s: {paths.api_socket}")
            notify("READY=1")
            supervisor.run()
        code = 0
    except RackhandError as error:
        code = _failed(error)
    notify("STOPPING=1")
    voice.say("stopping …")
    began = time.monotonic()
    for thread in threads:
        thread.stop()
    supervisor.stop_all(services.CORE)
    voice.say(f"stopped after {time.monotonic() - began:.1f} s")
    return code


def _failed(error: RackhandError) -> int:
    print(f"rackhand up: {error.sentence}\n  hint: {error.hint}", file=sys.stderr, flush=True)
    return 1


def _timed(say: Callable[[str], None], what: str, work: Callable[[], None]) -> None:
    began = time.monotonic()
    work()
    say(f"{what} … ready after {time.monotonic() - began:.1f} s")


def _add_services(
    settings: Settings, paths: StatePaths, who: Account, supervisor: Supervisor, voice: Voice
) -> None:
    source = Path(rackhand.__file__).parent
    ironic = settings.ironic_env / "bin/ironic"
    check_account_can_read(who, settings.source, paths.root, Path(sys.prefix), source, ironic)
    ensure_loopback_address(settings.management_address)
    used = paths.run / "settings.toml"
    read = Path(settings.source)
    # The core reads what the supervisor read, from a place it can reach.
    used.write_bytes(read.read_bytes() if read.exists() else b"")
    used.chmod(0o640)
    os.chown(used, 0, who.gid)
    supervisor.keep(services.nginx(settings, paths, who))
    supervisor.keep(services.core(paths, who, used))

    def engine() -> None:
        conf = prepare_engine(settings, paths, who)
        supervisor.keep(services.ironic(settings, paths, who, conf))

    _timed(voice.say, "ironic's configuration and database", engine)


def _gateway(
    settings: Settings, paths: StatePaths, who: Account, supervisor: Supervisor, voice: Voice
) -> tuple[Gateway | Ears | Reporter | Asked, ...]:
    """Return the gateway and the threads that hear and speak for it, not yet started."""
    core = CoreDesk(paths.api_socket, paths.token)
    pending = Pending()
    ears = Ears(pending.add, voice.warn)
    place = GatewayPlace(
        folder=paths.gateway,
        tftp_root=paths.tftp,
        management_address=settings.management_address,
        dnsmasq_group=who.group,
        ports=_ports(settings),
    )
    return (
        Gateway(place, core, ears, supervisor, say=voice.say, warn=voice.warn),
        ears,
        Reporter(core, pending, ears.listening, voice.warn),
        Asked(core, ears.interface_of, voice.warn),
    )


def _ports(settings: Settings) -> VlanPorts | None:
    trunk = settings.trunk
    if isinstance(trunk, NoTrunk):
        return None
    if isinstance(trunk, OpenVSwitchTrunk):
        return OpenVSwitchPorts(trunk.bridge, trunk.database)
    return KernelVlans(trunk.parent)


def _stop_on_signals(supervisor: Supervisor) -> None:
    """SIGTERM and SIGINT stop; SIGHUP does nothing."""

    def stop(_number: int, _frame: object) -> None:
        supervisor.request_stop()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
