"""Sensor data records and FRU areas as bytes (IPMI 2.0 chapter 43, IPMI FRU definition 1.0)."""

import struct

from lab.rack import Machine, Sensor
from lab.sensor_scale import SCALES

MC = "0x20"
_SDR_VERSION = 0x51
_THRESHOLD_READING = 0x01
_SENSOR_SPECIFIC_READING = 0x6F
_POWER_SUPPLY_TYPE, _POWER_SUPPLY_ENTITY = 0x08, 0x0A
PSU_PRESENT_BIT, PSU_FAILED_BIT = 0, 1


def _type_length(text: str) -> bytes:
    """8-bit ASCII with its length (FRU 1.0 section 13, SDR section 43.15)."""
    return bytes([0xC0 | len(text)]) + text.encode("ascii")


def _record(kind: int, body: bytes) -> bytes:
    return bytes([0, 0, _SDR_VERSION, kind, len(body)]) + body


def _limit_bytes(sensor: Sensor) -> list[tuple[int, int]]:
    """(bit, raw byte) per threshold that is set; bits as in Get Sensor Thresholds."""
    scale = SCALES[sensor.kind]
    found = []
    for first_bit, limits in ((0, sensor.lower), (3, sensor.upper)):
        values = (limits.noncritical, limits.critical, limits.nonrecoverable)
        for offset, value in enumerate(values):
            if value is not None:
                found.append((first_bit + offset, scale.raw(value)))
    return found


def _full_sensor(number: int, sensor: Sensor) -> bytes:
    """Full sensor record, type 01h (IPMI 2.0 table 43-1)."""
    scale = SCALES[sensor.kind]
    limits = dict(_limit_bytes(sensor))
    readable = sum(1 << bit for bit in limits)
    lower_events, upper_events = _event_masks(sensor)
    threshold = [limits.get(bit, 0) for bit in (5, 4, 3, 2, 1, 0)]
    body = bytes([0x20, 0, number, scale.entity, 1, 0x7F, 0x68, scale.sensor_type])
    body += bytes([_THRESHOLD_READING])
    body += struct.pack("<HH", lower_events, upper_events)
    body += bytes([readable, readable, 0x00, scale.unit_code, 0, 0])
    body += bytes([scale.factor, 0, 0, 0, 0, (scale.exponent & 0xF) << 4, 0x00, 0, 0, 0, 0xFF, 0])
    body += bytes([*threshold, 1, 1, 0, 0, 0])
    return _record(0x01, body + _type_length(sensor.name))


def _event_masks(sensor: Sensor) -> tuple[int, int]:
    """Assertion and deassertion masks: lower limits going low, upper limits going high."""
    mask = 0
    for bit, _raw in _limit_bytes(sensor):
        mask |= 1 << (bit * 2 if bit < 3 else bit * 2 + 1)
    return mask, mask


def _compact_sensor(number: int, sensor: Sensor) -> bytes:
    """Compact sensor record, type 02h, of a power supply (IPMI 2.0 table 43-2)."""
    head = [0x20, 0, number, _POWER_SUPPLY_ENTITY, number, 0x67, 0x40, _POWER_SUPPLY_TYPE]
    body = bytes([*head, _SENSOR_SPECIFIC_READING]) + struct.pack("<HHH", 0xF, 0xF, 0xF)
    body += bytes([0xC0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0])
    return _record(0x02, body + _type_length(sensor.name))


def _mc_locator() -> bytes:
    body = bytes([0x20, 0, 0, 0xBF, 0, 0, 0, 7, 1, 0])
    return _record(0x12, body + _type_length("BMC"))


def sensor_number(machine: Machine, name: str) -> int:
    """The IPMI number of a sensor: its place in the rack file, from 1. KeyError if unknown."""
    return {s.name: i for i, s in enumerate(machine.sensors, 1)}[name]


def reading_commands(number: int, sensor: Sensor, value: float, event: bool) -> list[str]:
    """ipmi_sim commands that make ``sensor`` read ``value``, with SEL events if ``event``."""
    where = f"{MC} 0 {number}"
    if sensor.kind in SCALES:
        return [f"sensor_set_value {where} {SCALES[sensor.kind].raw(value)} {int(event)}"]
    return [
        f"sensor_set_bit {where} {PSU_PRESENT_BIT} 1 {int(event)}",
        f"sensor_set_bit {where} {PSU_FAILED_BIT} {int(value == 0)} {int(event)}",
    ]


def _sensor_commands(number: int, sensor: Sensor) -> list[str]:
    where = f"{MC} 0 {number}"
    support = "sensor_set_event_support"
    if sensor.kind not in SCALES:
        bits = f"{0xF:015b}"
        return [
            f"sensor_add {where} {_POWER_SUPPLY_TYPE} {_SENSOR_SPECIFIC_READING}",
            f"{support} {where} enable scanning per-state {bits} {bits} {bits} {bits}",
            *reading_commands(number, sensor, sensor.value, event=False),
        ]
    limits = dict(_limit_bytes(sensor))
    enabled = "".join("1" if bit in limits else "0" for bit in (5, 4, 3, 2, 1, 0))
    values = " ".join(str(limits.get(bit, 0)) for bit in (5, 4, 3, 2, 1, 0))
    bits = f"{_event_masks(sensor)[0]:015b}"
    return [
        f"sensor_add {where} {SCALES[sensor.kind].sensor_type} {_THRESHOLD_READING}",
        f"sensor_set_threshold {where} settable {enabled} {values}",
        f"{support} {where} enable scanning per-state {bits} {bits} {bits} {bits}",
        *reading_commands(number, sensor, sensor.value, event=False),
    ]


def simulator_commands(machine: Machine, fru_file: str, fru_size: int) -> list[str]:
    """The ipmi_sim command file: one MC with SEL, sensors, their records and the FRU."""
    commands = [
        f"mc_setbmc {MC}",
        f"mc_add {MC} 0 no-device-sdrs 0x23 9 8 0x9f 0x1291 0xf02",
        f"sel_enable {MC} 1000 0x0a",
        f'mc_add_fru_data {MC} 0 {fru_size} file 0 "{fru_file}"',
    ]
    records = [_mc_locator()]
    for number, sensor in enumerate(machine.sensors, 1):
        commands += _sensor_commands(number, sensor)
        records.append((_full_sensor if sensor.kind in SCALES else _compact_sensor)(number, sensor))
    for record in records:
        commands.append(f"main_sdr_add {MC} " + " ".join(f"0x{b:02x}" for b in record))
    return [*commands, f"mc_enable {MC}"]


def _area(head: bytes, fields: tuple[str, ...]) -> bytes:
    """A FRU area: padded to eight bytes, the last one makes the sum zero."""
    body = head + b"".join(_type_length(f) for f in fields) + b"\xc1"
    blocks = (len(body) + 3 + 7) // 8
    area = (bytes([1, blocks]) + body).ljust(blocks * 8 - 1, b"\0")
    return area + _checksum(area)


def _checksum(data: bytes) -> bytes:
    return bytes([-sum(data) & 0xFF])


def fru_image(machine: Machine) -> bytes:
    """The FRU storage: chassis, board and product areas."""
    model, fru = machine.model, machine.fru
    rack_mount, english = b"\x17", b"\x19"
    chassis = _area(rack_mount, (fru.part_number, fru.chassis_serial))
    board = _area(
        english + bytes(3),
        (model.vendor, fru.board_product, fru.board_serial, fru.part_number, ""),
    )
    product = _area(
        english,
        (
            *(model.vendor, model.product, fru.part_number, fru.version, model.serial),
            *(fru.asset_tag, ""),
        ),
    )
    at_chassis = 1
    at_board = at_chassis + len(chassis) // 8
    at_product = at_board + len(board) // 8
    header = bytes([1, 0, at_chassis, at_board, at_product, 0, 0])
    return (header + _checksum(header) + chassis + board + product).ljust(512, b"\0")
