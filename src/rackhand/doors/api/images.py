"""Images over REST."""

from __future__ import annotations

from functools import partial
from typing import Annotated

import anyio.to_thread
from fastapi import APIRouter, Query, Request

from rackhand.doors.api.uploads import chunks_in_thread, small_body
from rackhand.doors.api.wire_fields import Name
from rackhand.model.image import Image
from rackhand.rules.image_fit import Misfit
from rackhand.work.images import Images

_MANIFEST_LIMIT_BYTES = 32 << 20
_MANIFEST = {"requestBody": {"required": True, "content": {"application/json": {"schema": {}}}}}
_CONTENT = {
    "requestBody": {
        "required": True,
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    }
}


def image_routes(images: Images) -> APIRouter:
    """Return the endpoints of images."""
    router = APIRouter(prefix="/images", tags=["images"])

    @router.get("")
    def list_images() -> list[Image]:
        """Every image by name."""
        return list(images.all())

    @router.post("", status_code=201, openapi_extra=_MANIFEST)
    async def add_image(
        request: Request,
        name: Annotated[Name | None, Query(description="Replaces the manifest's name.")] = None,
    ) -> Image:
        """Add an image by its manifest: the very bytes of image.json, which are kept."""
        manifest = await small_body(request, _MANIFEST_LIMIT_BYTES)
        return await anyio.to_thread.run_sync(images.add, manifest, name)

    @router.put("/{image}/content", openapi_extra=_CONTENT)
    async def put_content(image: str, request: Request) -> Image:
        """Send disk.zst; the image is ready once length and SHA-256 were verified."""
        chunks = chunks_in_thread(request.stream())
        return await anyio.to_thread.run_sync(partial(images.receive, image, chunks))

    @router.get("/{image}")
    def show_image(image: str) -> Image:
        """One image by name or id."""
        return images.find(image)

    @router.get("/{image}/fit")
    def show_fit(image: str) -> list[Misfit]:
        """The machines on which it would not find its disk or drive a NIC, by model and reason."""
        return list(images.fit(image))

    @router.delete("/{image}", status_code=204)
    def remove_image(image: str) -> None:
        """Remove an image that no lease names, with its files."""
        images.remove(image)

    return router
