"""nginx's configuration; the real nginx is asked in tests/up/test_up.py."""

from __future__ import annotations

import re
from ipaddress import IPv4Address
from pathlib import Path, PurePosixPath

from rackhand.render.nginx import NginxSettings, nginx_conf

GOLDEN = Path(__file__).parent / "golden-services/nginx.conf"
CONF = nginx_conf(
    NginxSettings(
        address=IPv4Address("10.255.255.1"),
        http_root=PurePosixPath("/state/http"),
        engine_socket=PurePosixPath("/state/ironic/ironic.sock"),
        access_log=PurePosixPath("/state/logs/nginx-access.jsonl"),
        run_dir=PurePosixPath("/state/run/nginx"),
        user="www-data",
        group="rackhand",
    )
)


def test_the_configuration_is_as_agreed() -> None:
    assert GOLDEN.read_text() == CONF


def test_the_log_holds_nothing_that_could_be_a_token() -> None:
    logged = set(re.findall(r"\$(\w+)", CONF.partition("log_format")[2].partition(";")[0]))
    assert logged == {
        "msec",
        "remote_addr",
        "request_method",
        "uri",  # without the query
        "status",
        "body_bytes_sent",
        "request_time",
    }


def test_only_the_ramdisks_calls_reach_the_engine() -> None:
    passed = re.findall(r"location ([^{]+) \{[^}]*?\}[^}]*proxy_pass", CONF)
    assert passed == [
        "= /",
        "= /v1/lookup",
        "~ ^/v1/heartbeat/[0-9a-f-]+$",
        "= /v1/continue_inspection",
    ]
