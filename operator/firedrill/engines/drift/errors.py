"""Errors in what was asked of the drift engine; odd data is never one."""

from firedrill.api.errors import InvalidInput


class UnknownColumn(InvalidInput):
    """A column was named that neither table has. ``field`` is the field of the spec that names it."""

    def __init__(self, field: str, names: list[str]) -> None:
        self.field = field
        self.names = names
        listed = ", ".join(repr(name) for name in names)
        super().__init__(f"{field} names {listed}, which neither reference nor current has")
