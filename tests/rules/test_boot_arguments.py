"""Edits of boot settings: what they must do to any text, and what to these."""

from __future__ import annotations

import re
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rackhand.model.image_facts import DiskFacts, FileSystemFact
from rackhand.rules.boot_arguments import (
    edit_arguments,
    edit_command_line,
    edit_entry,
    edit_grub_defaults,
    edit_menu,
)
from rackhand.rules.boot_menu import GRUB_DEFAULTS
from rackhand.rules.device_names import names_a_disk, replace_in_fstab

DISK = DiskFacts(
    8 << 30, "gpt", (), filesystems=(
        FileSystemFact(1, "fat", "1234-ABCD"), FileSystemFact(2, "ext4", "aaaa-2"),
        FileSystemFact(3, "swap", "cccc-3"),
    ),
)  # fmt: skip
CONSOLES = "console=tty0 console=ttyS0,115200n8"
WORDS = st.sampled_from(
    ["ro", "quiet", "splash", "splash=silent", "rhgb", "resume=/dev/vda3", "resume=UUID=1-2",
     "resume_offset=99", "noresume", "console=ttyS1,9600", "console=tty1", "console=hvc0",
     "root=/dev/vda2", "root=/dev/sdb2", "root=/dev/mapper/rootvg-root", "rd.lvm.lv=rootvg/root",
     "crashkernel=1G-4G:192M,4G-:256M", "quietly", "net.ifnames=0", "cloud-init=disabled"]
)  # fmt: skip
LINES = st.lists(WORDS, max_size=8).map(" ".join)
DEVICES = st.sampled_from(
    ["/dev/vda1", "/dev/vda2", "/dev/nvme0n1p3", "/dev/sda9", "/dev/vdb1", "UUID=aaaa-2", "tmpfs",
     "/dev/mapper/rootvg-root", "LABEL=x", "#/dev/vda1", "/dev/disk/by-id/virtio-x-part2",
     "/dev/disk/by-id/dm-name-rootvg-root", "/dev/disk/by-path/pci-0000:00:07.0-part1"]
)  # fmt: skip


@given(LINES)
def test_arguments_are_right_after_one_edit(line: str) -> None:
    new = edit_arguments(line, DISK).split()
    assert edit_arguments(" ".join(new), DISK).split() == new
    assert not [word for word in new if re.match(r"resume|splash|rhgb$|quiet$|.*=disabled", word)]
    assert any(word.startswith("console=ttyS") for word in new)
    assert any(re.match(r"console=tty\d", word) for word in new)
    assert not any("/dev/vda" in word for word in new)
    untouched = [w for w in line.split() if w in {"ro", "noresume", "quietly", "root=/dev/sdb2"}]
    assert [w for w in new if w in {"ro", "noresume", "quietly", "root=/dev/sdb2"}] == untouched
    serial_was_last = [w for w in line.split() if w.startswith("console=")][-1:]
    if not serial_was_last:
        assert new[-1] == "console=ttyS0,115200n8"


@given(st.lists(st.tuples(DEVICES, st.sampled_from(["/", "/boot", "none"])), max_size=6))
def test_fstab_keeps_all_but_the_names(rows: list[tuple[str, str]]) -> None:
    text = "".join(f"{device}\t{point}  ext4 defaults 0 1\n" for device, point in rows)
    new = replace_in_fstab(text, DISK)
    assert replace_in_fstab(new, DISK) == new
    assert [line.split()[1:] for line in new.splitlines()] == [
        line.split()[1:] for line in text.splitlines()
    ]
    for (device, _), line in zip(rows, new.splitlines(), strict=True):
        known = device.endswith(("vda1", "vda2", "p3", "-part1", "-part2")) and device[0] != "#"
        assert line.startswith("UUID=" if known else device)
    assert replace_in_fstab(text, None) == text


@given(LINES, st.sampled_from(["$tuned_params", ""]))
def test_boot_entries_keep_all_other_keys(line: str, end: str) -> None:
    text = f"title x\nversion 1\noptions {line} {end}\ngrub_class y\n"
    new = edit_entry(text, DISK)
    assert edit_entry(new, DISK) == new
    assert new.splitlines()[:2] + new.splitlines()[3:] == ["title x", "version 1", "grub_class y"]
    assert end in new


@given(LINES, LINES, st.sampled_from(['"', "'"]), st.sampled_from(["", "  # a comment"]))
def test_a_shell_reads_grubs_settings_as_meant(
    all_entries: str, usual: str, quote: str, comment: str
) -> None:
    text = (
        f"GRUB_TIMEOUT=5\nGRUB_CMDLINE_LINUX_DEFAULT={quote}{usual}{quote}{comment}\n"
        f"GRUB_CMDLINE_LINUX={quote}{all_entries}{quote}\n"
    )
    once = {GRUB_DEFAULTS: text} | edit_grub_defaults({GRUB_DEFAULTS: text}, DISK, by_uuid=False)
    assert edit_grub_defaults(once, DISK, by_uuid=False) == {}
    new = once[GRUB_DEFAULTS]
    values = dict(re.findall(r"^(\w+)=[\"']?(.*?)[\"']?(?:  # a comment)?$", new, re.M))
    assert values["GRUB_TIMEOUT"] == "5"
    assert edit_arguments(values["GRUB_CMDLINE_LINUX"], DISK) == values["GRUB_CMDLINE_LINUX"]
    assert "quiet " not in values["GRUB_CMDLINE_LINUX_DEFAULT"] + " "
    assert (comment in new) is True


SHELLS = {
    "nothing": ("GRUB_TIMEOUT=5\n", CONSOLES),
    "unquoted": ("GRUB_CMDLINE_LINUX=quiet\n", CONSOLES),
    "one unquoted word": ("GRUB_CMDLINE_LINUX=ro\n", f"ro {CONSOLES}"),
    "empty": ("GRUB_CMDLINE_LINUX=\n", CONSOLES),
    "appended": (
        'GRUB_CMDLINE_LINUX="a=1"\nGRUB_CMDLINE_LINUX="$GRUB_CMDLINE_LINUX quiet b=2"\n',
        f"a=1 b=2 {CONSOLES}",
    ),
    "several lines": ('GRUB_CMDLINE_LINUX="a=1 \\\nb=2"\n', f"a=1 b=2 {CONSOLES}"),
    "escaped quotes": ('GRUB_CMDLINE_LINUX="dyndbg=\\"file x +p\\" ro"\n',
                       f'dyndbg="file x +p" ro {CONSOLES}'),
    "consoles of the usual entries": (
        'GRUB_CMDLINE_LINUX_DEFAULT="console=tty1 console=ttyS1,9600"\nGRUB_CMDLINE_LINUX=""\n',
        "console=tty1 console=ttyS1,9600",
    ),
    "no newline at the end": ('GRUB_CMDLINE_LINUX="ro"', f"ro {CONSOLES}"),
}  # fmt: skip


@pytest.mark.parametrize("text", SHELLS)
def test_what_a_shell_makes_of_the_settings(text: str) -> None:
    before, wanted = SHELLS[text]
    new = edit_grub_defaults({GRUB_DEFAULTS: before}, DISK, by_uuid=False)
    assert edit_grub_defaults(new, DISK, by_uuid=False) == {}
    script = new[GRUB_DEFAULTS] + '\nprintf %s "$GRUB_CMDLINE_LINUX"'
    said = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True)
    assert said.stdout.split() == wanted.split()


def test_settings_of_cloud_images_are_edited_where_they_stand() -> None:
    texts = {
        GRUB_DEFAULTS: 'GRUB_CMDLINE_LINUX=""\nGRUB_TERMINAL="console serial"\n',
        "/etc/default/grub.d/40-force-partuuid.cfg": "GRUB_FORCE_PARTUUID=12-34\n",
        "/etc/default/grub.d/50-cloudimg.cfg": 'GRUB_CMDLINE_LINUX="console=ttyS0 quiet"\n',
    }
    assert edit_grub_defaults(texts, DISK, by_uuid=False) == {
        # Without an initramfs only what is built into the kernel finds its disk.
        "/etc/default/grub.d/40-force-partuuid.cfg": "# any machine: GRUB_FORCE_PARTUUID=12-34\n",
        "/etc/default/grub.d/50-cloudimg.cfg": 'GRUB_CMDLINE_LINUX="console=tty0 console=ttyS0"\n',
    }


def test_the_kernels_names_of_disks_stay_off_only_where_they_are_harmless() -> None:
    texts = {
        GRUB_DEFAULTS: f'GRUB_CMDLINE_LINUX="{CONSOLES}"\nGRUB_DISABLE_LINUX_UUID="true"\n'
        'GRUB_TERMINAL="console serial"\n'
    }
    assert edit_grub_defaults(texts, DISK, by_uuid=False) == {}
    new = edit_grub_defaults(texts, DISK, by_uuid=True)[GRUB_DEFAULTS]
    assert '\n# any machine: GRUB_DISABLE_LINUX_UUID="true"' in new


def test_a_menu_that_was_written_by_hand() -> None:
    menu = (
        "menuentry x {\n\tlinux /vmlinuz-1 root=/dev/vda2 quiet\n\tinitrd /initrd.img-1\n}\n"
        "menuentry m {\n\tlinux16 /boot/memtest86+.bin console=tty0\n}\n"
    )
    assert edit_menu(menu, DISK) == menu.replace(
        "root=/dev/vda2 quiet", f"root=UUID=aaaa-2 {CONSOLES}"
    )


def test_files_that_hold_arguments_only() -> None:
    text = "# resume=x stays\nroot=/dev/vda2 resume=/dev/vda3\n"
    new = "# resume=x stays\nroot=UUID=aaaa-2"
    assert edit_command_line(text, DISK, consoles=False) == f"{new}\n"
    assert edit_command_line(text, DISK, consoles=True) == f"{new} {CONSOLES}\n"
    assert edit_command_line("\n", DISK, consoles=True) == "\n"


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("/dev/vda1 / ext4", True), ("root=/dev/xvda1", True), ("(hd0) /dev/nvme0n1", True),
        ("/dev/disk/by-path/pci-0000:00:07.0-part1", True), ("/dev/disk/by-uuid/1-2", False),
        ("/dev/disk/by-id/dm-name-rootvg-root", False), ("# /dev/sda1", False),
        ("/dev/mapper/rootvg-root", False), ("/dev/disk/by-id/lvm-pv-uuid-1", False),
        ('filter = [ "a|/dev/vda2|" ]', True), ("/dev/vdata/x", False),
    ],
)  # fmt: skip
def test_names_that_only_one_machine_has(text: str, named: bool) -> None:
    assert names_a_disk(text) is named
