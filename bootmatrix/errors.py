"""What can stop a boot matrix."""

from __future__ import annotations


class MatrixError(Exception):
    """The matrix cannot be made: one sentence and what to do. Never the image's fault."""

    def __init__(self, sentence: str, hint: str) -> None:
        super().__init__(sentence)
        self.hint = hint
