"""Images over REST."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any

import anyio.to_thread
from fastapi import APIRouter, Query, Request, Response

from rackhand.doors.api.errors import answer_error
from rackhand.doors.api.uploads import chunks_in_thread, piece_of, small_body
from rackhand.doors.api.wire_fields import Name
from rackhand.doors.api.wire_images import ImageAnswer, ImageDetails
from rackhand.model.errors import RackhandError
from rackhand.render.boot_matrix import boot_matrix_json, parse_boot_matrix
from rackhand.rules.image_fit import Misfit
from rackhand.work.images import Images

_MANIFEST_LIMIT_BYTES = 32 << 20
_MANIFEST = {"requestBody": {"required": True, "content": {"application/json": {"schema": {}}}}}
_MATRIX_LIMIT_BYTES = 1 << 20
_MATRIX_ANSWER: dict[str, Any] = {
    "responses": {"200": {"content": {"application/json": {"schema": {"type": "object"}}}}}
}
_CONTENT: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    },
    "parameters": [
        {
            "name": "Content-Range",
            "in": "header",
            "required": False,
            "description": "bytes FIRST-LAST/TOTAL: only this part comes (RFC 9110, 14.5).",
            "schema": {"type": "string"},
        }
    ],
}


def image_routes(images: Images) -> APIRouter:
    """Return the endpoints of images."""
    router = APIRouter(prefix="/images", tags=["images"])

    @router.get("")
    def list_images() -> list[ImageAnswer]:
        """Every image by name, retired ones too."""
        return [ImageAnswer.of(view) for view in images.all()]

    @router.post("", status_code=201, openapi_extra=_MANIFEST)
    async def add_image(
        request: Request,
        name: Annotated[Name | None, Query(description="Replaces the manifest's name.")] = None,
    ) -> ImageAnswer:
        """Add an image by its manifest: the very bytes of image.json, which are kept."""
        manifest = await small_body(request, _MANIFEST_LIMIT_BYTES)
        return ImageAnswer.of(await anyio.to_thread.run_sync(images.add, manifest, name))

    @router.get("/{image}")
    def show_image(image: str) -> ImageDetails:
        """One image by name or id, with what lies in it."""
        return ImageDetails.whole(images.find(image), images.contents(image))

    @router.get("/{image}/fit")
    def show_fit(image: str) -> list[Misfit]:
        """The machines on which it would not find its disk or drive a NIC, by model and reason."""
        return list(images.fit(image))

    @router.post("/{image}/retire")
    def retire_image(image: str) -> ImageAnswer:
        """Let it take no new leases; those that it has go on."""
        return ImageAnswer.of(images.retire(image))

    @router.post("/{image}/unretire")
    def unretire_image(image: str) -> ImageAnswer:
        """Let a retired image take leases again."""
        return ImageAnswer.of(images.retire(image, undo=True))

    @router.delete("/{image}", status_code=204)
    def remove_image(image: str) -> None:
        """Remove an image that no lease names, with its files."""
        images.remove(image)

    _add_boot_matrix(router, images)
    _add_content(router, images)
    return router


def _add_boot_matrix(router: APIRouter, images: Images) -> None:
    @router.get("/{image}/boot-matrix", openapi_extra=_MATRIX_ANSWER)
    def show_boot_matrix(image: str) -> Response:
        """How its trial starts ended: boot-matrix.json, as script/bootmatrix writes it."""
        text = boot_matrix_json(images.boot_matrix(image))
        return Response(text, media_type="application/json")

    @router.put("/{image}/boot-matrix", openapi_extra=_MANIFEST)
    async def put_boot_matrix(image: str, request: Request) -> ImageDetails:
        """Keep boot-matrix.json with the image; refused if it is another image's."""
        body = await small_body(request, _MATRIX_LIMIT_BYTES)
        matrix = parse_boot_matrix(body.decode(errors="replace"))

        def keep() -> ImageDetails:
            view = images.keep_boot_matrix(image, matrix)
            return ImageDetails.whole(view, images.contents(image))

        return await anyio.to_thread.run_sync(keep)


def _add_content(router: APIRouter, images: Images) -> None:
    @router.put("/{image}/content", response_model=ImageAnswer, openapi_extra=_CONTENT)
    async def put_content(image: str, request: Request) -> ImageAnswer | Response:
        """Send disk.zst, or from received_bytes on with Content-Range.

        The image is ready once all came and its SHA-256 was verified. What came before
        a break is kept for a week; only one client sends at a time.
        """
        try:
            chunks = chunks_in_thread(request.receive, f"image {image}", images.is_closed)
            receive = partial(images.receive, image, chunks, piece_of(request))
            return ImageAnswer.of(await anyio.to_thread.run_sync(receive))
        except RackhandError as error:
            # Whoever is still sending shall stop, not send gigabytes that nobody wants.
            refusal = answer_error(request, error)
            refusal.headers["Connection"] = "close"
            return refusal
