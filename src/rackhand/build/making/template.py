"""An image template: what a standard image is made of, as people write it in YAML."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field

from rackhand.build.making.template_values import (
    Cipher,
    FilePlace,
    KernelArgument,
    Kex,
    Keymap,
    Locale,
    Mac,
    Mode,
    MountPoint,
    Name,
    Package,
    SerialPort,
    TimeZone,
    Url,
    VolumeName,
)

TEMPLATES = Path(__file__).parent / "templates"


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, hide_input_in_errors=True)


class Packages(_Part):
    """Debian packages beside the builder's own (`recipes/debian/packages.txt`)."""

    add: list[Package] = []
    leave_out: Annotated[list[Package], Field(description="Of the builder's own.")] = []


class Volume(_Part):
    """A logical volume; its name is the file system's label, too."""

    name: VolumeName
    size_mib: Annotated[int, Field(gt=0, le=4 << 20, description="A multiple of 4.")]
    filesystem: Literal["ext4", "xfs", "swap"] = "ext4"
    mount: Annotated[MountPoint | None, Field(description="Where; not for swap.")] = None


class Layout(_Part):
    """How the disk is divided; its size follows."""

    esp_mib: Annotated[int, Field(ge=64, le=2048)] = 100
    boot_mib: Annotated[int, Field(ge=256, le=4096, description="/boot, always ext4.")] = 400
    volume_group: VolumeName = "rootvg"
    volumes: Annotated[list[Volume], Field(min_length=1)]
    spare_mib: Annotated[
        int, Field(ge=0, le=1 << 20, description="Left free in the group; a multiple of 4.")
    ] = 0


class Ssh(_Part):
    """What sshd allows; a list that is left out is OpenSSH's own."""

    root_login: Literal["no", "prohibit-password", "yes"] = "prohibit-password"
    password_authentication: Annotated[
        bool | None,
        Field(description="Left out: as cloud-init is told, and Rackhand tells it no."),
    ] = None
    ciphers: Annotated[list[Cipher], Field(min_length=1)] | None = None
    macs: Annotated[list[Mac], Field(min_length=1)] | None = None
    kex: Annotated[list[Kex], Field(min_length=1)] | None = None


class PasswordPolicy(_Part):
    """What passwd asks of a new password, root's too (pam_pwquality)."""

    minimum_length: Annotated[int, Field(ge=6, le=128)]
    minimum_classes: Annotated[
        int, Field(ge=1, le=4, description="Of: lower case, upper case, digits, others.")
    ] = 1


class SerialConsole(_Part):
    """The serial line that a BMC shows."""

    port: SerialPort = "ttyS0"
    speed: Literal[9600, 19200, 38400, 57600, 115200] = 115200


class ExtraFile(_Part):
    """A file to put into the image, root's own."""

    path: FilePlace
    mode: Mode = "0644"
    content: Annotated[str, Field(max_length=1 << 20)]


class Template(_Part):
    """A standard image to build: `rackhand image build FILE`."""

    name: Name
    description: str = ""
    release: Annotated[Literal["bookworm", "trixie"], Field(description="Debian 12 or Debian 13.")]
    mirror: Annotated[
        Url | None,
        Field(description="The installed system's, too; left out: RACKHAND_DEBIAN_MIRROR."),
    ] = None
    snapshot: Annotated[
        Url | None,
        Field(description="Where the packages are taken from instead, a frozen copy."),
    ] = None
    packages: Packages = Packages()
    layout: Layout
    ssh: Ssh = Ssh()
    password_policy: PasswordPolicy | None = None
    time_zone: TimeZone = "Etc/UTC"
    locale: Annotated[Locale | None, Field(description="Left out: none is set.")] = None
    keymap: Annotated[Keymap | None, Field(description="Left out: none is set.")] = None
    serial_console: SerialConsole | None = SerialConsole()
    kernel_arguments: list[KernelArgument] = []
    cloud_cfg: Annotated[
        dict[str, Any], Field(description="Settings for /etc/cloud/cloud.cfg.d.")
    ] = {}
    files: list[ExtraFile] = []


def builtin_names() -> tuple[str, ...]:
    """Return the names of the templates that come with Rackhand."""
    return tuple(sorted(path.stem for path in TEMPLATES.glob("*.yaml")))


def builtin_template(name: str) -> Template:
    """Return a template that comes with Rackhand; its file is ``TEMPLATES / NAME.yaml``."""
    return Template.model_validate(yaml.safe_load((TEMPLATES / f"{name}.yaml").read_text()))
