"""No endpoint answers a stranger, not even those that do not exist yet."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from fastapi.routing import iter_route_contexts

from rackhand.doors.api.app import create_api

from .conftest import TOKEN, House, asking, serving


def endpoints() -> list[tuple[str, str]]:
    app = House().api
    return sorted(
        (method, str(route.path))
        for route in iter_route_contexts(app.routes)
        for method in route.methods or ()
    )


ENDPOINTS = endpoints()


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    state = tmp_path_factory.mktemp("state")
    with serving(House(), state), asking(state, None) as client:
        yield client


def test_every_noun_is_among_the_endpoints() -> None:
    nouns = {path.split("/")[2] for _, path in ENDPOINTS}
    assert nouns == {
        *("zones", "networks", "flavors", "images", "machines", "leases", "events", "gateway"),
        *("strangers", "discoveries", "openapi.json"),
    }
    assert all(path.startswith("/v1/") for _, path in ENDPOINTS)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer wrong"},
        {"Authorization": "Basic dGVzdC10b2tlbg=="},
        {"Authorization": "test-token"},
        {"Authorization": "Bearer tést".encode()},
    ],
    ids=["none", "empty", "wrong", "basic", "bare", "not ASCII"],
)
@pytest.mark.parametrize(("method", "path"), [*ENDPOINTS, ("GET", "/v1/nothing"), ("GET", "/")])
def test_a_stranger_gets_401_before_anything_is_read(
    stranger: httpx.Client, method: str, path: str, headers: dict[str, str]
) -> None:
    answer = stranger.request(method, path, headers=headers, content=b"{not json")
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    if method != "HEAD":
        assert answer.json()["error"]["code"] == "not-allowed"


@pytest.mark.parametrize(("method", "path"), ENDPOINTS)
def test_who_holds_the_token_gets_past(stranger: httpx.Client, method: str, path: str) -> None:
    known = {"Authorization": f"bearer {TOKEN}"}
    assert stranger.request(method, path, headers=known).status_code not in (401, 500)


def test_an_empty_token_is_refused(house: House) -> None:
    with pytest.raises(ValueError, match="empty token"):
        create_api(house.work, "")
