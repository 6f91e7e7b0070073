"""The real cloud-init over the golden networks: what each renderer loses is on record.

Downloads cloud-init from Debian once (below $RACKHAND_CACHE); nothing is installed.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from feature_table import DOCUMENT, table
from measure import CASES, MEASURED, inputs, measure, plug_in, render_all, tree
from real_cloudinit import RELEASES, CloudInit, fetch

from rackhand.render.wicked import wicked_files


@pytest.fixture(scope="module", params=RELEASES)
def cloud_init(request: pytest.FixtureRequest) -> CloudInit:
    return fetch(request.param)


@pytest.fixture(scope="module")
def rendered(cloud_init: CloudInit, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("rendered")
    render_all(cloud_init, folder)
    return folder


def test_every_renderer_yields_what_the_record_says(cloud_init: CloudInit, rendered: Path) -> None:
    record = json.loads(MEASURED.read_text())
    assert cloud_init.version in record, "a new cloud-init: run tests/cloudinit/measure.py"
    assert measure(rendered) == record[cloud_init.version]


def test_ours_loses_nothing_and_the_document_tells_the_rest() -> None:
    record = json.loads(MEASURED.read_text())
    for version, measured in record.items():
        assert measured["repaired"]["wicked"] == {}, version
    assert table(record) in DOCUMENT.read_text(), "run tests/cloudinit/feature_table.py"


@pytest.mark.parametrize("case", CASES)
def test_the_plug_in_writes_the_files_of_the_pure_renderer(rendered: Path, case: str) -> None:
    _, (variant, data, names) = inputs(case)
    assert tree(rendered / variant / case / "wicked") == wicked_files(data, names)


def test_cloud_init_chooses_it_by_its_own_setting(cloud_init: CloudInit, tmp_path: Path) -> None:
    """The .pth file registers it; system_info of our cfg file puts it first."""
    plug_in(tmp_path / "root")
    script = """
import site, sys
site.addsitedir(sys.argv[1] + "/site")
from cloudinit import util
from cloudinit.net import renderers
cfg = util.read_conf_with_confd(sys.argv[1] + "/etc/cloud/cloud.cfg")
order = cfg["system_info"]["network"]["renderers"]
wicked = renderers.NAME_TO_RENDERER["wicked"]
here = wicked.available(sys.argv[1]), wicked.available("/nowhere")
# This host has no wicked, and the newest cloud-init asks about the host only.
wicked.available = lambda target=None: True
print(order, here, renderers.select(priority=order)[0], renderers.DEFAULT_PRIORITY[0])
"""
    cfg = tmp_path / "root/etc/cloud/cloud.cfg"
    cfg.write_text("system_info: {distro: sles, network: {renderers: [sysconfig]}}\n")
    (tmp_path / "root/usr/sbin/wicked").write_text("")
    done = subprocess.run(
        ["/usr/bin/python3", "-B", "-c", script, tmp_path / "root"],
        env={"PYTHONPATH": cloud_init.path},
        capture_output=True,
        text=True,
        check=False,
    )
    order = "['wicked', 'sysconfig', 'network-manager']"
    assert done.stdout == f"{order} (True, False) wicked wicked\n", done.stderr
