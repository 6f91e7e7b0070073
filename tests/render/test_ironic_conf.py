"""The rendered configuration against the options that this Ironic really has."""

import json
import subprocess
from dataclasses import replace
from pathlib import Path, PurePosixPath

import pytest
from ironic_process import ENVIRONMENT, settings_in

from rackhand.model.errors import InvalidValue
from rackhand.render.ironic_conf import ironic_conf

# Reads the file as Ironic does and prints every value; unknown names fail.
_READ = """
import configparser, json, sys
import oslo_concurrency.lockutils, oslo_log.log
from ironic.conf import CONF
from oslo_db.options import database_opts
from oslo_messaging.notify.notifier import _notifier_opts
oslo_log.log.register_options(CONF)
CONF.register_opts(database_opts, "database")
CONF.register_opts(_notifier_opts, "oslo_messaging_notifications")
CONF([], project="ironic", default_config_files=[sys.argv[1]], default_config_dirs=[])
raw = configparser.RawConfigParser(default_section="none")
raw.read(sys.argv[1])
print(json.dumps({
    f"{section}.{name}": str(
        getattr(CONF, name) if section == "DEFAULT" else getattr(getattr(CONF, section), name)
    )
    for section in raw.sections() for name in raw[section]
}))
"""


def _read_by_ironic(path: Path) -> dict[str, str]:
    done = subprocess.run(
        [ENVIRONMENT / "bin/python", "-W", "ignore", "-c", _READ, path],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    values: dict[str, str] = json.loads(done.stdout)
    return values


def test_ironic_knows_every_option_and_reads_it_as_meant(tmp_path: Path) -> None:
    script = PurePosixPath(tmp_path / "boot.ipxe")
    settings = replace(settings_in(tmp_path), http_url="http://127.0.0.1:80/$x", boot_script=script)
    path = tmp_path / "ironic.conf"
    path.write_text(ironic_conf(settings))
    values = _read_by_ironic(path)
    assert values["deploy.http_url"] == "http://127.0.0.1:80/$x"
    assert values["pxe.ipxe_boot_script"] == str(script)
    assert values["api.unix_socket"] == str(settings.unix_socket)
    assert int(values["api.unix_socket_mode"]) == 0o600
    types = "['rackhand-ipmi', 'rackhand-discovery', 'rackhand-fake']"
    assert values["DEFAULT.enabled_hardware_types"] == types
    assert values["conductor.deploy_kernel"] == f"file://{tmp_path}/http/ramdisk/kernel"
    assert "ipa-insecure=1" in values["pxe.kernel_append_params"]


def test_the_start_up_sweep_covers_all_that_can_be_in_flight(tmp_path: Path) -> None:
    text = ironic_conf(replace(settings_in(tmp_path), deploys_in_flight=200))
    options = dict(line.split(" = ", 1) for line in text.splitlines() if " = " in line)
    assert int(options["max_concurrent_deploy"]) == 200
    assert int(options["periodic_max_workers"]) > 2 * 200
    assert int(options["workers_pool_size"]) > int(options["periodic_max_workers"])


def test_without_fake_hardware_nothing_fake_is_enabled(tmp_path: Path) -> None:
    assert "fake" not in ironic_conf(replace(settings_in(Path("/x")), with_fake_hardware=False))


@pytest.mark.parametrize(
    "change",
    [
        {"http_url": "http://x/\nauth_strategy = none"},
        {"tftp_root": PurePosixPath("tftp")},
    ],
)
def test_values_that_a_file_cannot_hold_are_refused(tmp_path: Path, change: dict[str, str]) -> None:
    with pytest.raises(InvalidValue):
        ironic_conf(replace(settings_in(tmp_path), **change))  # type: ignore[arg-type]
