"""Zones on the wire."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from rackhand.doors.api.wire_fields import Body, Name


class ZoneBody(Body):
    """A zone to add: a network region that one gateway's trunk reaches."""

    name: Name
    description: Annotated[str, Field(max_length=500)] = ""
