"""`rackhand image build`: what a template may say, told at its place; nothing is built here."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
import yaml

from rackhand.build.making.debian_tree import read_list
from rackhand.build.making.image_settings import COMMON, RECIPES, kernel_arguments, packages_of
from rackhand.build.making.package_list import LockDiffers, check_lock
from rackhand.build.making.template import TEMPLATES, builtin_names, builtin_template
from rackhand.build.making.template_check import contradictions
from rackhand.doors.cli.image_build import read_template
from rackhand.doors.cli.yaml_file import read_yaml

from .conftest import COMMAND, Rackhand

SMALLEST = """\
name: mine
release: bookworm
layout:
  volumes:
    - {name: root, size_mib: 1024, mount: /}
"""


def test_every_flaw_is_told_at_its_place_with_a_way_out(rackhand: Rackhand, state: Path) -> None:
    file = state / "t.yaml"
    file.write_text("""\
name: Bank Standard
release: buster
mirror: deb.debian.org
packages: {add: [tcpdump, "nano-", "x y"]}
layout:
  volumes:
    - {name: root, size_mib: "512", filesystem: btrfs, mount: /a b}
ssh:
  root_login: maybe
  password_authentication: yes
  ciphers: [aes128-cbc]
password_policy: {minimum_length: 3}
time_zone: Mars/Olympus
kernel_arguments: ["quiet splash", 'a="b', root=/dev/sda1]
serial_console: {port: ttyUSB0, speed: 300}
files:
  - {path: /etc/../shadow, content: x}
  - {path: /etc/fstab, content: x}
colour: red
""")
    seen = rackhand("image", "build", file)
    assert seen.code == 3
    told = seen.err.replace(f"{file}:", "").splitlines()
    places = [line.split(" ")[0] + " " + line.split(" ")[1] for line in told[:-2]]
    assert places == [
        "1:7: name:", "2:10: release:", "3:9: mirror:", "4:27: packages.add[1]:",
        "4:36: packages.add[2]:", "7:30: layout.volumes[0].size_mib:",
        "7:49: layout.volumes[0].filesystem:", "7:63: layout.volumes[0].mount:",
        "9:15: ssh.root_login:", "10:28: ssh.password_authentication:", "11:13: ssh.ciphers[0]:",
        "12:35: password_policy.minimum_length:", "13:12: time_zone:",
        "15:24: serial_console.port:", "15:40: serial_console.speed:",
        "14:20: kernel_arguments[0]:", "14:36: kernel_arguments[1]:",
        "14:44: kernel_arguments[2]:", "17:12: files[0].path:", "18:12: files[1].path:",
        "19:9: colour:",
    ]  # fmt: skip
    assert told[-2].endswith("21 errors")
    assert "'nano-' is not a Debian package; as tcpdump" in seen.err
    assert "'root=/dev/sda1' is set by the builder; leave it out" in seen.err


def test_parts_that_contradict_each_other(rackhand: Rackhand, state: Path) -> None:
    file = state / "t.yaml"
    file.write_text("""\
name: debian-12
release: bookworm
packages:
  add: [tcpdump]
  leave_out: [linux-image-amd64, emacs]
layout:
  spare_mib: 3
  volumes:
    - {name: var, size_mib: 100, filesystem: xfs, mount: /var}
    - {name: var, size_mib: 101, mount: /var}
    - {name: boot, size_mib: 64, mount: /boot/x}
    - {name: swap, size_mib: 64, filesystem: swap, mount: /swap}
    - {name: data, size_mib: 64}
cloud_cfg: {datasource_list: [None]}
files:
  - {path: /etc/motd, content: x}
  - {path: /etc/motd, content: y}
""")
    seen = rackhand("image", "build", file)
    assert seen.code == 3
    for told in (
        "1:7: name: 'debian-12' is one of Rackhand's own; choose another name",
        "9:29: layout.volumes[0].size_mib: 100 is too small for xfs; it needs 304",
        "10:14: layout.volumes[1].name: 'var' is there twice; rename one",
        "10:29: layout.volumes[1].size_mib: 101 is no multiple of 4; say 104",
        "11:14: layout.volumes[2].name: 'boot' is the builder's own partition; rename it",
        "11:41: layout.volumes[2].mount: '/boot/x' must be on the root volume",
        "12:59: layout.volumes[3].mount: swap is mounted nowhere; leave mount out",
        "13:7: layout.volumes[4]: mount is missing; say where, as /srv",
        "9:5: layout.volumes: no volume is mounted at /; add one for the root",
        "7:14: layout.spare_mib: 3 is no multiple of 4",
        "5:15: packages.leave_out[0]: an image without 'linux-image-amd64' would not start",
        "5:34: packages.leave_out[1]: 'emacs' is not one of the builder's own; remove it here",
        "17:12: files[1].path: '/etc/motd' is there twice; keep one",
        "14:30: cloud_cfg.datasource_list: is the house's own",
    ):
        assert f"{file}:{told}" in seen.err


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("kernel_arguments", '["a\\nb"]'),
        ("kernel_arguments", "['a b']"),
        ("kernel_arguments", "[rd.lvm.vg=other]"),
        ("kernel_arguments", "['$(reboot)']"),
        ("time_zone", '"Etc/UTC\\n"'),
        ("locale", '"C.UTF-8\\nLANG=x"'),
        ("keymap", "'us\"; reboot'"),
        ("mirror", '"http://a.example/ bookworm main\\ndeb http://b.example/"'),
        ("files", '[{path: "/etc/a\\nb", content: x}]'),
        ("files", "[{path: /etc/a/, content: x}]"),
        ("files", '[{path: /etc/a, mode: "4755", content: x}]'),
        ("ssh", '{root_login: "yes\\nPermitEmptyPasswords yes"}'),
        ("serial_console", '{port: "ttyS0,115200 init=/bin/sh"}'),
    ],
)
def test_nothing_leaves_its_line_or_quotes(
    rackhand: Rackhand, state: Path, value: str, text: str
) -> None:
    file = state / "t.yaml"
    file.write_text(f"{SMALLEST}{value}: {text}\n")
    seen = rackhand("image", "build", file)
    assert seen.code == 3
    assert f"{file}:6:" in seen.err


def test_a_name_in_the_layout_is_one_plain_word(rackhand: Rackhand, state: Path) -> None:
    file = state / "t.yaml"
    file.write_text(SMALLEST.replace("name: root,", 'name: "root / ext4",'))
    assert f"{file}:5:14: layout.volumes[0].name" in rackhand("image", "build", file).err


@pytest.mark.parametrize("name", builtin_names())
def test_built_in_templates_read_the_same_as_anybodys(name: str) -> None:
    template = builtin_template(name)
    assert template.name == name
    assert contradictions(template) == ()
    assert read_template(str(TEMPLATES / f"{name}.yaml")) == template
    text = (TEMPLATES / f"{name}.yaml").read_text()
    assert read_yaml(str(TEMPLATES / f"{name}.yaml")).value == yaml.safe_load(text)


@pytest.mark.parametrize("name", builtin_names())
def test_no_unit_of_a_releases_recipe_is_masked(name: str) -> None:
    recipe = RECIPES / builtin_template(name).release
    brought = {unit.name for unit in (recipe / "files/etc/systemd/system").iterdir()}
    assert "cloud-init-local.service" in brought
    masked = [file for file in (COMMON / "masked-units.txt", recipe / "masked-units.txt")
              if file.exists()]  # fmt: skip
    assert not brought & {unit for file in masked for unit in read_list(file)}


def test_the_standard_image_has_nothing_beside_the_builders_own() -> None:
    standard = builtin_template("debian-12")
    assert "xfsprogs" not in packages_of(standard)
    assert kernel_arguments(standard) == (
        "rd.lvm.vg=rootvg rd.skipfsck rd.fstab=0 console=tty0 console=ttyS0,115200n8"
    )
    assert {"xfsprogs", "libpam-pwquality"} <= set(packages_of(builtin_template("debian-12-xfs")))


def test_templates_are_listed_and_printed(rackhand: Rackhand, state: Path) -> None:
    listed = rackhand("image", "templates", "-o", "json").json
    assert {row["name"] for row in listed} == set(builtin_names())
    printed = rackhand("image", "templates", "debian-12-xfs")
    assert printed.out == (TEMPLATES / "debian-12-xfs.yaml").read_text()
    for verb in ("templates", "build"):
        missing = rackhand("image", verb, "suse")
        assert missing.code == 4
        assert "debian-12-xfs" in missing.err


def test_what_would_be_in_vain_is_refused_before_anything_is_built(
    rackhand: Rackhand, state: Path
) -> None:
    (state / "full").mkdir()
    (state / "full/file").touch()
    there = rackhand("image", "build", "debian-12", "--out", state / "full")
    assert (there.code, "is there already" in there.err) == (3, True)
    nowhere = rackhand("image", "build", "debian-12", "--out", state / "a/b")
    assert (nowhere.code, f"no folder {state}/a" in nowhere.err) == (3, True)
    locked = rackhand("image", "build", "debian-12", "--write-lock")
    assert (locked.code, "has no lock" in locked.err) == (3, True)


@pytest.mark.skipif(os.geteuid() != 0, reason="becomes somebody else")
def test_without_root_it_says_so(tmp_path: Path) -> None:
    done = subprocess.run(
        ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups",
         COMMAND, "image", "build", "debian-12", "--cache", tmp_path / "cache"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 3, done.stderr
    assert done.stderr.startswith("error[needs-root]: ")
    assert not (tmp_path / "cache").exists()


def test_a_lock_names_every_difference() -> None:
    locked = "# kept by --write-lock\nbash=5.2-1\nless=590\nzstd=1.5\n"
    check_lock("bash=5.2-1\nless=590\nzstd=1.5\n", locked, "t.yaml.lock")
    with pytest.raises(LockDiffers) as differs:
        check_lock("bash=5.2-2\nnano=7\nzstd=1.5\n", locked, "t.yaml.lock")
    assert "3 packages differ" in differs.value.sentence
    assert differs.value.details["packages"] == [
        "bash 5.2-1 is 5.2-2 now", "less 590 is gone", "nano 7 is new",
    ]  # fmt: skip
