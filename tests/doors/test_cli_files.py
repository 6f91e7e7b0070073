"""YAML files: flaws at their line and column, and the documented examples."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml

from rackhand.doors.cli.exits import Complaint
from rackhand.doors.cli.file_schemas import FILES
from rackhand.doors.cli.schema import KINDS
from rackhand.doors.cli.yaml_file import read_yaml

from .conftest import Rackhand, machines_yaml

DOCUMENT = Path(__file__).parents[2] / "docs/files.md"


def test_flaws_are_told_at_their_place(rackhand: Rackhand, site: Path) -> None:
    file = site / "machines.yaml"
    file.write_text(
        """\
zone: lab
machines:
  - name: n1
    bmc: {address: 127.0.1.11, username: admin, password: secret}
    nics:
      - {mac: 52:54:00:00:01:01, vlan: 100, boot: true}
  - name: n2
    bmc:
      address: 127.0.1.12
      username: admin
      password: 12345
    nics:
      - {mac: "52:54:00:00:02", vlan: 100, boot: true}
      - mac: 52:54:00:00:02:02
        vlan: 4095
        tagged: [1, x]
        color: red
"""
    )
    seen = rackhand("machine", "import", "-f", file)
    assert seen.code == 3
    assert seen.err.splitlines() == [
        f"{file}:11:17: machines[1].bmc.password: must be text; put it in quotes",
        f"{file}:13:15: machines[1].nics[0].mac: '52:54:00:00:02' is not a MAC address",
        f"{file}:15:15: machines[1].nics[1].vlan: 4095 is not a VLAN id (1 to 4094)",
        f"{file}:16:21: machines[1].nics[1].tagged[1]: must be a whole number (given: 'x')",
        f"{file}:17:16: machines[1].nics[1].color: is no known key",
        f"error[invalid-file]: {file}: 5 errors",
        "hint: correct these entries, or import the others with only_good",
    ]
    assert rackhand("machine", "list", "-o", "json").json == []
    good = rackhand("machine", "import", "-f", file, "--only-good", "-o", "json")
    assert good.code == 0
    assert [machine["name"] for machine in good.json] == ["n1"]
    assert f"{file}:13:15: left out: machines[1].nics[0].mac" in good.err


def test_duplicates_are_told_at_their_place(rackhand: Rackhand, site: Path) -> None:
    file = site / "machines.yaml"
    file.write_text(machines_yaml("n1", "n2").replace("52:54:00:00:02:01", "52:54:00:00:01:01"))
    seen = rackhand("machine", "import", "-f", file)
    assert seen.code == 3
    assert re.search(rf"{file}:11:15: .*52:54:00:00:01:01", seen.err), seen.err


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ("machines: [\n", "2:1", "not YAML"),
        ("machines:\n  - a: 1\n    a: 2\n", "3:5", "a stands here twice"),
        ("", "1:1", "the file is empty"),
        ("machines:\n\t- x\n", "2:1", "not YAML"),
    ],
)
def test_files_that_are_no_yaml(tmp_path: Path, text: str, place: str, words: str) -> None:
    file = tmp_path / "f.yaml"
    file.write_text(text)
    with pytest.raises(Complaint, match=words) as caught:
        read_yaml(str(file))
    assert f"{file}:{place}: " in caught.value.sentence


def test_words_that_only_old_yaml_takes_for_something_else_stay_text(tmp_path: Path) -> None:
    file = tmp_path / "f.yaml"
    file.write_text("[52:54:00:12:34:56, 1:20, yes, no, on, 2026-11-22, 010, 1_000, 0x10, 0o7]")
    assert all(isinstance(value, str) for value in read_yaml(str(file)).value)
    file.write_text("[1, -2, 1.5, true, false, null, ~, text]")
    assert read_yaml(str(file)).value == [1, -2, 1.5, True, False, None, None, "text"]


def test_anchors_and_merges_keep_their_places(tmp_path: Path) -> None:
    file = tmp_path / "f.yaml"
    file.write_text("a: &a\n  x: 1\nb:\n  <<: *a\n  y: 2\n")
    found = read_yaml(str(file))
    assert found.value["b"] == {"x": 1, "y": 2}
    assert found.place(("b", "x")) == f"{file}:2:6"
    assert found.place(("b", "y", "deeper")) == f"{file}:5:6"


@pytest.mark.parametrize("name", ["missing.yaml", "."])
def test_files_that_cannot_be_read(rackhand: Rackhand, state: Path, name: str) -> None:
    seen = rackhand("zone", "add", "-f", state / name)
    assert seen.code == 3
    assert seen.err.startswith(f"error[invalid-file]: {state / name}: ")


def test_a_file_of_another_kind(rackhand: Rackhand, state: Path) -> None:
    (state / "f.yaml").write_text("zones: []\nmore: 1\n")
    seen = rackhand("network", "add", "-f", state / "f.yaml")
    assert "the file has no list 'networks'" in seen.err
    seen = rackhand("zone", "add", "-f", state / "f.yaml")
    assert f"{state}/f.yaml:2:7: more is no known key" in seen.err
    for text in ("just text", "[1, 2]", "machines: 5"):
        (state / "m.yaml").write_text(text)
        seen = rackhand("machine", "import", "-f", state / "m.yaml")
        assert (seen.code, f"{state}/m.yaml:1:" in seen.err) == (3, True), text


def examples() -> dict[str, str]:
    """Return each YAML block of docs/files.md by the kind its heading names."""
    found = re.findall(r"^## (\w+)\n.*?^```yaml\n(.*?)^```", DOCUMENT.read_text(), re.S | re.M)
    return dict(found)


def test_every_kind_has_an_example_and_a_schema(rackhand: Rackhand) -> None:
    assert set(examples()) == set(FILES) == set(KINDS)
    for kind in KINDS:
        document = json.loads(rackhand("schema", kind).out)
        assert document["$schema"].endswith("2020-12/schema")
        assert document["additionalProperties"] is False


@pytest.mark.parametrize("kind", KINDS)
def test_the_documented_example_is_valid(kind: str) -> None:
    FILES[kind].model_validate(yaml.safe_load(examples()[kind]))


def test_the_documented_examples_work(rackhand: Rackhand, site: Path) -> None:
    (site / "secrets").mkdir()
    (site / "secrets/n2.password").write_text("secret\n")
    (site / "root.password").write_text("secret\n")
    for kind, text in examples().items():
        file = site / f"{kind}.yaml"
        file.write_text(text)
        if kind == "lease":
            seen = rackhand("lease", "request", "-f", file)
            assert seen.code == 6, seen.err  # nothing inspected yet: no machine fits
        elif kind == "template":
            continue  # built for real in tests/build
        elif kind == "machines":
            seen = rackhand("machine", "import", "-f", file)
            assert seen.code == 0, seen.err
        else:
            seen = rackhand(kind.removesuffix("s"), "add", "-f", file)
            assert seen.code == 0, seen.err
