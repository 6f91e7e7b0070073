"""Fixtures that tests of several rooms share."""

from collections.abc import Iterator

import pytest
from ironic_process import IronicProcess


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
