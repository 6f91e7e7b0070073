"""``python -m bench.write_ours TARGET MANIFEST URL``: Rackhand's writer, alone and timed.

Prints the seconds from the first request until the data is on the target: the image's
stream fetched over HTTP, its SHA-256 checked, unpacked, written into its extents, flushed.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

from rackhand.plugins.agent.image_stream import stream
from rackhand.plugins.agent.image_writer import write_image
from rackhand.plugins.agent.manifest import parse_manifest


def main() -> None:
    """Write once; the modules are loaded by then, as in the ramdisk."""
    target, manifest_file, url = sys.argv[1:]
    content = Path(manifest_file).read_bytes()
    manifest, sha256 = parse_manifest(content), str(json.loads(content)["sha256"])
    began = time.monotonic()
    fd = os.open(target, os.O_RDWR | os.O_CLOEXEC)
    try:
        head = write_image(fd, manifest, stream(url, sha256), lambda _: None)
        os.pwrite(fd, head, 0)
        os.fsync(fd)
    finally:
        os.close(fd)
    print(f"{time.monotonic() - began:.3f}")


if __name__ == "__main__":
    main()
