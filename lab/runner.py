"""One machine from power on to power off: POST, QEMU, and POST again after each reset.

Started by the chassis script with the power lock as file descriptor 9, so the machine counts
as on exactly while this process lives. Signals: TERM cuts the power, HUP is the reset
button, USR1 the power button (ACPI).
"""

import asyncio
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

_LOCK_FD = 9
_QMP_DEADLINE_S = 20.0
_CABLE_FILES = ("pulled", "moved")


class Runner:
    """The power-on life of the machine whose run folder is ``folder``."""

    def __init__(self, folder: Path) -> None:
        """Read how to start the machine from ``start.json``."""
        self.folder = folder
        self.start = json.loads((folder / "start.json").read_text())
        self.off = asyncio.Event()
        self.reset = asyncio.Event()
        self.qmp: asyncio.StreamWriter | None = None

    async def live(self) -> None:
        """POST and run until the power goes off."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self.off.set)
        loop.add_signal_handler(signal.SIGHUP, self.reset.set)
        loop.add_signal_handler(signal.SIGUSR1, self._press_power_button)
        while not self.off.is_set():
            self.reset.clear()
            self._say("post")
            if await self._first_of(self.off, self.reset, timeout_s=self.start["post_s"]):
                continue
            if not await self._run_once():
                break

    async def _run_once(self) -> bool:
        """Run QEMU once; tells whether the machine restarts (rather than powering off)."""
        command = self.start["commands"][self._take_boot_device()]
        # setpriv: QEMU must not outlive this process, whatever kills it.
        process = await asyncio.create_subprocess_exec(
            *("setpriv", "--pdeathsig", "KILL", *command), stdin=asyncio.subprocess.DEVNULL
        )
        try:
            reader = await self._connect(process)
            guest_reset = asyncio.Event()
            watcher = asyncio.create_task(self._watch(reader, guest_reset))
            self._say("running")
            exited = asyncio.create_task(process.wait())
            stops = [asyncio.create_task(e.wait()) for e in (self.off, self.reset)]
            await asyncio.wait([exited, *stops], return_when=asyncio.FIRST_COMPLETED)
            if exited.done():
                await watcher
            for task in (watcher, *stops):
                task.cancel()
            return self.reset.is_set() or guest_reset.is_set()
        finally:
            self.qmp = None
            if process.returncode is None:
                process.kill()
            await process.wait()

    async def _connect(self, process: asyncio.subprocess.Process) -> asyncio.StreamReader:
        """Open QMP, pull the cables that are pulled, let the processors go."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + _QMP_DEADLINE_S
        while True:
            try:
                reader, self.qmp = await asyncio.open_unix_connection(self.folder / "qmp.sock")
                break
            except OSError:
                if process.returncode is not None or loop.time() > deadline:
                    raise
                await asyncio.sleep(0.02)
        self._command("qmp_capabilities")
        pulled, moved = ({f.stem for f in self.folder.glob(f"nic*.{w}")} for w in _CABLE_FILES)
        for nic in pulled | ({*self.start["uncabled"]} - moved):
            self._command("set_link", name=nic, up=False)
        self._command("cont")
        return reader

    async def _watch(self, reader: asyncio.StreamReader, guest_reset: asyncio.Event) -> None:
        while line := await reader.readline():
            message = json.loads(line)
            if "error" in message:
                self._log(f"QMP error: {message['error']}")
            if message.get("event") == "POWERDOWN":
                self._log("power button pressed")
            if message.get("event") == "SHUTDOWN":
                self._log(f"shutdown: {message['data']}")
                if message["data"].get("reason") == "guest-reset":
                    guest_reset.set()

    def _command(self, command: str, /, **arguments: Any) -> None:
        if self.qmp:
            self.qmp.write(
                json.dumps({"execute": command, "arguments": arguments}).encode() + b"\n"
            )

    def _press_power_button(self) -> None:
        # During POST nobody listens to the button, as on a real server.
        self._command("system_powerdown")

    def _take_boot_device(self) -> str:
        """The boot flag is one shot: used by this boot, then the disk is first again."""
        flag = self.folder / "boot"
        wanted = flag.read_text().strip() if flag.exists() else ""
        flag.unlink(missing_ok=True)
        self._log(f"boot flag {wanted or 'none'}")
        return "network" if wanted == "pxe" else "disk"

    async def _first_of(self, *events: asyncio.Event, timeout_s: float) -> bool:
        tasks = [asyncio.create_task(e.wait()) for e in events]
        done, waiting = await asyncio.wait(
            tasks, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED
        )
        for task in waiting:
            task.cancel()
        return bool(done)

    def _say(self, state: str) -> None:
        self._log(state)
        (self.folder / "state").write_text(state + "\n")

    @staticmethod
    def _log(text: str) -> None:
        print(text, flush=True)


def main() -> None:
    """``python -m lab.runner FOLDER``."""
    # ipmi_sim leaves its sockets open in its children; they must not survive it here.
    os.closerange(3, _LOCK_FD)
    os.closerange(_LOCK_FD + 1, 1024)
    asyncio.run(Runner(Path(sys.argv[1])).live())


if __name__ == "__main__":
    main()
