"""Networks of both families and bonds by command line and file."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from rackhand.doors.cli.file_schemas import FILES

from .conftest import BMC_PASSWORD, House, Rackhand

LEASE = """
flavor: small
image: debian-12
hostname: db-01
networks: [{network: front, address_v6: "2001:db8:1::77"}, back]
bonds:
  - mode: 802.3ad
    networks: [front, back]
    lacp_rate: fast
    xmit_hash_policy: layer3+4
"""


MACHINES = f"""
zone: lab
machines:
  - name: n1
    bmc: {{address: 127.0.1.11, username: admin, password: {BMC_PASSWORD}}}
    nics:
      - {{mac: "52:54:00:00:01:01", vlan: 100, tagged: [200], boot: true, group: lag1}}
      - {{mac: "52:54:00:00:01:02", vlan: 100, tagged: [200], group: lag1}}
      - {{mac: "52:54:00:00:01:03", vlan: 200}}
"""


@pytest.fixture
def cabled(site: Path, house: House, rackhand: Rackhand) -> Iterator[Rackhand]:
    """A house with a machine that has two NICs in a LAG and one besides."""
    added = rackhand(
        *("network", "add", "back", "--zone", "lab", "--vlan", "200", "--subnet", "10.0.200.0/24"),
        *("--gateway", "10.0.200.1", "--range", "10.0.200.20-10.0.200.99"),
        *("--subnet-v6", "2001:db8:2::/64", "--range-v6", "2001:db8:2::10-2001:db8:2::ff"),
        *("--route", "10.66.0.0/16=10.0.200.9", "--exclude", "10.0.200.20-10.0.200.29"),
        *("--search", "lab.example", "--dns", "2001:db8::53", "--dns", "10.9.9.9"),
    )
    assert added.code == 0, added.err
    (site / "machines.yaml").write_text(MACHINES)
    with house.looping():
        imported = rackhand("machine", "import", "-f", site / "machines.yaml", "--wait")
        assert imported.code == 0, imported.err
        yield rackhand


def test_a_network_is_changed_and_shown(cabled: Rackhand) -> None:
    shown = cabled("network", "show", "back")
    assert "10.66.0.0/16=10.0.200.9" in shown.out
    assert "2001:db8:2::10-2001:db8:2::ff" in shown.out
    changed = cabled(
        *("network", "set", "back", "--mtu", "9000", "--clear", "dns", "--clear", "routes"),
        *("--router", "10.0.200.9", "-o", "json"),
    ).json
    assert (changed["mtu"], changed["dns"], changed["routes"]) == (9000, [], [])
    assert changed["router"] == "10.0.200.9"
    assert changed["subnet_v6"] == "2001:db8:2::/64"
    assert cabled("network", "set", "back").code == 2
    assert cabled("network", "set", "back", "--route", "10.66.0.0/16").code == 2


def test_a_bond_from_a_file(cabled: Rackhand, tmp_path: Path) -> None:
    set_v6 = cabled(
        *("network", "set", "front", "--subnet-v6", "2001:db8:1::/64"),
        *("--range-v6", "2001:db8:1::10-2001:db8:1::ff"),
    )
    assert set_v6.code == 0, set_v6.err
    file = tmp_path / "lease.yaml"
    file.write_text(LEASE)
    plan = cabled("lease", "plan", "-f", file)
    assert plan.code == 0, plan.err
    assert "2001:db8:1::77" in plan.out
    assert "bond0" in plan.out
    rendered = cabled("network", "render", file, "--os", "sles-15", "--to", tmp_path / "sles")
    assert rendered.code == 0, rendered.err
    ifcfg = (tmp_path / "sles/etc/sysconfig/network/ifcfg-bond0").read_text()
    assert "xmit_hash_policy=layer3+4" in ifcfg
    assert "2001:db8:1::77/64" in ifcfg
    asked = cabled("lease", "request", "-f", file, "--wait", "-o", "json")
    assert asked.code == 0, asked.err
    placement = asked.json[0]["placement"]
    assert placement["bonds"][0]["members"] == ["52:54:00:00:01:01", "52:54:00:00:01:02"]
    assert [a["bond"] for a in placement["assignments"]] == ["bond0", "bond0"]
    assert placement["assignments"][1]["address"] == "10.0.200.30"
    assert "802.3ad" in cabled("lease", "show", "db-01").out


def test_a_bond_from_options_and_the_table_of_a_refusal(cabled: Rackhand) -> None:
    ask = ["lease", "plan", "--flavor", "small", "--image", "debian-12", "--hostname", "db-01"]
    ask += ["--network", "front", "--network", "back"]
    fits = cabled(*ask, "--bond", "front:802.3ad", "-o", "json").json
    assert [nic["bond"] for nic in fits["nics"]] == ["bond0", None]
    refused = cabled(*ask, "--bond", "front,back:active-backup:2")
    assert refused.code == 6
    (row,) = [line for line in refused.err.splitlines() if "52:54:00:00:01:03" in line]
    assert "is cabled to VLAN 200 untagged" in row
    assert "NIC (n1)" in refused.err
    assert cabled(*ask, "--bond", "front").code == 2
    unfit = cabled(*ask, "--bond", "front:802.3ad", "--bond", "front:802.3ad")
    assert unfit.code == 3
    assert "already" in unfit.err


def test_the_documented_lease_with_bonds_is_valid() -> None:
    text = (Path(__file__).parents[2] / "docs/files.md").read_text()
    examples = map(yaml.safe_load, re.findall(r"^```yaml\n(.*?)^```", text, re.S | re.M))
    (with_bonds,) = (example for example in examples if "bonds" in example)
    (bond,) = FILES["lease"].model_validate(with_bonds).spec().bonds  # type: ignore[attr-defined]
    assert (bond.name, bond.lacp_rate, bond.mtu) == ("bond0", "fast", 9000)
