"""All objects of one kind in one table: found, added, changed by compare-and-set, removed."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Generic, Protocol, TypeVar
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from rackhand.model.errors import AlreadyExists, NotFound, StoreBroken, WrongState


class Noun(Protocol):
    """What every kept object has."""

    @property
    def id(self) -> UUID: ...  # noqa: D102
    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def generation(self) -> int: ...  # noqa: D102


N = TypeVar("N", bound=Noun)
Row = sa.RowMapping


@dataclass(frozen=True, slots=True)
class Claim:
    """A value that only one object of the kind may have: where it is kept, and in words."""

    field: str
    value: str
    where: Mapping[str, Any]
    """Column and value."""


class TableShelf(ABC, Generic[N]):
    """A shelf over one table; subclasses say how a row becomes an object and back.

    Every statement that may break uniqueness runs in a savepoint, so that the
    transaction stays usable after AlreadyExists (PostgreSQL would refuse to go on).
    """

    kind: ClassVar[str]
    table: ClassVar[sa.Table]
    name_column: ClassVar[str] = "name"
    order: ClassVar[tuple[str, ...]] = ("name",)

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    @abstractmethod
    def to_row(self, thing: N) -> dict[str, Any]:
        """Return the object's columns, all of them."""

    @abstractmethod
    def from_row(self, row: Row) -> N:
        """Return the object; KeyError, TypeError or ValueError when the row makes no sense."""

    def claims(self, thing: N) -> Sequence[Claim]:
        """Return what nobody else may have."""
        return [Claim("name", thing.name, {"name": thing.name})]

    def write_beside(self, thing: N) -> None:
        """Write what belongs to the object in other tables, replacing what was there."""

    def holders_beside(self, thing: N) -> Iterator[tuple[str, str, str]]:  # noqa: ARG002
        """Yield field, value and holder's name of claims that other tables keep."""
        yield from ()

    def find(self, name_or_id: str) -> N:
        """Return the object; NotFound names kind and value."""
        for column, value in (("id", name_or_id.lower()), (self.name_column, name_or_id)):
            query = sa.select(self.table).where(self.table.c[column] == value)
            row = self._connection.execute(query).mappings().first()
            if row is not None:
                return self._read(row)
        raise NotFound(self.kind, name_or_id)

    def all(self) -> Sequence[N]:
        """Return every object, in the kind's order."""
        query = sa.select(self.table).order_by(*(self.table.c[name] for name in self.order))
        return [self._read(row) for row in self._connection.execute(query).mappings()]

    def add(self, thing: N) -> None:
        """Store a new object; AlreadyExists when something of it is taken."""
        try:
            with self._connection.begin_nested():
                self._connection.execute(sa.insert(self.table).values(self.to_row(thing)))
                self.write_beside(thing)
        except IntegrityError as error:
            raise self._explained(thing, error, is_new=True) from error

    def replace(self, thing: N) -> N:
        """Store a change made to ``thing.generation``; return it with the next generation."""
        changed: N = replace(thing, generation=thing.generation + 1)  # type: ignore[type-var]
        columns = self.table.c
        update = (
            sa.update(self.table)
            .where(columns.id == str(thing.id), columns.generation == thing.generation)
            .values(self.to_row(changed))
        )
        try:
            with self._connection.begin_nested():
                if self._connection.execute(update).rowcount == 0:
                    raise self._missed(thing)
                self.write_beside(changed)
        except IntegrityError as error:
            raise self._explained(thing, error, is_new=False) from error
        return changed

    def remove(self, thing_id: UUID) -> None:
        """Remove the object; NotFound when there is none."""
        delete = sa.delete(self.table).where(self.table.c.id == str(thing_id))
        if self._connection.execute(delete).rowcount == 0:
            raise NotFound(self.kind, str(thing_id))

    def _read(self, row: Row) -> N:
        try:
            return self.from_row(row)
        except (KeyError, TypeError, ValueError) as error:
            raise StoreBroken(
                f"the stored {self.kind} {row['id']} cannot be read: {error!r}",
                "restore the database from a backup, or report this as an error of Rackhand",
            ) from error

    def _missed(self, thing: N) -> NotFound | WrongState:
        query = sa.select(self.table.c.generation).where(self.table.c.id == str(thing.id))
        stored = self._connection.execute(query).scalar_one_or_none()
        if stored is None:
            return NotFound(self.kind, str(thing.id))
        return WrongState(
            f"{self.kind} {thing.name!r} was changed meanwhile "
            f"(generation {thing.generation} is now {stored})",
            "read it again and repeat the change",
        )

    def _explained(
        self, thing: N, error: IntegrityError, is_new: bool
    ) -> AlreadyExists | StoreBroken:
        """Say which claim is held by whom; databases word it differently, so ask the rows."""
        for field, value, holder in self._holders(thing, is_new):
            return AlreadyExists(self.kind, field, value, f"{self.kind} {holder}")
        return StoreBroken(
            f"the database refused {self.kind} {thing.name!r}: {error.orig}",
            "report this as an error of Rackhand",
        )

    def _holders(self, thing: N, is_new: bool) -> Iterator[tuple[str, str, str]]:
        columns = self.table.c
        if is_new:
            for name in self._names(columns.id == str(thing.id)):
                yield "id", str(thing.id), name
        for claim in self.claims(thing):
            matches = [columns[column] == value for column, value in claim.where.items()]
            for name in self._names(columns.id != str(thing.id), *matches):
                yield claim.field, claim.value, name
        yield from self.holders_beside(thing)

    def _names(self, *conditions: sa.ColumnElement[bool]) -> Sequence[str]:
        query = sa.select(self.table.c.name).where(*conditions)
        return self._connection.execute(query).scalars().all()
