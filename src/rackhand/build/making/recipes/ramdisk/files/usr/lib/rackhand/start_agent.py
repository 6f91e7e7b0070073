"""Starts the agent once the machine's hardware is there and Ironic can be reached.

Loading the agent's modules takes seconds, so it is done while the kernel finds the
hardware and DHCP is answered; only then is waited for what is still missing. (The agent
by itself gives up at the first failed call and would have to load everything again.)
"""

import logging
import re
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from load_agent import load  # type: ignore[import-not-found]  # lies beside this file

REACHABLE_WITHIN_S = 180
_TOKEN = re.compile(r"""(agent_token['"]?\s*[=:]\s*['"]?)[^&\s'"]+""")


def hide_tokens() -> None:
    """Keep the agent's token out of every log line: consoles and logs are kept."""
    make = logging.getLogRecordFactory()

    def make_without_token(*args: Any, **kwargs: Any) -> logging.LogRecord:
        record = make(*args, **kwargs)
        if "agent_token" in record.getMessage():
            record.msg, record.args = _TOKEN.sub(r"\1***", record.getMessage()), ()
        return record

    logging.setLogRecordFactory(make_without_token)


def api_address(kernel_arguments: str) -> tuple[str, int] | None:
    """Find host and port of the first Ironic API named on the kernel's command line.

    A machine whose BMC nobody knows yet is only told where its report goes.
    """
    named = re.search(r"(?:^|\s)ipa-(?:api|inspection-callback)-url=([^,\s]+)", kernel_arguments)
    if named is None:
        return None
    url = urlsplit(named[1])
    if url.hostname is None:
        return None
    return url.hostname, url.port or (443 if url.scheme == "https" else 80)


def wait_until_reachable(address: tuple[str, int]) -> None:
    """Return once the address takes a connection, or at the deadline."""
    deadline = time.monotonic() + REACHABLE_WITHIN_S
    while time.monotonic() < deadline:
        try:
            socket.create_connection(address, timeout=3).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    say(f"{address[0]}:{address[1]} takes no connection after {REACHABLE_WITHIN_S} s")


def say(what: str) -> None:
    """Print one line for the console, with the seconds since the kernel started."""
    uptime_s = Path("/proc/uptime").read_text().split()[0]
    print(f"rackhand: {uptime_s} s after kernel start: {what}", flush=True)


def main() -> None:
    """Wait for hardware and network, then be the agent."""
    agent = load()
    say("agent loaded")
    subprocess.run(["udevadm", "settle", "--timeout=60"], check=False)
    say("hardware found")
    address = api_address(Path("/proc/cmdline").read_text())
    if address:
        wait_until_reachable(address)
        say(f"network up, {address[0]}:{address[1]} answers")
    hide_tokens()
    sys.argv[1:] = ["--config-file", "/etc/ironic-python-agent/agent.conf"]
    agent.run()


if __name__ == "__main__":
    main()
