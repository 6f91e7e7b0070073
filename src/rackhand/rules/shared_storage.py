"""Signs that a disk is not this machine's alone, although its transport could be local.

A SAS cable reaches a disk in the next bay and a storage array in the next rack alike.
In doubt the answer is a sign: a disk that is wrongly left alone costs a hint or a
cable, one that is wrongly written costs somebody's data.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from rackhand.model.machine import Disk, Transport

# Vendor and product of INQUIRY data (SPC-4, 6.4.2), as storage arrays, software targets
# and shared RAID adapters give them; after the device table of multipath-tools (hwtable.c).
_ARRAYS = re.compile(
    r"""^(?:
      (?:HPE?|COMPAQ)\ (?:P2000|MSA|HSV|OPEN-|P4\d00|MSA\d+|(?:LOGICAL|DISK)-SUBSYSTEM)
    | (?:HITACHI|HP|HPE)\ (?:OPEN-|DF|DISK-SUBSYSTEM)
    | 3PARdata\b | LEFTHAN | (?:DELL|DellEMC)\ (?:MD3|ME[45]|Shared\ PERC|PowerStore|SCv)
    | (?:EMC|DGC|XtremIO|COMPELNT|EQLOGIC)\b | FUJITSU\ (?:ETERNUS|E[468]000)
    | NETAPP\b | (?:LSI|LENOVO|SUN|STK|ENGENIO)\ INF- | LENOVO\ DE\ Series | Lenovo\ S[23]200
    | IBM\ (?:2145|2076|2105|2107|2810XIV|1[78]\d\d|FlashSystem|3526|3542|3552)
    | AIX\ | NEC\ DISK\ ARRAY | (?:SUN|Oracle|ORACLE)\ (?:ZFS|STK|CSM|LCSM|.*Storage|Oracle)
    | PURE\b | Nimble\b | TEGILE\b | INTELLIFLASH\b | (?:TrueNAS|FreeNAS|FREENAS)\b
    | LIO-ORG\b | SCST\b | IET\b | SYNOLOGY\b | QNAP\b | STARWIND\b | DataCore\b | NUTANIX\b
    | HUAWEI\ (?:XSG1|S\d{4}|HVS|Dorado) | HUASY\b | UltraStor | MacroSAN\b
    | TOYOU\b | NFINIDAT\b | INFINIDAT\b
    | KAMINARIO\b | VIOLIN\b | SVIOLIN\b | DotHill\b | DOTHILL\b | IFT\b | INFTREND\b
    | Promise\b | SGI\ (?:TP|IS) | Intel\ Multi-Flex | DATERA\b | ZADARA\b | OPNFILER\b
    | PIVOT3\b | FALCON\b
    )""",
    re.VERBOSE | re.IGNORECASE,
)
_EXTERNAL_RAID = re.compile(r"PERC H8[0-9]{2}|SmartArray P8\d\d", re.IGNORECASE)

# The first digits of NAA 6 identifiers that only arrays give (IEEE vendor numbers).
_ARRAY_WWNS = {
    "60060160": "EMC CLARiiON or VNX",
    "60000970": "EMC Symmetrix",
    "60060480": "EMC Symmetrix",
    "60060e80": "Hitachi",
    "60050768": "IBM Storwize or SVC",
    "600507630": "IBM DS8000",
    "6005076307": "IBM DS8000",
    "60002ac0": "3PAR",
    "624a9370": "Pure Storage",
    "600c0ff0": "Dot Hill or HP MSA",
    "600a0980": "NetApp",
    "60a98000": "NetApp",
    "600a0b80": "LSI Engenio",
    "60080e50": "NetApp E-Series",
    "600508b4": "HP EVA",
    "6000d310": "Compellent",
    "6000eb3": "LeftHand",
    "600144f0": "Sun or Oracle ZFS",
    "60014050": "Linux target (LIO)",
    "6001405": "Linux target (LIO)",
    "6589cfc0": "FreeNAS or TrueNAS",
    "68ccf098": "Dell PowerStore",
    "64ed2970": "Nimble",
    "6506b8d0": "Nutanix",
}

# Backplanes inside servers, and the expander chips on them, as SES or SMP name them.
_INSIDE = re.compile(
    r"^(?:DP\ +BACKPLANE|DELL\ +BACKPLANE|(?:LSI|LSILOGIC|AVAGO|BROADCOM)\ +"
    r"(?:SAS\S*X\d+|VirtualSES)|LSI\ +(?:CORP\ +)?SAS\S*|SMC\ +\S+|Supermicro\b.*|"
    r"(?:PMCSIERA|PMC-SIERRA|MSCC|MCHP|Adaptec)\ .*|(?:INTEL|Intel)\ .*RES\d.*|"
    r"(?:HPE?)\ +(?:\d+G\ SAS\ Exp|Smart\ Adapter|DL\d+|EXP.*Internal).*|"
    r"(?:LENOVO|IBM-ESXS)\ +(?:.*Backplane|SAS\ EXP\ BP|.*BP.*)|"
    r"(?:CISCO|UCS)\ .*|(?:HUAWEI)\ +Expander.*|FUJITSU\ +.*BP.*)",
    re.IGNORECASE,
)
# Shelves with cables of their own.
_OUTSIDE = re.compile(
    r"\bMD1[0-9]{3}\b|\bME484\b|\bD[2368][67]00\b|\bD36[01]0\b|\bD80[02]0\b|\bD12(?:12|24)\b|"
    r"\bD3284\b|\bDS4[24]|\bDS2246\b|\bDS224C\b|\bEXP[23]\d\d\d\b|\bEXP(?:810|395)\b|\bMSA[57]0\b|"
    r"\bStorageWorks\b|\bJBOD\b|\bEBOD\b|\bNewisys\b|\bXyratex\b|\bIOM\d*\b",
    re.IGNORECASE,
)


def sign_of_sharing(disk: Disk) -> str | None:
    """Say what makes the disk look like shared storage; None when nothing does."""
    if disk.multipath:
        return "is one of several paths to one disk: multipath means shared storage"
    model = _words(disk.model)
    named = f"{_words(disk.vendor)} {model}".strip()
    for shown in (named, model):
        if shown and _ARRAYS.match(shown):
            return f"says that it is {shown}: a storage array's LUN, not a disk of this machine"
    if _EXTERNAL_RAID.search(named):
        return f"is a volume of {named}: that adapter has external ports only"
    made_by = _array_of(disk.wwn)
    if made_by is not None:
        return f"has the WWN {disk.wwn}, of the kind that {made_by} gives its LUNs"
    return _sas_doubt(disk) if disk.transport is Transport.SAS else None


def _words(value: str | None) -> str:
    # udev writes the spaces of vendor and model as underscores.
    return " ".join((value or "").replace("_", " ").split())


def _array_of(wwn: str | None) -> str | None:
    number = normal_wwn(wwn)
    return next((name for start, name in _ARRAY_WWNS.items() if number.startswith(start)), None)


def _sas_doubt(disk: Disk) -> str | None:
    """A SAS target may be a disk or an array's port: a disk is plain in every respect."""
    if disk.lun:
        return f"answers as LUN {disk.lun}: a disk of this machine is LUN 0 of its own target"
    number = normal_wwn(disk.wwn)
    if len(number) in (16, 32) and number.startswith("6"):
        # NAA 6 names volumes that a controller makes; drives have NAA 5 (SPC-4, 7.8.6.6).
        return f"has the WWN {disk.wwn}, a volume's (NAA 6): SAS disks have a drive's (NAA 5)"
    if disk.target_port_groups:
        return "tells of target port groups (ALUA), as arrays with two controllers do"
    enclosure = _words(disk.enclosure)
    if _OUTSIDE.search(enclosure):
        return f"is in {enclosure}, a shelf outside of the machine"
    if disk.expanders and not _INSIDE.match(enclosure):
        where = enclosure or "that does not say what it is"
        return f"is behind a SAS expander ({where}) that is not known to be inside a machine"
    return None


def normal_wwn(value: str | None) -> str:
    """Return one spelling of a WWN: it is written as 0x5000…, naa.5000…, eui.0025… or bare."""
    text = (value or "").strip().lower()
    for prefix in ("0x", "naa.", "eui.", "t10.", "uuid."):
        text = text.removeprefix(prefix)
    return text


def mark_paths(disks: Sequence[Disk]) -> list[Disk]:
    """Return the disks with ``multipath`` set on each that is there more than once.

    One disk: one WWN; without any, the same vendor, model, serial and size.
    """
    seen = Counter(identity for disk in disks if (identity := _identity(disk)))
    return [
        replace(disk, multipath=True) if seen[_identity(disk) or ()] > 1 else disk for disk in disks
    ]


def _identity(disk: Disk) -> tuple[object, ...] | None:
    if number := normal_wwn(disk.wwn):
        return (number,)
    if serial := (disk.serial or "").strip():
        return (disk.vendor, disk.model, serial, disk.size_bytes)
    return None
