"""The strongest way of erasing that a disk offers, by what its own tools say."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rackhand.model.cleaning import CleaningPolicy, EraseMethod
from rackhand.model.errors import InvalidValue
from rackhand.rules.erasure import (
    ata_methods,
    nvme_methods,
    plan_erasure,
    policy_from_arguments,
    policy_of,
)

M = EraseMethod

# The end of hdparm -I, as hdparm 9.65 prints it.
SECURITY = """
ATA device, with non-removable media
Security: 
\tMaster password revision code = 65534
\t\tsupported
\tnot\tenabled
\tnot\tlocked
\t{frozen}
\tnot\texpired: security count
\t\tsupported: enhanced erase
\t2min for SECURITY ERASE UNIT. 2min for ENHANCED SECURITY ERASE UNIT.
Logical Unit WWN Device Identifier: 55cd2e404b7a1234
"""  # noqa: W291  # as hdparm writes it


@given(st.frozensets(st.sampled_from(EraseMethod)))
def test_a_full_erase_ends_with_what_works_everywhere(offered: frozenset[EraseMethod]) -> None:
    better = offered - {M.OVERWRITE, M.SIGNATURES}
    plan = plan_erasure(CleaningPolicy.FULL, better)
    assert plan[-1] is M.OVERWRITE
    assert set(plan) == better | {M.OVERWRITE}
    assert list(plan) == [method for method in EraseMethod if method in plan]
    assert plan_erasure(CleaningPolicy.METADATA, better) == (M.SIGNATURES,)


@pytest.mark.parametrize(
    ("facts", "namespaces", "methods"),
    [
        ({"oacs": 0x17, "fna": 4, "sanicap": 3}, 1,
         {M.NVME_SANITIZE_BLOCK, M.NVME_SANITIZE_CRYPTO, M.NVME_FORMAT_CRYPTO, M.NVME_FORMAT}),
        ({"oacs": 0x17, "fna": 4, "sanicap": 3}, 2, {M.NVME_FORMAT_CRYPTO, M.NVME_FORMAT}),
        ({"oacs": 2, "fna": 1, "sanicap": 3}, 2, set()),
        ({"oacs": 2, "fna": 1}, 1, {M.NVME_FORMAT}),
        ({"oacs": 0, "sanicap": 4}, 1, set()),
        ({}, 1, set()),
    ],
)  # fmt: skip
def test_nvme(facts: dict[str, int], namespaces: int, methods: set[EraseMethod]) -> None:
    assert nvme_methods(facts, namespaces) == methods


def test_ata() -> None:
    text = SECURITY.format(frozen="not\tfrozen")
    assert ata_methods(text) == ({M.ATA_ERASE, M.ATA_ERASE_ENHANCED}, "")
    plain = text.replace("\t\tsupported: enhanced erase\n", "")
    assert ata_methods(plain) == ({M.ATA_ERASE}, "")
    assert ata_methods(SECURITY.format(frozen="\tfrozen")) == (set(), "its ATA security is frozen")
    locked = text.replace("not\tlocked", "\tlocked")
    assert ata_methods(locked) == (set(), "its ATA security is locked")
    assert ata_methods("ATA device") == (set(), "it has no ATA security feature set")


@given(st.text())
def test_ata_words_of_any_kind_are_no_error(text: str) -> None:
    ata_methods(f"\nSecurity:\n{text}")


def test_the_policy_comes_from_the_kernel_arguments() -> None:
    assert policy_from_arguments("quiet ipa-insecure=1") is CleaningPolicy.METADATA
    assert policy_from_arguments("a rackhand-cleaning=full b") is CleaningPolicy.FULL
    with pytest.raises(InvalidValue, match="'ful' is none of metadata, full"):
        policy_from_arguments("rackhand-cleaning=ful")


@pytest.mark.parametrize(
    ("settings", "flavor", "policy"),
    [
        ("metadata", None, "metadata"),
        ("metadata", "metadata", "metadata"),
        ("metadata", "full", "full"),
        ("full", "metadata", "full"),
        ("full", None, "full"),
    ],
)
def test_a_flavor_makes_cleaning_stricter_never_milder(
    settings: str, flavor: str | None, policy: str
) -> None:
    extra = {} if flavor is None else {"rackhand_cleaning": flavor}
    assert policy_of(f"quiet rackhand-cleaning={settings}", extra) == policy


def test_a_flavors_policy_that_does_not_exist_is_refused() -> None:
    with pytest.raises(InvalidValue, match="rackhand_cleaning: 'ful' is none of"):
        policy_of("", {"rackhand_cleaning": "ful"})
