"""Field types of the wire: the model's parsers, as pydantic sees them."""

from __future__ import annotations

import re
from collections.abc import Callable
from ipaddress import ip_address
from typing import Annotated, TypeVar
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, Strict
from pydantic_core import PydanticCustomError

from rackhand.model.access import parse_password_hash, parse_ssh_key
from rackhand.model.errors import InvalidValue
from rackhand.model.names import parse_hostname, parse_mac, parse_name, parse_sha256
from rackhand.model.network import AddressRange, parse_vlan

T = TypeVar("T")
U = TypeVar("U")


class Body(BaseModel):
    """What people send: unknown keys are errors, and inputs never appear in errors."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True, allow_inf_nan=False)


class Answer(BaseModel):
    """What Rackhand answers; holds no secret, by having no field for one."""

    model_config = ConfigDict(frozen=True)


def parsed(parse: Callable[[T], U]) -> AfterValidator:
    """Run one of the model's parsers, its sentence and hint kept for the error."""

    def check(value: T) -> U:
        try:
            return parse(value)
        except InvalidValue as wrong:
            raise PydanticCustomError(
                "rackhand", "{sentence}", {"sentence": wrong.sentence, "hint": wrong.hint}
            ) from None

    return AfterValidator(check)


def _name(text: str) -> str:
    return parse_name("name", text)


def _range(text: str) -> str:
    parse_range(text)
    return text


def parse_range(text: str) -> AddressRange:
    """Return the addresses that ``first-last`` (or one address) names, of either family."""
    first, _, last = text.replace(" ", "").partition("-")
    try:
        ends = ip_address(first), ip_address(last or first)
    except ValueError:
        raise InvalidValue(
            "ranges", text, "is not an address range", "write it as 10.0.0.50-10.0.0.99"
        ) from None
    if ends[0].version != ends[1].version:
        raise InvalidValue("ranges", text, "mixes IPv4 and IPv6")
    if int(ends[0]) > int(ends[1]):
        raise InvalidValue("ranges", text, "ends before it begins", "swap both addresses")
    return AddressRange(*ends)


def _bmc_host(text: str) -> str:
    try:
        return str(ip_address(text))
    except ValueError:
        if re.fullmatch(r"[0-9.]+", text):
            raise InvalidValue("address", text, "is not an IP address") from None
        return parse_hostname(text)


def _secret_hash(secret: SecretStr) -> SecretStr:
    parse_password_hash(secret.get_secret_value())
    return secret


Name = Annotated[str, parsed(_name), Field(examples=["n1"])]
Reference = Annotated[str, Field(min_length=1, max_length=63, description="A name or an id.")]
HostnameText = Annotated[str, parsed(parse_hostname), Field(examples=["db-01"])]
MacText = Annotated[str, parsed(parse_mac), Field(examples=["52:54:00:00:01:01"])]
BmcHost = Annotated[str, parsed(_bmc_host), Field(examples=["10.0.0.11"])]
VlanId = Annotated[int, Strict(), parsed(parse_vlan), Field(examples=[100])]
RangeText = Annotated[str, parsed(_range), Field(examples=["10.0.100.50-10.0.100.99"])]
Sha256 = Annotated[str, parsed(parse_sha256)]
SshKey = Annotated[str, parsed(parse_ssh_key), Field(examples=["ssh-ed25519 AAAA… you@host"])]
PasswordHash = Annotated[
    SecretStr,
    parsed(_secret_hash),
    Field(description="crypt(5) SHA-512 or yescrypt. Write-only: never in an answer."),
]
Count = Annotated[int, Strict(), Field(ge=1, le=1 << 53)]
Port = Annotated[int, Strict(), Field(ge=1, le=65535)]
Flag = Annotated[bool, Strict()]


class StoredAnswer(Answer):
    """What every stored object has."""

    id: UUID
    name: str
    generation: int
