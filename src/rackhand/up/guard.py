"""Two processes for one supervisor, so that its end is the end of everything.

    rackhand up (guard)          keeps the lock, forwards signals, gives the exit code
    └── supervisor               first process of a PID namespace of its own
        └── ironic, core, …

When the supervisor dies, however it does, the kernel kills its whole namespace
(pid_namespaces(7)); when the guard dies, the kernel kills the supervisor. So
kill -9 of either leaves nothing behind.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Callable

CLONE_NEWPID = 0x20000000
PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36


def run_guarded(supervise: Callable[[], int]) -> int:
    """Run ``supervise`` in the supervisor process; returns its exit code.

    Where a namespace may not be made (a service without CAP_SYS_ADMIN) the children
    are still tied to the supervisor, except those that change their user themselves
    (dnsmasq, nginx's workers) or have children: there, systemd's control group must
    end those. Call it with one thread only.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    libc.unshare(CLONE_NEWPID)
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child == 0:
        # A session of its own: Ctrl-C reaches the guard only, which forwards it.
        os.setsid()
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        code = 1
        try:
            code = supervise()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
    return _wait(child)


def _wait(child: int) -> int:
    def forward(_number: int, _frame: object) -> None:
        os.kill(child, signal.SIGTERM)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, forward)
    # A terminal that goes away is no reason to stop serving machines.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        name = signal.Signals(os.WTERMSIG(status)).name
        print(f"rackhand up: the supervisor was ended by {name}", file=sys.stderr)
    return abs(os.waitstatus_to_exitcode(status))
