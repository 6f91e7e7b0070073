"""What the lab hands to ipmi_sim, QEMU and Open vSwitch."""

import json
import struct
import subprocess
from pathlib import Path

import pytest

from lab import bmc, bmc_records, lldp, preconditions, qemu, rack_file
from lab.errors import LabError
from lab.places import Places
from lab.rack import SwitchPort
from lab.switch import port_settings
from lab.system_events import EVENTS, event_bytes
from tests.lab_tool.test_rack_file import GOOD, RACKS

N1 = rack_file.parse(GOOD, "rack.yaml").machines[0]
PLACE = Places("demo").machine(N1)


def _bootindexes(boot: str) -> dict[str, int]:
    found = {}
    for word in qemu.command_line(N1, PLACE, boot, kvm=False):
        fields = dict(f.partition("=")[::2] for f in word.split(","))
        if "bootindex" in fields:
            found[fields.get("drive") or fields["id"]] = int(fields["bootindex"])
    return found


def test_boot_order_puts_the_wanted_kind_first_and_keeps_the_rest_as_fallback() -> None:
    disks, nics = ["disk0", "disk1"], ["nic0", "nic1", "nic2"]
    for boot, order in (("network", nics + disks), ("disk", disks + nics)):
        indexes = _bootindexes(boot)
        assert sorted(indexes, key=indexes.__getitem__) == order


def test_qemu_gets_identity_disks_and_cables() -> None:
    line = " ".join(qemu.command_line(N1, PLACE, "disk", kvm=False))
    assert "-accel tcg,thread=multi" in line
    assert "type=1,manufacturer=LabCo,product=LS-100,serial=LAB0001" in line
    assert "ide-hd,bus=ide.0,serial=D1,drive=disk0,bootindex=1,model=SSD,wwn=0x5000c5" in line
    assert "-device megasas,id=megasas " in line
    assert "scsi-hd,bus=megasas.0,scsi-id=0,serial=D2" in line
    assert "ifname=n1-1,script=no,downscript=no,vnet_hdr=off" in line
    assert "pflash" not in line


def test_uefi_machine_gets_variables_of_its_own() -> None:
    n3 = rack_file.load(RACKS / "demo.yaml").machines[2]
    place = Places("demo").machine(n3)
    line = " ".join(qemu.command_line(n3, place, "disk", kvm=True))
    assert f"unit=1,format=raw,file={place.disks}/uefi-vars.fd" in line
    assert "-accel kvm -cpu host" in line


def test_commas_in_names_do_not_split_qemu_options() -> None:
    text = GOOD.replace("vendor: LabCo", 'vendor: "Lab, Co"', 1)
    machine = rack_file.parse(text, "rack.yaml").machines[0]
    assert "manufacturer=Lab,, Co" in " ".join(qemu.command_line(machine, PLACE, "disk", False))


def test_bmc_configuration_has_address_user_and_chassis() -> None:
    text = bmc.lan_configuration(N1, PLACE)
    assert "addr 127.0.1.11 623" in text
    assert 'user 2 true "admin" "secret" admin' in text
    assert f'chassis_control "{PLACE.run}/chassis"' in text


@pytest.mark.parametrize(
    ("port", "settings"),
    [
        (SwitchPort(100), ["vlan_mode=access", "tag=100"]),
        (SwitchPort(None, (1, 2)), ["vlan_mode=trunk", "trunks=1,2"]),
        (SwitchPort(5, (7,)), ["vlan_mode=native-untagged", "tag=5", "trunks=5,7"]),
    ],
)
def test_switch_port_settings(port: SwitchPort, settings: list[str]) -> None:
    assert port_settings(port) == settings


def test_fru_areas_sum_to_zero_and_sit_where_the_header_says() -> None:
    image = bmc_records.fru_image(N1)
    assert sum(image[:8]) % 256 == 0
    offsets = [8 * b for b in image[2:5]]
    for start in offsets:
        area = image[start : start + 8 * image[start + 1]]
        assert area[0] == 1
        assert sum(area) % 256 == 0
    assert b"LAB0001" in image[offsets[2] :]


def test_sensor_records_have_the_length_they_declare() -> None:
    commands = bmc_records.simulator_commands(N1, "/x/fru.bin", 512)
    records = [c.split()[2:] for c in commands if c.startswith("main_sdr_add")]
    assert len(records) == 3
    for words in records:
        record = bytes(int(w, 16) for w in words)
        assert record[4] == len(record) - 5
        # The name is last: its length byte sits where the table of its type says.
        at = {0x01: 47, 0x02: 31, 0x12: 15}[record[3]]
        assert record[at] & 0x3F == len(record) - at - 1


def test_readings_are_raw_bytes_and_a_failed_supply_is_a_bit() -> None:
    temperature, supply = N1.sensors
    assert bmc_records.reading_commands(1, temperature, 85, event=True) == [
        "sensor_set_value 0x20 0 1 85 1"
    ]
    assert (
        bmc_records.reading_commands(2, supply, 0, event=True)[1] == "sensor_set_bit 0x20 0 2 1 1 1"
    )


def test_every_event_is_thirteen_bytes_with_its_time() -> None:
    for event in EVENTS:
        data = event_bytes(event, now_s=1_000_000)
        assert len(data) == 13
        assert struct.unpack("<I", data[:4]) == (1_000_000,)


@pytest.mark.parametrize("name", ["", "Demo", "a/b", "../x", "x" * 21, "1a"])
def test_lab_names_that_would_not_work_are_refused(name: str) -> None:
    with pytest.raises(LabError, match="lab name"):
        Places(name)


def test_missing_programs_are_named_with_their_packages(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("os.geteuid", lambda: 0)
    with pytest.raises(LabError, match="ipmi_sim") as refused:
        preconditions.require(rack_file.parse(GOOD, "rack.yaml"))
    assert "apt-get install dnsmasq-base ipmitool iproute2 openipmi" in refused.value.hint
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    with pytest.raises(LabError, match="needs root"):
        preconditions.require(rack_file.parse(GOOD, "rack.yaml"))


def test_too_little_memory_is_a_warning() -> None:
    rack = rack_file.parse(GOOD.replace("memory_mib: 3072", "memory_mib: 1048576", 1), "r.yaml")
    assert any("1051648 MiB" in w for w in preconditions.warnings(rack))


# Ironic's own parsers of what its agent hears, in its own environment: not our reading.
_IRONIC_READS = """
import json, sys
from ironic.drivers.modules.inspector import lldp_parsers
parser = lldp_parsers.LLDPBasicMgmtParser("a-node")
for kind, value in json.load(sys.stdin):
    parser.parse_tlv(kind, bytearray.fromhex(value))
print(json.dumps(parser.nv_dict))
"""


def _tlvs(frame: bytes) -> list[tuple[int, str]]:
    found, at = [], 14
    while kind := frame[at] >> 1:
        length = struct.unpack("!H", frame[at : at + 2])[0] & 0x1FF
        found.append((kind, frame[at + 2 : at + 2 + length].hex()))
        at += 2 + length
    return found


def test_ironic_reads_the_ports_vlans_from_our_lldp() -> None:
    sent = lldp.frame("sw0-demo", "n1-1", SwitchPort(100, (200, 300)))
    assert sent[:6].hex() == "0180c200000e"
    assert sent[12:14].hex() == "88cc"
    root = Path(qemu.__file__).parents[1]
    read = subprocess.run(
        [root / ".venv-ironic/bin/python", "-W", "ignore", "-c", _IRONIC_READS],
        input=json.dumps(_tlvs(sent)), capture_output=True, text=True, check=True,
    )  # fmt: skip
    told = json.loads(read.stdout)
    assert told["switch_system_name"] == "sw0-demo"
    assert told["switch_port_id"] == "n1-1"
    assert told["switch_port_untagged_vlan_id"] == 100
    vlans = {vlan["id"]: vlan["name"] for vlan in told["switch_port_vlans"]}
    assert vlans == {100: "VLAN0100", 200: "VLAN0200", 300: "VLAN0300"}
