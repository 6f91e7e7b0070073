"""The state directory: where everything is, and who may read and write it."""

from __future__ import annotations

import fcntl
import grp
import os
import pwd
import secrets
import shutil
from dataclasses import dataclass
from pathlib import Path

from rackhand.model.errors import CallFailed, WrongState
from rackhand.settings import InvalidSetting


@dataclass(frozen=True, slots=True)
class StatePaths:
    """Names of everything in a state directory (docs/architecture.md draws it)."""

    root: Path

    @property
    def token(self) -> Path:
        """The administrator's token."""
        return self.root / "admin.token"

    @property
    def database(self) -> Path:
        """The intentions."""
        return self.root / "rackhand.db"

    @property
    def api_socket(self) -> Path:
        """Where the REST API listens."""
        return self.root / "api.sock"

    @property
    def ironic(self) -> Path:
        """Ironic's own folder."""
        return self.root / "ironic"

    @property
    def ironic_socket(self) -> Path:
        """Where Ironic's API listens."""
        return self.ironic / "ironic.sock"

    @property
    def deploy_logs(self) -> Path:
        """The ramdisk's logs, as Ironic keeps them."""
        return self.ironic / "deploy-logs"

    @property
    def http(self) -> Path:
        """nginx's root."""
        return self.root / "http"

    @property
    def ramdisk(self) -> Path:
        """The deploy ramdisk's kernel and initramfs."""
        return self.http / "ramdisk"

    @property
    def images(self) -> Path:
        """Image content by digest."""
        return self.http / "images"

    @property
    def tftp(self) -> Path:
        """The boot loaders for firmware that is not iPXE."""
        return self.root / "tftp"

    @property
    def gateway(self) -> Path:
        """One folder per VLAN for its dnsmasq."""
        return self.root / "gateway"

    @property
    def logs(self) -> Path:
        """One log per child."""
        return self.root / "logs"

    @property
    def access_log(self) -> Path:
        """What machines fetched (JSON lines)."""
        return self.logs / "nginx-access.jsonl"

    @property
    def run(self) -> Path:
        """Generated configuration and pid files."""
        return self.root / "run"


@dataclass(frozen=True, slots=True)
class Account:
    """The unprivileged account the services run as."""

    name: str
    group: str
    uid: int
    gid: int


def account(name: str, source: str) -> Account:
    """Return the account ``name``; InvalidSetting when the machine has none."""
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        raise InvalidSetting(
            source,
            "user",
            name,
            "is no account of this machine",
            f"useradd --system --user-group --no-create-home {name}  (script/bootstrap does it)",
        ) from None
    group = grp.getgrgid(entry.pw_gid).gr_name
    return Account(name, group, entry.pw_uid, entry.pw_gid)


def prepare(paths: StatePaths, who: Account) -> None:
    """Create the folders, or give them back their owners and modes; make the token once.

    What root's programs read is root's, in folders where the services can add files
    but rename none of root's (sticky): a service that was taken over gains nothing.
    """
    folders = (
        (paths.root, 0, 0o1770),
        (paths.ironic, who.uid, 0o710),
        (paths.http, 0, 0o1770),
        (paths.ramdisk, 0, 0o750),
        (paths.images, who.uid, 0o750),
        (paths.tftp, 0, 0o750),
        (paths.gateway, 0, 0o750),
        (paths.logs, 0, 0o750),
        (paths.run, 0, 0o750),
    )
    for folder, owner, mode in folders:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            os.chown(folder, owner, who.gid, follow_symlinks=False)
            folder.chmod(mode)
        except OSError as error:
            raise CallFailed(
                f"state directory: {folder} cannot be made ready: {error}",
                "run as root, on a filesystem that keeps owners and modes",
            ) from error
    # The core reads what nginx, which is started as root, writes.
    log = os.open(paths.access_log, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW, 0o640)
    os.fchown(log, 0, who.gid)
    os.close(log)
    if not paths.token.exists():
        _write_token(paths.token, who)


def _write_token(path: Path, who: Account) -> None:
    """Write a token of 256 random bits in one step, readable by the core only."""
    fresh = path.with_name(".admin.token.new")
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(secrets.token_urlsafe(32) + "\n")
        os.fchown(file.fileno(), who.uid, who.gid)
        os.fsync(file.fileno())
    fresh.rename(path)


def take_lock(paths: StatePaths) -> int:
    """Make this process the one supervisor of the state directory.

    Returns the descriptor that holds the lock; it is let go when its last process
    ends, however it ends. WrongState names the process that holds it.
    """
    paths.run.mkdir(parents=True, exist_ok=True)
    path = paths.run / "up.pid"
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o640)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.read(descriptor, 32).decode().strip() or "unknown"
        os.close(descriptor)
        raise WrongState(
            f"state directory {paths.root} is already served by `rackhand up`, process {holder}",
            f"stop that one first (kill {holder}), or name another directory with --state",
        ) from None
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    return descriptor


def copy_if_changed(source: Path, target: Path, owner: tuple[int, int], mode: int) -> bool:
    """Copy a file in one step unless size and time are equal; True when it was copied.

    A copy, not a hard link: Ironic may link only what its own account owns
    (fs.protected_hardlinks), and the source stays as it is.
    """
    wanted = source.stat()
    if target.exists():
        found = target.stat()
        if (found.st_size, found.st_mtime_ns) == (wanted.st_size, wanted.st_mtime_ns):
            return False
    fresh = target.with_name(f".{target.name}.new")
    shutil.copyfile(source, fresh)
    os.chown(fresh, *owner)
    fresh.chmod(mode)
    os.utime(fresh, ns=(wanted.st_atime_ns, wanted.st_mtime_ns))
    fresh.rename(target)
    return True
