"""Hand-written statements that read whole models: what the ORM would make, without composing the statement every time.

For the few reads that most requests pay for. Composing a statement costs more than the database takes to answer
it, so a `Select` is put together once per database; its rows become the instances that the ORM would make, with
the fields' own values, by a shorter way: no `pre_init` or `post_init` is sent.
"""

import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from functools import lru_cache, partial
from typing import Any

from django.db import connections, models, router
from django.db.models.base import ModelState

Read = Callable[[Any], Any]


class Select:
    """`SELECT <every column of the models> <expressions> FROM <what follows>`.

    `models` are given by the aliases that the statement uses for them; `expressions` are added as they stand.
    A row comes back as one tuple: an instance per model, None where a LEFT JOIN found nothing (a model's first
    column is never null), then the expressions' raw values. An expression may be spelt apart for each vendor.
    The rows of the aliases in `held` are held until the transaction ends, in that order.
    """

    def __init__(
        self,
        from_where: str,
        *expressions: str | Mapping[str, str],
        held: Sequence[str] = (),
        **models_: type[models.Model],
    ) -> None:
        self.from_where = from_where
        self.held = held
        self.expressions = expressions
        self.models = models_
        self._prepared: dict[str, _Prepared] = {}

    def first(self, *parameters: Any) -> tuple[Any, ...] | None:
        """The first row, or None."""
        prepared = self._on_database()
        with connections[prepared.alias].cursor() as cursor:
            cursor.execute(prepared.sql, prepared.adapted(parameters))
            values = cursor.fetchone()
        return None if values is None else prepared.row(values)

    def all(self, *parameters: Any) -> list[tuple[Any, ...]]:
        """Every row."""
        prepared = self._on_database()
        with connections[prepared.alias].cursor() as cursor:
            cursor.execute(prepared.sql, prepared.adapted(parameters))
            found = cursor.fetchall()
        return [prepared.row(values) for values in found]

    def _on_database(self) -> "_Prepared":
        alias = router.db_for_read(next(iter(self.models.values())))
        if alias not in self._prepared:
            self._prepared[alias] = _Prepared(alias, self)
        return self._prepared[alias]

    def statement(self, columns: str) -> str:
        return f"SELECT {columns} FROM {self.from_where}"  # noqa: S608  # nosec B608 (names from models)


class Change(Select):
    """`UPDATE <what follows> RETURNING <every column of the model>`: the rows as they stand after it."""

    def statement(self, columns: str) -> str:
        return f"UPDATE {self.from_where} RETURNING {columns}"  # nosec B608 (names from models)


class _Prepared:
    """A `Select` in one database's spelling."""

    def __init__(self, alias: str, select: Select) -> None:
        self.alias = alias
        self.ops: Any = connections[alias].ops
        self.has_uuids = connections[alias].features.has_native_uuid_field
        self.readers: list[tuple[int, Read]] = []
        self.slices: list[tuple[type[models.Model], list[str], slice]] = []
        parts: list[str] = []
        for letter, model in select.models.items():
            start = len(parts)
            for field in model._meta.concrete_fields:
                read, cast = _reading(connections[alias], field.get_col(model._meta.db_table))
                if read is not None:
                    self.readers.append((len(parts), read))
                parts.append(f"{letter}.{self.ops.quote_name(str(field.column))}{cast}")
            names = [field.attname for field in model._meta.concrete_fields]
            self.slices.append((model, names, slice(start, len(parts))))
        self.width = len(parts)
        vendor = connections[alias].vendor
        expressions = [one if isinstance(one, str) else one[vendor] for one in select.expressions]
        self.sql = select.statement(", ".join([*parts, *expressions]))
        if select.held and connections[alias].features.has_select_for_update_of:
            self.sql += f" FOR UPDATE OF {', '.join(select.held)}"

    def adapted(self, parameters: Iterable[Any]) -> list[Any]:
        """The parameters as this database takes them."""
        return [self._adapted(value) for value in parameters]

    def _adapted(self, value: Any) -> Any:
        if isinstance(value, datetime):
            return self.ops.adapt_datetimefield_value(value)
        return value.hex if isinstance(value, uuid.UUID) and not self.has_uuids else value

    def row(self, raw: Sequence[Any]) -> tuple[Any, ...]:
        values = list(raw)
        for index, read in self.readers:
            if values[index] is not None:
                values[index] = read(values[index])
        made = (self._instance(model, names, values[part]) for model, names, part in self.slices)
        return (*made, *values[self.width :])

    def _instance(self, model: type[models.Model], names: list[str], values: list[Any]) -> Any:
        if values[0] is None:
            return None
        instance = model.__new__(model)
        instance.__dict__.update(zip(names, values, strict=True))
        state = instance._state = ModelState()
        state.adding, state.db = False, self.alias
        return instance


def attach(instance: models.Model, name: str, related: models.Model | None) -> None:
    """Make `related`, from the same row, what the foreign key `name` leads to: no query will be made for it."""
    field: Any = instance._meta.get_field(name)
    field.set_cached_value(instance, related)


_uuid = lru_cache(maxsize=4096)(uuid.UUID)


def _reading(connection: Any, column: Any) -> tuple[Read | None, str]:
    """What turns a column's raw value into the field's, or None where it is that, and a cast in the SELECT.

    Most columns are times and ids, which have shorter ways to the same values than the drivers' and Django's.
    """
    found = [*connection.ops.get_db_converters(column), *column.get_db_converters(connection)]
    if connection.vendor == "postgresql" and isinstance(column.target, models.DateTimeField):
        return datetime.fromisoformat, "::text"
    if connection.vendor == "sqlite" and found == [connection.ops.convert_datetimefield_value]:
        return (lambda moment: moment.replace(tzinfo=connection.timezone)), ""
    if connection.vendor == "sqlite" and found == [connection.ops.convert_uuidfield_value]:
        return _uuid, ""
    return (partial(_converted, found, column, connection) if found else None), ""


def _converted(converters: Iterable[Callable[..., Any]], column: Any, connection: Any, value: Any) -> Any:
    for convert in converters:
        value = convert(value, column, connection)
    return value
