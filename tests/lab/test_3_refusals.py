"""What is refused while n1 is held: each with its exit code, code and reason."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import tampered_images
from deployment_story import WEB, Deployed
from rackhand_site import Answer, Site

pytestmark = [pytest.mark.lab, pytest.mark.timeout(3600)]
GOOD = {"flavor": "small", "image": "debian-12", "network": "front", "hostname": "web-02"}


def ask(site: Site, **changes: str) -> Answer:
    """Request a lease that would be sound but for the changes."""
    words = [word for key, value in (GOOD | changes).items() for word in (f"--{key}", value)]
    return site.rackhand("lease", "request", *words, "-o", "json")


@pytest.mark.parametrize(
    ("changes", "ends", "named"),
    [
        ({"image": "plan9"}, (4, "not-found"), "plan9"),
        ({"network": "nowhere"}, (4, "not-found"), "nowhere"),
        ({"flavor": "enormous"}, (4, "not-found"), "enormous"),
        ({"hostname": WEB}, (3, "already-exists"), WEB),
        ({"hostname": "-x-"}, (3, "invalid-value"), "-x-"),
        ({"network": "front=10.100.0.999"}, (3, "invalid-value"), "networks[0].address"),
    ],
    ids=str,
)
def test_a_wrong_question_is_refused(
    site: Site, web: Deployed, changes: dict[str, str], ends: tuple[int, str], named: str
) -> None:
    answer = ask(site, **changes)
    assert (answer.code, answer.error) == ends, answer
    assert named in answer.err
    assert "hint: " in answer.err


def test_a_held_machine_is_not_given_twice(site: Site, web: Deployed) -> None:
    answer = ask(site)
    assert (answer.code, answer.error) == (6, "no-exact-match"), answer
    assert f"lease {WEB} holds it" in answer.err
    assert "memory_mib: asked 3072, found 4096" in answer.err


def test_a_bigger_flavor_matches_nothing(site: Site, web: Deployed) -> None:
    answer = ask(site, flavor="huge")
    assert (answer.code, answer.error) == (6, "no-exact-match"), answer
    for found in ("3072", "4096"):
        assert f"memory_mib: asked 65536, found {found}" in answer.err


def test_nothing_is_left_of_what_was_refused(site: Site, web: Deployed) -> None:
    names = {lease["name"] for lease in site.done("lease", "list", "--all", "-o", "json").json}
    assert "web-02" not in names


def test_a_tampered_image_is_refused_and_nothing_kept(
    site: Site, web: Deployed, tiny_image: Path, tmp_path: Path
) -> None:
    tampered = tmp_path / "tampered"
    shutil.copytree(tiny_image, tampered)
    tampered_images.flip(tampered / "disk.zst", at=0.5)
    before = _image_files(site)
    answer = site.rackhand("image", "add", "tampered", "--from", str(tampered))
    assert (answer.code, answer.error) == (3, "invalid-value"), answer
    assert tampered_images.sha256_of(tiny_image / "disk.zst") in answer.err
    assert tampered_images.sha256_of(tampered / "disk.zst") in answer.err
    assert site.rackhand("image", "show", "tampered").code == 4
    assert _image_files(site) == before


def test_a_cut_off_image_is_refused_and_nothing_kept(
    site: Site, web: Deployed, tiny_image: Path, tmp_path: Path
) -> None:
    cut = tmp_path / "cut"
    shutil.copytree(tiny_image, cut)
    with (cut / "disk.zst").open("r+b") as file:
        file.truncate(1000)
    before = _image_files(site)
    answer = site.rackhand("image", "add", "cut", "--from", str(cut))
    assert (answer.code, answer.error) == (3, "invalid-file"), answer
    assert _image_files(site) == before


def _image_files(site: Site) -> set[str]:
    return {path.name for path in (site.state / "http/images").iterdir()}
