"""Ironic's configuration and database, before it is started."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from rackhand.model.errors import CallFailed
from rackhand.render.boot_ipxe import BOOT_SCRIPT
from rackhand.render.ironic_conf import IronicSettings, ironic_conf
from rackhand.settings import Settings
from rackhand.up.program import BASE_ENVIRONMENT, privileges
from rackhand.up.state_dir import Account, StatePaths

FOLDERS = ("deploy-logs", "tmp", "locks", "images", "certificates", "iso")


def ironic_settings(settings: Settings, paths: StatePaths) -> IronicSettings:
    """Return what Ironic's configuration is rendered from."""
    return IronicSettings(
        state_dir=PurePosixPath(paths.ironic),
        unix_socket=PurePosixPath(paths.ironic_socket),
        http_root=PurePosixPath(paths.http),
        http_url=settings.http_url,
        tftp_root=PurePosixPath(paths.ironic / "tftp"),
        boot_files_dir=PurePosixPath(paths.ramdisk),
        deploy_logs_dir=PurePosixPath(paths.deploy_logs),
        boot_script=PurePosixPath(_boot_script(paths)),
        management_address=settings.management_address,
        agent_api_url=settings.http_url,
        # nginx's workers are in the account's group.
        unix_socket_mode=0o660,
        # Room for both kinds and for what people start by hand.
        deploys_in_flight=settings.deploys_at_once + settings.ramdisks_at_once + 20,
        lldp_wait_s=settings.lldp_wait_s,
        with_fake_hardware=settings.fake_hardware,
    )


def prepare_engine(settings: Settings, paths: StatePaths, who: Account) -> Path:
    """Write ironic.conf and boot.ipxe, bring the database to this Ironic's schema.

    Returns the configuration file. CallFailed with Ironic's own words when its tool fails.
    """
    script = _boot_script(paths)
    script.write_text(BOOT_SCRIPT)
    script.chmod(0o644)
    conf = paths.run / "ironic.conf"
    conf.write_text(ironic_conf(ironic_settings(settings, paths)))
    conf.chmod(0o644)
    run_as_account(("mkdir", "-p", *(str(paths.ironic / name) for name in FOLDERS)), who)
    database = paths.ironic / "ironic.db"
    version = _ironic_version(settings.ironic_env)
    mark = paths.run / "ironic-schema"
    if database.exists() and mark.exists() and mark.read_text() == version:
        return conf
    sync = (str(settings.ironic_env / "bin/ironic-dbsync"), "--config-file", str(conf))
    if database.exists():
        run_as_account((*sync, "upgrade"), who)
    else:
        # Under another name first: a start that is killed here leaves no half schema.
        fresh = database.with_name("ironic.db.new")
        fresh.unlink(missing_ok=True)
        run_as_account(
            (*sync, "create_schema"), who, {"OS_DATABASE__CONNECTION": f"sqlite:///{fresh}"}
        )
        fresh.rename(database)
    mark.write_text(version)
    return conf


def _boot_script(paths: StatePaths) -> Path:
    # Ironic serves it under this very name.
    return paths.run / "boot.ipxe"


def _ironic_version(environment: Path) -> str:
    """Return the name of Ironic's metadata folder, which carries its version."""
    found = sorted(environment.glob("lib/python3*/site-packages/ironic-*.dist-info"))
    if not found:
        raise CallFailed(
            f"there is no Ironic in {environment}",
            "run script/bootstrap, or set ironic_env (RACKHAND_IRONIC_ENV) to its environment",
        )
    return found[-1].name


def run_as_account(
    command: tuple[str, ...], who: Account, environment: Mapping[str, str] | None = None
) -> str:
    """Run a command as the unprivileged account; returns what it printed. CallFailed."""
    done = subprocess.run(
        [*privileges(who), *command],
        env={**BASE_ENVIRONMENT, **(environment or {})},
        # The engine's database holds BMC passwords.
        umask=0o077,
        cwd="/",
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    if done.returncode != 0:
        tail = "\n".join((done.stderr or done.stdout).strip().splitlines()[-6:])
        raise CallFailed(
            f"`{' '.join(command)}` failed as user {who.name} "
            f"(exit code {done.returncode}): {tail}",
            "see the lines above; is the state directory's filesystem full or read-only?",
        )
    return done.stdout


def check_account_can_read(who: Account, source: str, *places: Path) -> None:
    """See that the account reaches the programs it shall run.

    CallFailed names the first folder in its way (a clone below /root, as a rule).
    """
    for place in places:
        if not place.exists():
            raise CallFailed(
                f"there is no {place}",
                f"script/bootstrap makes both environments; {source} may name another ironic_env",
            )
        for folder in (*reversed(place.parents), place):
            right = "-r" if folder == place else "-x"
            done = subprocess.run([*privileges(who), "test", right, str(folder)], check=False)
            if done.returncode != 0:
                raise CallFailed(
                    f"user {who.name} cannot enter {folder}, which is on the way to {place}",
                    "keep Rackhand and its state directory where other accounts can enter, e.g. "
                    f'/opt/rackhand; for a trial as root write user = "root" in {source}',
                )
