"""nginx's configuration: boot files and images, and the ramdisk's way to the engine."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import PurePosixPath


@dataclass(frozen=True, slots=True)
class NginxSettings:
    """What differs between installations. Workers run as ``user`` in ``group``."""

    address: IPv4Address
    http_root: PurePosixPath
    engine_socket: PurePosixPath
    access_log: PurePosixPath
    run_dir: PurePosixPath
    user: str
    group: str


RAMDISK_CALLS = (
    # (location, method, largest body): all that the deploy ramdisk calls
    # (ironic-python-agent, ironic_api_client.py and inspector.py).
    ("= /", "GET", "1k"),  # which API versions there are
    ("= /v1/lookup", "GET", "1k"),
    ("~ ^/v1/heartbeat/[0-9a-f-]+$", "POST", "1m"),
    # The inventory with the ramdisk's logs.
    ("= /v1/continue_inspection", "POST", "64m"),
)


def nginx_conf(settings: NginxSettings) -> str:
    """Return nginx.conf for one server on the management address, port 80.

    It serves ``http_root`` read-only and passes the ramdisk's calls, which carry no
    credentials by nature; everything else of the engine's API answers 404. The
    access log holds no query and no body, so no token.
    """
    run = settings.run_dir
    calls = "\n".join(_call(*call) for call in RAMDISK_CALLS)
    return f"""\
# Written by `rackhand up`, changes are lost.
daemon off;
user {settings.user} {settings.group};
worker_processes 2;
pid {run}/nginx.pid;
error_log stderr error;
events {{
    worker_connections 1024;
}}
http {{
    default_type application/octet-stream;
    server_tokens off;
    sendfile on;
    tcp_nopush on;
    # A slow firmware may pause; one that is gone must not hold a worker for long.
    send_timeout 60s;
    client_body_temp_path {run}/body;
    proxy_temp_path {run}/proxy;
    fastcgi_temp_path {run}/fastcgi;
    uwsgi_temp_path {run}/uwsgi;
    scgi_temp_path {run}/scgi;
    log_format boot escape=json '{{"at":$msec,"remote":"$remote_addr",'
        '"method":"$request_method","uri":"$uri","status":$status,'
        '"bytes":$body_bytes_sent,"seconds":$request_time}}';
    access_log {settings.access_log} boot;
    limit_req_zone $binary_remote_addr zone=ramdisk:1m rate=20r/s;
    upstream engine {{
        # Its listen backlog is 5: a refused connection is tried again.
        server unix:{settings.engine_socket} max_fails=0;
        server unix:{settings.engine_socket} max_fails=0;
        server unix:{settings.engine_socket} max_fails=0;
    }}
    server {{
        listen {settings.address}:80;
        root {settings.http_root};
        client_max_body_size 1k;
{calls}
        location /v1 {{
            return 404;
        }}
        location / {{
            limit_except GET {{
                deny all;
            }}
            try_files $uri =404;
        }}
    }}
}}
"""


def _call(location: str, method: str, body_max: str) -> str:
    return f"""\
        location {location} {{
            limit_except {method} {{
                deny all;
            }}
            client_max_body_size {body_max};
            limit_req zone=ramdisk burst=40 nodelay;
            proxy_set_header Host $host;
            proxy_next_upstream error;
            proxy_read_timeout 60s;
            proxy_pass http://engine;
        }}"""
