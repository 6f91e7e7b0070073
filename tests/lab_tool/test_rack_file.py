"""A rack file is read exactly, or refused with the line and column of every mistake."""

from pathlib import Path

import pytest
import yaml

from lab import rack_file
from lab.errors import LabError
from lab.inventory import import_file
from lab.marked_yaml import FileRefusedError
from lab.rack import DiskController, Firmware, Lag, Lun, NicModel, Rack, SwitchPort

RACKS = Path(rack_file.__file__).with_name("racks")
GOOD = """\
machines:
  - name: n1
    model: {vendor: LabCo, product: LS-100, serial: LAB0001}
    cpus: 2
    memory_mib: 3072
    firmware: bios
    post_s: 1.5
    disks:
      - {controller: ahci, size_gib: 10, serial: D1, product: SSD, wwn: "5000c50000000101"}
      - {controller: megasas, size_gib: 1, serial: D2, vendor: LabCo}
    nics:
      - {model: e1000, mac: 52:54:00:10:01:01, port: {access: 100}}
      - {model: virtio, mac: "52:54:00:10:01:02", port: {native: 100, tagged: [200, 300]}}
      - {model: e1000, mac: "52:54:00:10:01:03"}
    bmc: {index: 11, user: admin, password: "secret"}
    sensors:
      - {name: CPU Temp, kind: temperature, value: 38, upper: {critical: 85}}
      - {name: PSU1, kind: power_supply, value: 1}
    fru: {asset_tag: rack1-u11}
  - name: n2
    model: {vendor: LabCo, product: LS-100, serial: LAB0002}
    cpus: 2
    memory_mib: 3072
    disks: []
    nics: []
    bmc: {index: 12, user: admin, password: secret}
"""


def test_lags_bundle_nics_of_equal_ports() -> None:
    lags = "    lags: [{nics: [0, 2]}]\n    bmc: {index: 11"
    equal = GOOD.replace(
        'mac: "52:54:00:10:01:03"}', 'mac: "52:54:00:10:01:03", port: {access: 100}}'
    )
    machine = rack_file.parse(equal.replace("    bmc: {index: 11", lags, 1), "r").machines[0]
    assert machine.lags == (Lag((0, 2)),)
    nics = yaml.safe_load(import_file(Rack((machine,))))["machines"][0]["nics"]
    assert [nic.get("group") for nic in nics] == ["n1-lag0", None, "n1-lag0"]
    for wrong, word in (
        ("[0, 1]", "different ports"),
        ("[0, 0]", "already"),
        ("[0]", "2"),
    ):
        text = equal.replace("    bmc: {index: 11", lags.replace("[0, 2]", wrong), 1)
        with pytest.raises(FileRefusedError, match=word):
            rack_file.parse(text, "r")


def test_cabling_is_declared_as_people_believe_it_and_lldp_is_per_machine_or_port() -> None:
    text = GOOD.replace(
        '"52:54:00:10:01:02", port', '"52:54:00:10:01:02", declared: {access: 400}, port'
    ).replace("port: {access: 100}}", "port: {access: 100}, lldp: false}")
    rack = rack_file.parse(text.replace("    post_s: 1.5", "    lldp: true", 1), "r")
    nics = rack.machines[0].nics
    assert nics[1].port == SwitchPort(100, (200, 300))
    assert [nic.lldp for nic in nics] == [False, True, True]
    told = yaml.safe_load(import_file(rack))["machines"][0]["nics"]
    assert [(nic.get("vlan"), nic.get("tagged")) for nic in told] == [
        (100, None),
        (400, None),
        (None, None),
    ]
    with pytest.raises(FileRefusedError, match="true or false"):
        rack_file.parse(GOOD.replace("    post_s: 1.5", "    lldp: 3", 1), "r")


STORAGE = """\
storage:
  - name: san1
    vlan: 100
    address: 10.100.0.5/24
    target: iqn.2001-05.com.example:san1
    luns:
      - {size_gib: 2, serial: L1, vendor: SEAGATE, product: ST8000NM0075}
"""


def test_storage_hosts_are_read_or_refused_at_their_place() -> None:
    (host,) = rack_file.parse(GOOD + STORAGE, "r").storage
    assert (host.name, host.vlan, str(host.address)) == ("san1", 100, "10.100.0.5/24")
    assert host.luns == (Lun(2, "L1", "SEAGATE", "ST8000NM0075"),)
    for right, wrong, said in (
        ("iqn.2001-05.com.example:san1", "san1", "no iSCSI qualified name"),
        ("10.100.0.5/24", "10.100.0.500/24", "10.100.0.500"),
        ("name: san1", "name: n1", "name n1 is already used"),
        ("serial: L1", "serial: D1", "disk serial D1 is already used"),
        ("serial: L1", "serial: 'L,1'", "has a comma"),
        ("vlan: 100", "vlan: 0", "vlan is 0"),
        ("    target", "    goal", "unknown key"),
    ):
        with pytest.raises(FileRefusedError, match=said):
            rack_file.parse(GOOD + STORAGE.replace(right, wrong), "r")


def test_good_file_becomes_the_rack_it_describes() -> None:
    n1, n2 = rack_file.parse(GOOD, "rack.yaml").machines
    assert (n1.name, n1.cpus, n1.memory_mib, n1.post_s) == ("n1", 2, 3072, 1.5)
    assert n1.disks[1].controller is DiskController.MEGASAS
    # An unquoted MAC is a number to YAML 1.1; it must still be read as written.
    assert n1.nics[0].mac == "52:54:00:10:01:01"
    assert [nic.port for nic in n1.nics] == [SwitchPort(100), SwitchPort(100, (200, 300)), None]
    assert n1.nics[1].model is NicModel.VIRTIO
    assert n1.bmc.address == "127.0.1.11"
    assert (n2.firmware, n2.post_s, n2.sensors) == (Firmware.BIOS, 0, ())
    assert n1.model.uuid != n2.model.uuid


@pytest.mark.parametrize("file", sorted(RACKS.glob("*.yaml")), ids=lambda f: f.name)
def test_shipped_racks_are_accepted(file: Path) -> None:
    assert rack_file.load(file).machines


def test_demo_rack_has_two_alike_and_one_different() -> None:
    n1, n2, n3 = rack_file.load(RACKS / "demo.yaml").machines
    shapes = [(m.cpus, m.memory_mib, m.model.product, len(m.nics)) for m in (n1, n2, n3)]
    assert shapes[0] == shapes[1] != shapes[2]


# (text to replace, replacement, where the complaint must point, what it must say)
MISTAKES = [
    ("cpus: 2", "cpu: 2", "cpu: 2", "unknown key|did you mean cpus?"),
    ("cpus: 2", "colour: red", "colour", "unknown key|known keys: name"),
    ("    cpus: 2\n", "", "name: n1", "the key cpus is missing|add cpus"),
    ("cpus: 2", "cpus: 2\n    cpus: 3", "cpus: 3", "stands here twice|keep one"),
    ("cpus: 2", "cpus: two", "two", "must be a number, is 'two'|from 1 to 64"),
    ("cpus: 2", "cpus: 0", "0\n    memory", "cpus is 0|from 1 to 64"),
    ("cpus: 2", "cpus: 1.5", "1.5\n    mem", "must be a whole number"),
    ("cpus: 2", "cpus: [2]", "[2]", "must be a number"),
    ("name: n2", "name: n1", "n1\n    model: {vendor: LabCo, product: LS-100, serial: LAB0002",
     "name n1 is already used by machines[0].name|another name"),
    ("name: n1", "name: N 1", "N 1", "no machine name|small letter"),
    ("name: n1", "name: averylongname", "avery", "13 characters, at most 10"),
    ("serial: LAB0002", "serial: LAB0001", "LAB0001}\n    cpus: 2\n    memory_mib: 3072\n    disks",
     "model and serial LabCo LS-100 LAB0001 is already used"),
    ("vendor: LabCo, product: LS", "vendor: 17, product: LS", "17", "must be text, is int|quotes"),
    ("vendor: LabCo, product: LS", "vendor: 'a\"b', product: LS", "'a\"b'", "printable ASCII"),
    ("vendor: LabCo, product: LS", "vendor: '', product: LS", "''", "is empty"),
    ("firmware: bios", "firmware: uefy", "uefy", "'uefy' is not known|did you mean uefi?"),
    ("post_s: 1.5", "post_s: -1", "-1\n", "post_s is -1"),
    ("controller: ahci", "controller: floppy", "floppy", "not known|one of ahci, nvme"),
    ("serial: D2", "serial: D1", "D1, vendor", "disk serial D1 is already used"),
    ("controller: ahci", "controller: nvme", '"5000', "a nvme disk has no wwn|leave it out"),
    ('"5000c50000000101"', "5000", "5000}", "no WWN|sixteen hexadecimal"),
    ("size_gib: 10", "size_gib: 0.5", "0.5", "size_gib is 0.5"),
    ('"52:54:00:10:01:02"', '"52:54:00:10:01:01"', '"52:54:00:10:01:01"',
     "MAC 52:54:00:10:01:01 is already used by machines[0].nics[0].mac"),
    ('"52:54:00:10:01:02"', "nonsense", "nonsense", "no MAC address"),
    ('"52:54:00:10:01:02"', '"53:54:00:10:01:02"', '"53', "group address|must be even"),
    ("{access: 100}", "{access: 100, tagged: [2]}", "{access: 100, t", "access alone"),
    ("{access: 100}", "{}", "{}}", "access alone"),
    ("{access: 100}", "{access: 4095}", "4095", "from 1 to 4094"),
    ("tagged: [200, 300]", "tagged: [100]", "{native", "names a VLAN twice"),
    ("tagged: [200, 300]", "tagged: 200", "200}", "must be a list"),
    ("index: 12", "index: 11", "11, user: admin, password: secret", "BMC index 11 is already used"),
    ('password: "secret"', "password: 123456", "123456", "must be text"),
    ("kind: temperature", "kind: humidity", "humidity", "not known|one of"),
    ("name: PSU1", "name: CPU Temp", "CPU Temp, kind: power", "already used|rename"),
    ("value: 38", "value: 300", "300, upper", "from 0 to 255"),
    ("value: 1}", "value: 1, upper: {critical: 1}}", "{critical: 1}", "has no limits"),
    ("asset_tag: rack1", "asset: rack1", "asset:", "did you mean asset_tag?"),
    ("disks: []", "disks: {}", "{}", "must be a list"),
    ("firmware: bios", "firmware: [", "-", "not YAML"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "at", "says"), MISTAKES, ids=[m[1] for m in MISTAKES])
def test_mistake_is_named_with_line_and_column(old: str, new: str, at: str, says: str) -> None:
    text = GOOD.replace(old, new, 1)
    assert text != GOOD
    with pytest.raises(FileRefusedError) as refused:
        rack_file.parse(text, "rack.yaml")
    message = str(refused.value)
    assert all(part in message for part in says.split("|")), message
    if "not YAML" not in says:
        before = text[: text.rindex(at) if text.count(at) > 1 else text.index(at)]
        line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
        assert f"rack.yaml:{line}:{column}: " in message, message


def test_all_mistakes_are_told_at_once_in_file_order() -> None:
    text = GOOD.replace("index: 12", "index: 999").replace("cpus: 2", "cpus: x", 1)
    with pytest.raises(FileRefusedError) as refused:
        rack_file.parse(text, "rack.yaml")
    assert [p.line for p in refused.value.problems] == [4, 27 - 1]


@pytest.mark.parametrize("text", ["", "[]", "machines: []", "machines: 3", "- a: &x [*x]", "\0"])
def test_nonsense_is_refused(text: str) -> None:
    with pytest.raises(FileRefusedError):
        rack_file.parse(text, "rack.yaml")


def test_missing_and_binary_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(LabError, match="No such file"):
        rack_file.load(tmp_path / "none.yaml")
    (tmp_path / "b.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(LabError, match="UTF-8"):
        rack_file.load(tmp_path / "b.yaml")


def test_inventory_tells_only_what_a_person_would_note_down() -> None:
    n1, n2 = yaml.safe_load(import_file(rack_file.parse(GOOD, "rack.yaml")))["machines"]
    assert n1 == {
        "name": "n1",
        "bmc": {
            "address": "127.0.1.11",
            "username": "admin",
            "password": "secret",
            "cipher_suite": 3,
        },
        "nics": [
            {"mac": "52:54:00:10:01:01", "vlan": 100, "boot": True},
            {"mac": "52:54:00:10:01:02", "vlan": 100, "tagged": [200, 300]},
            {"mac": "52:54:00:10:01:03"},
        ],
    }
    assert n2["nics"] == []
