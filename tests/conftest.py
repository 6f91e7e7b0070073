"""Fixtures that tests of several rooms share."""

import os
import signal
from collections.abc import Iterator

import pytest
from hypothesis import settings
from ironic_process import IronicProcess

# No deadline: the machines are noisy. In CI the same examples each time: a new find
# belongs to whoever runs the tests, not to the change that happens to be looked at.
settings.register_profile("people", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "people")

# A shell's background job ignores Ctrl-C, and so would the programs that tests interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def real_ironic(tmp_path_factory: pytest.TempPathFactory) -> Iterator[IronicProcess]:
    """A real Ironic with fake hardware, one for the whole run: use names of your own."""
    process = IronicProcess(tmp_path_factory.mktemp("ironic"))
    process.create_database()
    process.start()
    try:
        yield process
    finally:
        process.stop()
