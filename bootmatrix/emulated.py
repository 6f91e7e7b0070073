"""One emulated machine: its QEMU words, and its process while a block runs."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bootmatrix.errors import MatrixError
from lab.preconditions import has_kvm
from lab.qemu import OVMF_VARS, accelerator_words, uefi_words
from lab.rack import Firmware

_PROGRAM = "qemu-system-x86_64"


@dataclass(frozen=True)
class Emulated:
    """A machine that runs: what its serial line printed, and whether it is still on."""

    console: Path
    _process: subprocess.Popen[bytes]

    def text(self) -> str:
        """All that the serial line printed so far."""
        return self.console.read_text(errors="replace") if self.console.exists() else ""

    def on(self) -> bool:
        """False once the machine has reset or switched itself off."""
        return self._process.poll() is None

    def check(self) -> None:
        """MatrixError if QEMU itself has failed (the guest's end has status 0)."""
        status = self._process.poll()
        if status:
            log = self.console.with_suffix(".qemu")
            said = log.read_text(errors="replace").strip().splitlines() or [f"status {status}"]
            raise MatrixError(f"QEMU ended: {said[-1]}", f"its command line is in {log}")


@contextmanager
def emulated(
    firmware: Firmware, words: Sequence[str], console: Path, memory_mib: int = 1024
) -> Iterator[Emulated]:
    """Run a machine with these devices; its disks get a throw-away layer, gone with it.

    ``console`` names its serial line's log; whatever else it needs lies beside that.
    """
    command = [
        _PROGRAM,
        *("-nodefaults", "-no-user-config", "-display", "none"),
        *("-machine", "q35,graphics=off", "-vga", "none"),
        *accelerator_words(has_kvm()),
        *("-smp", "2", "-m", str(memory_mib), "-no-reboot", "-boot", "strict=on", "-snapshot"),
        *("-serial", f"file:{console}"),
        *words,
    ]
    if firmware is Firmware.UEFI:
        variables = console.with_suffix(".vars")
        shutil.copyfile(OVMF_VARS, variables)
        command += uefi_words(variables)
    with console.with_suffix(".qemu").open("w+") as log:
        log.write(" ".join(command) + "\n")
        log.flush()
        # Gone with us even if we are killed; out of reach of the terminal's Ctrl-C, so that
        # whoever is interrupted stops things in order.
        process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", *command],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            env={"TMPDIR": str(console.parent), "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"},
        )
        try:
            yield Emulated(console, process)
        finally:
            process.kill()
            process.wait()


def emulator() -> str:
    """Return what emulates, as ``QEMU 7.2.22, TCG``."""
    try:
        said = subprocess.run(
            [_PROGRAM, "--version"], capture_output=True, text=True, check=True
        ).stdout
    except (OSError, subprocess.CalledProcessError) as error:
        raise MatrixError(f"{_PROGRAM} does not run: {error}", "script/bootstrap") from error
    return f"QEMU {said.split()[3]}, {'KVM' if has_kvm() else 'TCG'}"
