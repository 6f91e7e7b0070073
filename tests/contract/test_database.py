"""What the database file promises beyond the port: durability, upgrades, honest failures."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import pytest
import sample_nouns as sample
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy.dialects import mysql, postgresql
from sqlalchemy.schema import CreateIndex, CreateTable

from rackhand.adapters.database import schema, tables
from rackhand.adapters.database.sqlite import sqlite_engine
from rackhand.adapters.database.store import open_store
from rackhand.model.errors import StoreBroken

WRITER = """
import sys
from pathlib import Path
from uuid import uuid4
from rackhand.adapters.database.store import open_store
from rackhand.model.network import Zone

store = open_store(Path(sys.argv[1]))
while True:
    zone = Zone(uuid4(), uuid4().hex)
    with store.transaction() as session:
        session.zones.add(zone)
    print(zone.id, flush=True)
"""

REBUILDS_MACHINES = """
import sqlalchemy as sa
from alembic import op

revision, down_revision, branch_labels, depends_on = "9999", "{head}", None, None


def upgrade():
    with op.batch_alter_table("machines", recreate="always") as machines:
        machines.add_column(sa.Column("rack", sa.String(63), nullable=False, server_default="r1"))
    {then}
"""


_ID, _MAC = "00000000-0000-0000-0000-00000000000", "52:54:00:00:00:01"
_WHEN = "2026-01-01T12:00:00.000000+00:00"
_HINT = (
    '{"serial":null,"wwn":null,"model":null,"size_min_bytes":null,"size_max_bytes":null,'
    '"rotational":null,"smallest":false}'
)
_SPEC = (
    '{"flavor":"f","image":"i","hostname":"HOST","networks":[{"network":"front","address":null}],'
    f'"ssh_keys":[],"root_password_hash":null,"disk":{_HINT},"zone":null}}'
)
_DISK = (
    '{"name":"/dev/sda","size_bytes":1,"transport":"sata","model":null,"vendor":null,'
    '"serial":"S","wwn":null,"rotational":null,"removable":false,"read_only":false,'
    '"by_path":null}'
)
_PLACEMENT = (
    f'{{"machine_id":"{_ID}2","machine":"n1","assignments":[{{"mac":"{_MAC}","network":"front",'
    f'"address":"10.0.0.20","vlan_tag":null}}],"disk":{_DISK}}}'
)
OF_THE_FIRST_VERSION = f"""
INSERT INTO networks VALUES ('{_ID}1', 'front', 'z', 100, '10.0.0.0/24', '10.0.0.1',
  '[{{"first":"10.0.0.20","last":"10.0.0.99"}}]', NULL, '[]', '[]', 1500, 1);
INSERT INTO machines VALUES ('{_ID}2', 'n1', 'z', '10.1.0.1', 623, 'admin',
  '[{{"mac":"{_MAC}","vlan":100,"tagged":[],"boot":true}}]', NULL, NULL, NULL, 1, 1);
INSERT INTO machine_macs VALUES ('{_MAC}', '{_ID}2');
INSERT INTO leases VALUES ('{_ID}3', 'web', 'web', 'web', '{_SPEC.replace("HOST", "web")}',
  '{_WHEN}', 'active', 'active', '{_PLACEMENT}', '[]', NULL, NULL, 0, 1);
INSERT INTO leases VALUES ('{_ID}4', 'waiting', 'waiting', 'w', '{_SPEC.replace("HOST", "w")}',
  '{_WHEN}', 'active', 'requested', NULL, '[]', NULL, NULL, 0, 1);
INSERT INTO reservations VALUES ('front', '10.0.0.20', '{_MAC}', '{_ID}2', '{_ID}3');
UPDATE machines SET hardware = '{{"vcpus":1,"memory_mib":1,"architecture":"x","firmware":"bios",
  "vendor":null,"model":null,"serial":null,"cpu_model":null,"nics":[],"pci":[],
  "disks":[{_DISK}]}}';
INSERT INTO flavors (id, name, vcpus, memory_mib, architecture, properties, disk, generation)
  VALUES ('{_ID}5', 'small', 1, 1, 'x', '{{}}', '{_HINT}', 1);
INSERT INTO images VALUES ('{_ID}6', 'i', 'a', 'b', 1, 1, 1, 1, 'debian', '12', 'x', '["bios"]',
  NULL, '{_WHEN}', 1, 1);
"""  # noqa: S608


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "rackhand.db"


@pytest.fixture
def newer(tmp_path: Path) -> Path:
    """Our migrations, to which a test adds one more."""
    copy = tmp_path / "migrations"
    shutil.copytree(schema.MIGRATIONS, copy)
    return copy


def add_migration(migrations: Path, then: str = "") -> None:
    head = max(path.name for path in (migrations / "versions").glob("v*.py"))[1:5]
    text = REBUILDS_MACHINES.format(head=head, then=then)
    (migrations / "versions" / "v9999_next.py").write_text(text)


class TestDurability:
    def test_kill_9_loses_no_row_that_was_committed(self, path: Path) -> None:
        with subprocess.Popen(
            [sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True
        ) as writer:
            assert writer.stdout is not None
            printed = [writer.stdout.readline().strip() for _ in range(150)]
            os.kill(writer.pid, signal.SIGKILL)
            # The rest of the pipe; the kill may have cut the last line short.
            printed += [line for line in writer.stdout.read().split("\n") if len(line) == 36]
        store = open_store(path)
        with store.transaction() as session:
            stored = {zone.id for zone in session.zones.all()}
        store.close()
        assert len(printed) >= 150
        assert {UUID(line) for line in printed} <= stored

    def test_each_commit_is_synced_and_waits_its_turn(self, path: Path) -> None:
        engine = sqlite_engine(path)
        with engine.connect() as connection:
            found = {
                name: connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()
                for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
            }
        engine.dispose()
        assert found == {
            "journal_mode": "wal",
            "synchronous": 2,
            "foreign_keys": 1,
            "busy_timeout": 30_000,
        }

    def test_two_processes_that_read_and_then_write_lose_no_change(self, path: Path) -> None:
        stores = [open_store(path), open_store(path)]
        with stores[0].transaction() as session:
            session.zones.add(sample.zone())

        def change(number: int) -> None:
            with stores[number % 2].transaction() as session:
                read = session.zones.find("zone-1")
                session.zones.replace(replace(read, description=str(number)))

        with ThreadPoolExecutor(2) as pool:
            list(pool.map(change, range(60)))
        with stores[0].transaction() as session:
            assert session.zones.find("zone-1").generation == 61
        for store in stores:
            store.close()

    def test_a_lock_from_outside_is_waited_for(self, path: Path) -> None:
        store = open_store(path)
        outside = sqlite3.connect(path, isolation_level=None)
        outside.execute("BEGIN IMMEDIATE")

        def write() -> None:
            with store.transaction() as session:
                session.zones.add(sample.zone())

        with ThreadPoolExecutor(1) as pool:
            written = pool.submit(write)
            with pytest.raises(TimeoutError):
                written.result(timeout=0.3)
            outside.execute("COMMIT")
            written.result(timeout=10)
        outside.close()
        store.close()


def test_only_the_owner_may_read_the_file(path: Path) -> None:
    before = os.umask(0o022)
    try:
        path.touch(mode=0o644)
        store = open_store(path)
        with store.transaction() as session:
            session.zones.add(sample.zone())
        modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}
        store.close()
    finally:
        os.umask(before)
    assert modes == dict.fromkeys((path.name, f"{path.name}-wal", f"{path.name}-shm"), 384)


class TestMigrations:
    def test_they_make_the_tables_that_the_code_uses(self, path: Path) -> None:
        open_store(path).close()
        engine = sqlite_engine(path)
        with engine.connect() as connection:
            context = MigrationContext.configure(connection, opts={"compare_type": True})
            difference = compare_metadata(context, tables.metadata)
            made = set(connection.exec_driver_sql("SELECT sql FROM sqlite_master").scalars())
        engine.dispose()
        assert difference == []
        # Alembic does not compare primary keys and autoincrement: two files must be alike.
        fresh = sa.create_engine("sqlite://")
        tables.metadata.create_all(fresh)
        with fresh.connect() as connection:
            wanted = set(connection.exec_driver_sql("SELECT sql FROM sqlite_master").scalars())
        assert {_plain(sql) for sql in wanted} == {
            _plain(sql) for sql in made if not (sql and "alembic_version" in sql)
        }

    def test_an_older_file_keeps_its_data(self, path: Path, newer: Path) -> None:
        machine, lease = sample.machine(), sample.lease()
        store = open_store(path)
        with store.transaction() as session:
            session.machines.add(machine)
            session.leases.add(lease)
        store.close()
        add_migration(newer)
        schema.upgrade(path, newer)
        with sqlite3.connect(path) as connection:
            assert connection.execute("SELECT name, rack FROM machines").fetchall() == [
                ("machine-1", "r1")
            ]
            macs = connection.execute("SELECT mac FROM machine_macs ORDER BY mac").fetchall()
            assert macs == [(wire.mac,) for wire in machine.wires]
            assert connection.execute("SELECT name FROM leases").fetchall() == [("lease-1",)]
        connection.close()

    def test_a_file_of_the_first_version_is_read_by_this_one(
        self, path: Path, tmp_path: Path
    ) -> None:
        first = tmp_path / "first"
        shutil.copytree(schema.MIGRATIONS, first)
        for later in (first / "versions").glob("v*.py"):
            if not later.name.startswith("v0001"):
                later.unlink()
        schema.upgrade(path, first)
        with sqlite3.connect(path) as connection:
            connection.executescript(OF_THE_FIRST_VERSION)
        connection.close()
        store = open_store(path)
        with store.transaction() as session:
            network = session.networks.find("front")
            assert (network.mtu, network.routes, network.subnet_v6) == (1500, (), None)
            (wire,) = session.machines.find("n1").wires
            assert (wire.vlan, wire.group) == (100, None)
            lease = session.leases.find("web")
            assert lease.spec.bonds == ()
            assert lease.placement is not None
            assert str(lease.placement.deploy_nic.address) == "10.0.0.20"
            assert [str(held.address) for held in session.reservations.all()] == ["10.0.0.20"]
            assert session.leases.find("waiting").placement is None
            assert (lease.placement.disk.slot, lease.placement.disk.content) == (None, None)
            hardware = session.machines.find("n1").hardware
            assert hardware is not None
            assert (hardware.disks[0].expanders, hardware.hbas) == (0, ())
            assert session.flavors.find("small").disk.exclude == lease.spec.disk.exclude == ()
            image = session.images.find("i")
            assert (image.ready, image.retired_at, image.boot_matrix) == (True, None, None)
        store.close()

    @pytest.mark.parametrize(
        ("then", "error"),
        [
            ("raise KeyError('half way')", KeyError),
            ("op.execute('DELETE FROM machines')", StoreBroken),
        ],
        ids=["raises", "leaves rows that refer to nothing"],
    )
    def test_one_that_fails_changes_nothing(
        self, path: Path, newer: Path, then: str, error: type[Exception]
    ) -> None:
        machine = sample.machine()
        store = open_store(path)
        with store.transaction() as session:
            session.machines.add(machine)
        store.close()
        add_migration(newer, then)
        with pytest.raises(error):
            schema.upgrade(path, newer)
        store = open_store(path)
        with store.transaction() as session:
            assert list(session.machines.all()) == [machine]
        store.close()

    def test_a_newer_file_is_left_alone(self, path: Path, newer: Path) -> None:
        add_migration(newer)
        schema.upgrade(path, newer)
        with pytest.raises(StoreBroken, match="9999"):
            open_store(path)

    @pytest.mark.parametrize("dialect", [mysql.dialect(), postgresql.dialect()], ids=str)
    def test_other_databases_take_the_tables_too(self, dialect: sa.Dialect) -> None:
        for table in tables.metadata.sorted_tables:
            assert str(CreateTable(table).compile(dialect=dialect))
            for index in table.indexes:
                assert str(CreateIndex(index).compile(dialect=dialect))


class TestFailures:
    def test_a_file_that_is_no_database(self, path: Path) -> None:
        path.write_bytes(b"no database at all" * 1000)
        with pytest.raises(StoreBroken, match="not a database"):
            open_store(path)

    def test_a_directory_that_is_not_there(self, tmp_path: Path) -> None:
        with pytest.raises(StoreBroken, match="No such file"):
            open_store(tmp_path / "nowhere" / "rackhand.db")

    def test_a_broken_database_never_looks_like_nothing_found(self, path: Path) -> None:
        store = open_store(path)
        with sqlite3.connect(path) as connection:
            connection.execute("DROP TABLE leases")
        connection.close()
        with pytest.raises(StoreBroken, match="no such table"), store.transaction() as session:
            session.leases.find("web")
        with pytest.raises(StoreBroken) as caught, store.transaction() as session:
            session.leases.add(sample.lease())
        assert "secret-hash" not in f"{caught.value} {caught.value.__cause__}"
        with store.transaction() as session:
            session.zones.add(sample.zone())
        store.close()

    def test_a_scrubbed_hash_is_in_no_file_any_more(self, path: Path) -> None:
        store, lease = open_store(path), sample.lease()
        assert lease.spec.root_password_hash
        with store.transaction() as session:
            session.leases.add(lease)
        assert _files_with(path, lease.spec.root_password_hash) == [f"{path.name}-wal"]
        scrubbed = replace(lease, spec=replace(lease.spec, root_password_hash=None))
        with store.transaction() as session:
            session.leases.replace(scrubbed)
        assert _files_with(path, lease.spec.root_password_hash) == []
        store.close()

    def test_a_row_that_makes_no_sense_is_named(self, path: Path) -> None:
        store = open_store(path)
        machine = sample.machine()
        with store.transaction() as session:
            session.machines.add(machine)
        with sqlite3.connect(path) as connection:
            connection.execute("UPDATE machines SET wires = '[{}]'")
        connection.close()
        with (
            pytest.raises(StoreBroken, match=f"machine {machine.id} cannot be read"),
            store.transaction() as session,
        ):
            session.machines.find("machine-1")
        store.close()


def _files_with(path: Path, secret: str) -> list[str]:
    files = sorted(path.parent.glob(f"{path.name}*"))
    return [file.name for file in files if secret.encode() in file.read_bytes()]


def _plain(sql: str | None) -> str:
    """One table's SQL with its clauses in no order, as migrations may add them in another."""
    return " ".join(sorted((sql or "").replace(",", " , ").replace('"', "").split()))
