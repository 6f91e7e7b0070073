"""The published description of the API: a golden file, and promises about secrets."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import httpx

from tests.golden import check_golden


def test_the_document_is_the_committed_one(client: httpx.Client) -> None:
    document = client.get("/v1/openapi.json").json()
    text = json.dumps(document, indent=1, ensure_ascii=False, sort_keys=True) + "\n"
    check_golden(Path(__file__).with_name("openapi.json"), text)


def test_it_is_openapi_3_1_and_every_reference_leads_somewhere(client: httpx.Client) -> None:
    document = client.get("/v1/openapi.json").json()
    assert document["openapi"].startswith("3.1.")
    named = set(re.findall(r"#/components/schemas/(\w+)", json.dumps(document)))
    assert named <= set(document["components"]["schemas"])


def test_no_answer_has_a_field_for_a_secret(client: httpx.Client) -> None:
    document = client.get("/v1/openapi.json").json()
    schemas = document["components"]["schemas"]
    answers = json.dumps(
        [
            answer["content"]
            for operations in document["paths"].values()
            for operation in operations.values()
            for answer in operation["responses"].values()
            if "content" in answer
        ]
    )
    seen: set[str] = set()
    waiting = set(re.findall(r"#/components/schemas/(\w+)", answers))
    while waiting:
        name = waiting.pop()
        seen.add(name)
        inside = json.dumps(schemas[name])
        waiting |= set(re.findall(r"#/components/schemas/(\w+)", inside)) - seen
        fields: dict[str, Any] = schemas[name].get("properties", {})
        assert not [field for field in fields if re.search("password|secret|token", field)], name
    assert {"MachineAnswer", "LeaseAnswer", "SpecAnswer", "BmcAddress"} <= seen
