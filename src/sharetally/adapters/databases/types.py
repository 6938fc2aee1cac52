"""Column types that mean the same on every database.

Ids are `uuid` on PostgreSQL and 16 bytes elsewhere; times are UTC to the microsecond; text is compared
exactly, code point by code point, which the tables' collations see to.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects import mysql, postgresql
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

_SQLITE_TIME = "%Y-%m-%d %H:%M:%S.%f"


class Id(sa.types.TypeDecorator[UUID]):
    """A UUID."""

    impl = sa.LargeBinary
    cache_ok = True

    def load_dialect_impl(self, dialect: sa.Dialect) -> sa.types.TypeEngine[Any]:
        if dialect.name == "postgresql":
            return dialect.type_descriptor(postgresql.UUID(as_uuid=True))
        binary = mysql.BINARY(16) if dialect.name in ("mysql", "mariadb") else sa.LargeBinary(16)
        return dialect.type_descriptor(binary)

    def bind_processor(self, dialect: sa.Dialect) -> Callable[[Any], Any] | None:
        return None if dialect.name == "postgresql" else super().bind_processor(dialect)

    def result_processor(self, dialect: sa.Dialect, coltype: object) -> Callable[[Any], Any] | None:
        return None if dialect.name == "postgresql" else super().result_processor(dialect, coltype)

    def process_bind_param(self, value: UUID | None, dialect: sa.Dialect) -> object:
        return None if value is None else value.bytes

    def process_result_value(self, value: object, dialect: sa.Dialect) -> UUID | None:
        if value is None or isinstance(value, UUID):
            return value
        assert isinstance(value, bytes)
        return UUID(bytes=value)


class UtcTime(sa.types.TypeDecorator[datetime]):
    """A moment in UTC, to the microsecond."""

    impl = sa.TIMESTAMP
    cache_ok = True

    def load_dialect_impl(self, dialect: sa.Dialect) -> sa.types.TypeEngine[Any]:
        if dialect.name == "postgresql":
            return dialect.type_descriptor(postgresql.TIMESTAMP(timezone=True))
        if dialect.name == "sqlite":
            return dialect.type_descriptor(sa.String(26))
        return dialect.type_descriptor(mysql.DATETIME(fsp=6))

    def bind_processor(self, dialect: sa.Dialect) -> Callable[[Any], Any] | None:
        return None if dialect.name == "postgresql" else super().bind_processor(dialect)

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> object:
        if value is None:
            return None
        naive = value.astimezone(UTC).replace(tzinfo=None)
        return naive.strftime(_SQLITE_TIME) if dialect.name == "sqlite" else naive

    def process_result_value(self, value: object, dialect: sa.Dialect) -> datetime | None:
        if value is None:
            return None
        moment = datetime.fromisoformat(value) if isinstance(value, str) else value
        assert isinstance(moment, datetime)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment


@dataclass(frozen=True, kw_only=True, slots=True)
class Binding:
    """How a driver takes the two types of values that databases store differently."""

    id: Callable[[Any], Any]
    time: Callable[[Any], Any]

    @classmethod
    def of(cls, dialect: sa.Dialect) -> Binding:
        """The binding of one dialect; values that its driver takes as they are stay unchanged."""
        return cls(id=Id().bind_processor(dialect) or _unchanged, time=UtcTime().bind_processor(dialect) or _unchanged)


def _unchanged(value: Any) -> Any:
    return value


class db_now(FunctionElement[datetime]):  # noqa: N801, it reads as SQL
    """The database's clock, to the microsecond where it has one."""

    type = UtcTime()
    inherit_cache = True


class db_micros(FunctionElement[int]):  # noqa: N801
    """The database's clock as microseconds since 1970."""

    type = sa.BigInteger()
    inherit_cache = True


class greatest(FunctionElement[int]):  # noqa: N801
    """The larger of two values that are not NULL."""

    inherit_cache = True


class local_bucket(FunctionElement[int]):  # noqa: N801
    """Which bucket of a clock a moment lies in: (seconds since 1970 + offset) divided by size, rounded down."""

    type = sa.BigInteger()
    inherit_cache = True


class row_in(FunctionElement[object]):  # noqa: N801
    """Whether columns, taken together, are one of these rows; the index over them is used everywhere."""

    inherit_cache = True

    def __init__(self, columns: Sequence[sa.Column[str]], rows: Sequence[tuple[str, ...]]) -> None:
        super().__init__(sa.tuple_(*columns).in_(rows))


NOW = {
    "postgresql": "clock_timestamp()",
    "sqlite": "strftime('%Y-%m-%d %H:%M:%f000', 'now')",
    "mysql": "CURRENT_TIMESTAMP(6)",
}
MICROS = {
    "postgresql": "CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS bigint)",
    "sqlite": "CAST(round((julianday('now') - 2440587.5) * 86400000) AS INTEGER) * 1000",
    "mysql": "CAST(UNIX_TIMESTAMP(NOW(6)) * 1000000 AS SIGNED)",
}


def _dialect_family(compiler: SQLCompiler) -> str:
    return "mysql" if compiler.dialect.name == "mariadb" else compiler.dialect.name


@compiles(db_now)
def _now(element: db_now, compiler: SQLCompiler, **_: object) -> str:
    return NOW[_dialect_family(compiler)]


@compiles(db_micros)
def _micros(element: db_micros, compiler: SQLCompiler, **_: object) -> str:
    return MICROS[_dialect_family(compiler)]


@compiles(greatest)
def _greatest(element: greatest, compiler: SQLCompiler, **kw: object) -> str:
    name = "max" if compiler.dialect.name == "sqlite" else "greatest"
    return f"{name}({compiler.process(element.clauses, **kw)})"


_EPOCH_SECONDS = {
    "postgresql": "CAST(extract(epoch FROM {at}) AS bigint)",
    "sqlite": "CAST(strftime('%s', {at}) AS INTEGER)",
    "mysql": "TIMESTAMPDIFF(SECOND, '1970-01-01', {at})",
}
_INTEGER_DIVISION = {"mysql": "DIV"}  # elsewhere the quotient of whole numbers is one itself


@compiles(local_bucket)
def _local_bucket(element: local_bucket, compiler: SQLCompiler, **kw: object) -> str:
    at, offset, size = (compiler.process(each, **kw) for each in element.clauses)
    family = _dialect_family(compiler)
    return f"(({_EPOCH_SECONDS[family].format(at=at)} + {offset}) {_INTEGER_DIVISION.get(family, '/')} {size})"


@compiles(row_in)
def _row_in(element: row_in, compiler: SQLCompiler, **kw: object) -> str:
    """SQLite reads a whole table for IN (VALUES …), and searches for the same in brackets of its own."""
    text: str = compiler.process(element.clauses, **kw)
    return text.replace(" IN (", " IN (SELECT * FROM (", 1) + ")" if compiler.dialect.name == "sqlite" else text
