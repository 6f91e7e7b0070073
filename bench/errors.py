"""What can stop a measurement."""

from __future__ import annotations


class BenchError(Exception):
    """A measurement that cannot go on: one sentence and what to do."""

    def __init__(self, sentence: str, hint: str) -> None:
        super().__init__(sentence)
        self.hint = hint
