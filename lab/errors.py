"""The one exception of the lab."""


class LabError(Exception):
    """Something the person at the keyboard can act on: one sentence and a hint."""

    def __init__(self, message: str, hint: str = "") -> None:
        """Keep the sentence (names the object and the value) and what to do next."""
        super().__init__(message)
        self.hint = hint
