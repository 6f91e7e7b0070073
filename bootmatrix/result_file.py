"""The result beside the image: read before a run, kept anew after each trial."""

from __future__ import annotations

import os
from pathlib import Path

from bootmatrix.errors import MatrixError
from bootmatrix.places import RESULT
from rackhand.model.boot_matrix import BootMatrix
from rackhand.model.errors import InvalidFile
from rackhand.render.boot_matrix import boot_matrix_json, parse_boot_matrix


def read_result(folder: Path) -> BootMatrix | None:
    """Return what an earlier run kept, None if there was none; never written over unread."""
    file = folder / RESULT
    try:
        return parse_boot_matrix(file.read_text())
    except FileNotFoundError:
        return None
    except (InvalidFile, UnicodeDecodeError) as error:
        raise MatrixError(f"{file}: {error}", "move it away; a new one is written") from error


def keep_result(folder: Path, matrix: BootMatrix) -> None:
    """Put the result in its place as a whole, or not at all."""
    half = folder / f".{RESULT}.{os.getpid()}"
    try:
        with half.open("w") as file:
            file.write(boot_matrix_json(matrix))
            file.flush()
            os.fsync(file.fileno())
        half.replace(folder / RESULT)
    finally:
        half.unlink(missing_ok=True)
