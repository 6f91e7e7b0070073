"""Reads a rack file (YAML) into a Rack and refuses what would not run, naming line and column."""

import re
from pathlib import Path

from lab.errors import LabError
from lab.marked_yaml import Problems, Seen, Spot, read
from lab.rack import (
    Bmc,
    Disk,
    DiskController,
    Firmware,
    Fru,
    Lag,
    Limits,
    Machine,
    Model,
    Nic,
    NicModel,
    Rack,
    Sensor,
    SensorKind,
    SwitchPort,
)
from lab.sensor_scale import SCALES
from lab.storage_file import storage_hosts

_SCSI = {
    DiskController.MEGASAS,
    DiskController.MPTSAS,
    DiskController.LSI,
    DiskController.PVSCSI,
    DiskController.VIRTIO_SCSI,
}
# Which identity fields QEMU's disk models can carry, and how long.
_VENDOR_OK = _SCSI
_PRODUCT_LENGTH = {DiskController.AHCI: 40} | dict.fromkeys(_SCSI, 16)
_WWN_OK = {DiskController.AHCI} | _SCSI
_MOST_DISKS = {DiskController.AHCI: 6, DiskController.LSI: 7}


def load(path: Path) -> Rack:
    """The rack that ``path`` describes; raises LabError when it cannot be read or is refused."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise LabError(
            f"rack file {path}: {error.strerror}", "give a readable file with --rack"
        ) from error
    except UnicodeDecodeError as error:
        raise LabError(f"rack file {path} is not UTF-8", "save the file as UTF-8 text") from error
    return parse(text, str(path))


def parse(text: str, source: str) -> Rack:
    """The rack that ``text`` describes; raises FileRefusedError with every problem found."""
    problems = Problems(source)
    top = read(text, problems).mapping(["machines"], ["storage"])
    spots = top["machines"].items(at_least=1) if "machines" in top else []
    machines = []
    seen = Seen()
    for spot in spots:
        machine = _machine(spot, seen)
        if machine:
            machines.append(machine)
    storage = storage_hosts(top["storage"], seen) if "storage" in top else ()
    problems.raise_if_any()
    return Rack(tuple(machines), source, storage)


def _machine(spot: Spot, seen: Seen) -> Machine | None:
    required = ["name", "model", "cpus", "memory_mib", "disks", "nics", "bmc"]
    v = spot.mapping(required, ["firmware", "post_s", "sensors", "fru", "lags", "lldp"])
    if any(key not in v for key in required):
        return None
    name = v["name"].text(10)
    if not re.fullmatch(r"[a-z][a-z0-9-]*", name):
        v["name"].complain(
            f"{v['name'].path}: {name!r} is no machine name",
            "a small letter, then small letters, digits or dashes",
        )
    seen.once("name", name, v["name"])
    disks = tuple(_disk(s, seen) for s in v["disks"].items())
    for kind, most in _MOST_DISKS.items():
        if sum(d.controller is kind for d in disks) > most:
            v["disks"].complain(
                f"{v['disks'].path}: {kind} has room for {most} disks",
                "put some on another controller",
            )
    lldp = v["lldp"].boolean() if "lldp" in v else False
    nics = tuple(_nic(s, seen, lldp) for s in v["nics"].items())
    return Machine(
        name=name,
        model=_model(v["model"], seen),
        cpus=v["cpus"].integer(1, 64),
        memory_mib=v["memory_mib"].integer(64, 1 << 20),
        firmware=v["firmware"].choice(Firmware) if "firmware" in v else Firmware.BIOS,
        post_s=v["post_s"].number(0, 3600) if "post_s" in v else 0,
        disks=disks,
        nics=nics,
        bmc=_bmc(v["bmc"], seen),
        sensors=_sensors(v["sensors"]) if "sensors" in v else (),
        fru=_fru(v["fru"]) if "fru" in v else Fru(),
        lags=_lags(v["lags"], nics) if "lags" in v else (),
    )


def _lags(spot: Spot, nics: tuple[Nic, ...]) -> tuple[Lag, ...]:
    found: list[Lag] = []
    taken: set[int] = set()
    for one in spot.items():
        v = one.mapping(["nics"], [])
        numbers: list[int] = []
        for s in v["nics"].items(at_least=2) if "nics" in v else []:
            number = s.integer(0, max(len(nics) - 1, 0))
            if number in taken:
                s.complain(f"{s.path}: NIC {number} is in a LAG already", "name each NIC once")
            taken.add(number)
            numbers.append(number)
        ports = {nics[number].port for number in numbers if number < len(nics)}
        if len(ports) > 1 or None in ports:
            one.complain(f"{one.path}: its NICs have different ports", "give them equal ports")
        found.append(Lag(tuple(numbers)))
    return tuple(found)


def _model(spot: Spot, seen: Seen) -> Model:
    v = spot.mapping(["vendor", "product", "serial"], [])
    model = Model(*(v[k].text(40) if k in v else "" for k in ("vendor", "product", "serial")))
    if len(v) == 3:
        seen.once("model and serial", f"{model.vendor} {model.product} {model.serial}", v["serial"])
    return model


def _disk(spot: Spot, seen: Seen) -> Disk:
    v = spot.mapping(["controller", "size_gib", "serial"], ["vendor", "product", "wwn"])
    controller = v["controller"].choice(DiskController) if "controller" in v else None
    disk = Disk(
        controller=controller or DiskController.AHCI,
        size_gib=v["size_gib"].integer(1, 16384) if "size_gib" in v else 1,
        serial=v["serial"].text(20) if "serial" in v else "",
        vendor=v["vendor"].text(8) if "vendor" in v else None,
        product=v["product"].text(_PRODUCT_LENGTH.get(controller, 16))
        if "product" in v and controller
        else None,
        wwn=_wwn(v["wwn"], seen) if "wwn" in v else None,
    )
    if "serial" in v:
        seen.once("disk serial", disk.serial, v["serial"])
    carried = {"vendor": _VENDOR_OK, "product": _PRODUCT_LENGTH.keys(), "wwn": _WWN_OK}
    for key, controllers in carried.items():
        if key in v and controller and controller not in controllers:
            names = ", ".join(c.value for c in DiskController if c in controllers)
            v[key].complain(
                f"{v[key].path}: a {controller} disk has no {key}",
                f"leave it out, or use one of {names}",
            )
    return disk


def _wwn(spot: Spot, seen: Seen) -> str:
    wwn = spot.raw().lower().removeprefix("0x")
    if not re.fullmatch(r"[0-9a-f]{16}", wwn):
        spot.complain(f"{spot.path}: {wwn!r} is no WWN", "sixteen hexadecimal digits, in quotes")
    seen.once("WWN", wwn, spot)
    return wwn


def _nic(spot: Spot, seen: Seen, lldp: bool) -> Nic:
    v = spot.mapping(["model", "mac"], ["port", "declared", "lldp"])
    mac = ""
    if "mac" in v:
        mac = v["mac"].raw().lower()
        if not re.fullmatch(r"([0-9a-f]{2}:){5}[0-9a-f]{2}", mac):
            v["mac"].complain(
                f"{v['mac'].path}: {mac!r} is no MAC address", 'write it like "52:54:00:10:01:01"'
            )
        elif int(mac[:2], 16) & 1:
            v["mac"].complain(
                f"{v['mac'].path}: {mac} is a group address", "the first byte must be even"
            )
        seen.once("MAC", mac, v["mac"])
    model = v["model"].choice(NicModel) if "model" in v else NicModel.E1000
    cabled = "port" in v and not v["port"].is_null()
    return Nic(
        model,
        mac,
        port=_port(v["port"]) if cabled else None,
        declared=_port(v["declared"]) if "declared" in v else None,
        lldp=v["lldp"].boolean() if "lldp" in v else lldp,
    )


def _port(spot: Spot) -> SwitchPort:
    v = spot.mapping([], ["access", "native", "tagged"])
    hint = "write {access: 100} or {native: 100, tagged: [200]}"
    if ("access" in v and len(v) > 1) or not v:
        spot.complain(f"{spot.path} must have access alone, or native and tagged", hint)
    if "access" in v:
        return SwitchPort(v["access"].integer(1, 4094))
    native = v["native"].integer(1, 4094) if "native" in v else None
    tagged = [s.integer(1, 4094) for s in v["tagged"].items(at_least=1)] if "tagged" in v else []
    if len({*tagged, native}) <= len(tagged):
        spot.complain(f"{spot.path} names a VLAN twice", "name each VLAN once")
    return SwitchPort(native, tuple(tagged))


def _bmc(spot: Spot, seen: Seen) -> Bmc:
    v = spot.mapping(["index", "user", "password"], [])
    index = v["index"].integer(2, 254) if "index" in v else 2
    if "index" in v:
        seen.once("BMC index", str(index), v["index"])
    return Bmc(
        index=index,
        user=v["user"].text(16) if "user" in v else "",
        password=v["password"].text(20) if "password" in v else "",
    )


def _sensors(spot: Spot) -> tuple[Sensor, ...]:
    sensors: list[Sensor] = []
    for s in spot.items():
        v = s.mapping(["name", "kind", "value"], ["upper", "lower"])
        if not {"name", "kind", "value"} <= v.keys():
            continue
        name = v["name"].text(16)
        if name in [other.name for other in sensors]:
            v["name"].complain(f"{v['name'].path}: {name!r} is already used", "rename one")
        kind = v["kind"].choice(SensorKind)
        highest = SCALES[kind].highest if kind in SCALES else 1
        limits = {
            key: _limits(v[key], kind, highest) if key in v else Limits()
            for key in ("upper", "lower")
        }
        sensors.append(Sensor(name, kind, v["value"].number(0, highest), **limits))
    if len(sensors) > 100:
        spot.complain(f"{spot.path} has {len(sensors)} sensors, at most 100 fit")
    return tuple(sensors)


def _limits(spot: Spot, kind: SensorKind, highest: float) -> Limits:
    if kind not in SCALES:
        spot.complain(f"{spot.path}: a {kind} sensor has no limits", "leave them out")
    v = spot.mapping([], ["noncritical", "critical", "nonrecoverable"])
    return Limits(**{key: s.number(0, highest) for key, s in v.items()})


def _fru(spot: Spot) -> Fru:
    keys = list(Fru.__dataclass_fields__)
    v = spot.mapping([], keys)
    return Fru(**{key: s.text(32, allow_empty=True) for key, s in v.items()})
