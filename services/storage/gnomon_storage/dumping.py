"""The content of a database as lines of text, alike for every engine.

A table is a file: its first line is an array of the columns' names, each other
one an array of a row's values. What JSON has no form for is an object with one
key: `$bytes` (base64) or `$time` (ISO 8601); `$json` holds what a JSON column
holds. A backup of one engine can therefore be restored into the other.
"""

import base64
import json
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import JSON, Column, Connection, MetaData, Table, func, insert, select

from gnomon.errors import ArtifactCorruptError

_BATCH = 500


def dump(connection: Connection, tables: MetaData, folder: Path) -> None:
    """Write every table's rows into `{table}.jsonl`, as the transaction sees them."""
    folder.mkdir(parents=True)
    for table in tables.sorted_tables:
        with (folder / f"{table.name}.jsonl").open("w", encoding="utf-8") as file:
            file.write(json.dumps([column.name for column in table.columns]) + "\n")
            for row in connection.execute(select(table).execution_options(yield_per=_BATCH)):
                values = [_plain(value, column) for value, column in zip(row, table.columns, strict=True)]
                file.write(json.dumps(values) + "\n")


def written(folder: Path, files: Iterable[Path]) -> list[Path]:
    """Return which files `dump` may have written into a folder.

    A backup lists what lay there, also what an operating system or a file server put beside or below.
    """
    return [
        file
        for file in files
        if file.parent == folder and file.suffix == ".jsonl" and not file.name.startswith(".")
    ]


def load(connection: Connection, known: MetaData, files: Sequence[Path]) -> None:
    """Insert what `dump` wrote into the tables of the same schema, which must be empty.

    `known` are the newest release's tables: the database may have others beside, which are nobody's here.

    Raises:
        ArtifactCorruptError: rows have no table, values no column, or a known table no file. `dump` has
            always written one for each, also where it had no rows.
    """
    tables = MetaData()
    tables.reflect(connection)
    of_table = {file.stem: file for file in files}
    for name, file in of_table.items():
        if name not in tables.tables and any(_batches(file)):
            raise _no_place(file, name)
    if lost := tables.tables.keys() & known.tables.keys() - of_table.keys():
        raise _no_file(min(lost))
    for table in tables.sorted_tables:
        if table.name in of_table:
            _load_table(connection, table, of_table[table.name])


def is_empty(connection: Connection) -> bool:
    """Tell whether no table has a row, but that of the migrations."""
    tables = MetaData()
    tables.reflect(connection)
    return all(
        connection.execute(select(func.count()).select_from(table)).scalar_one() == 0
        for table in tables.sorted_tables
        if table.name != "alembic_version"
    )


def _load_table(connection: Connection, table: Table, file: Path) -> None:
    for column in table.columns:
        if isinstance(column.type, JSON):
            column.type = JSON(none_as_null=True)  # `null` within JSON comes as $json
    for batch in _batches(file):
        if unknown := batch[0].keys() - table.columns.keys():  # which an insert of many rows passes over
            raise _no_place(file, f"{table.name}.{min(unknown)}")
        connection.execute(insert(table), batch)
    counter = table.autoincrement_column
    if connection.dialect.name == "postgresql" and counter is not None:
        sequence = func.pg_get_serial_sequence(f'"{table.name}"', counter.name)
        connection.execute(
            select(func.setval(sequence, func.max(counter)))
        )  # nothing where there are no rows


def _no_place(file: Path, what: str) -> ArtifactCorruptError:
    return ArtifactCorruptError(
        f"The backup holds {what}, which its revision does not know. The database stays empty; restore "
        "another backup.",
        resource=str(file.parent),
        path=file.name,
    )


def _no_file(table: str) -> ArtifactCorruptError:
    return ArtifactCorruptError(
        f"The backup lacks the rows of {table}: it is not whole, though its index says so. The database "
        "stays empty; restore another backup.",
        resource=table,
        path=f"{table}.jsonl",
    )


def _batches(file: Path) -> Iterator[list[dict[str, Any]]]:
    with file.open(encoding="utf-8") as lines:
        names = json.loads(next(lines))
        batch: list[dict[str, Any]] = []
        for line in lines:
            batch.append(dict(zip(names, map(_value, json.loads(line)), strict=True)))
            if len(batch) == _BATCH:
                yield batch
                batch = []
        if batch:
            yield batch


def _plain(value: Any, column: Column[Any]) -> Any:
    if value is None and column.nullable:
        return None
    if isinstance(column.type, JSON):
        return {"$json": value}
    if isinstance(value, bytes):
        return {"$bytes": base64.b64encode(value).decode()}
    return {"$time": value.isoformat()} if isinstance(value, datetime) else value


def _value(plain: Any) -> Any:
    if not isinstance(plain, dict):
        return plain
    ((kind, value),) = plain.items()
    if kind == "$bytes":
        return base64.b64decode(value)
    if kind == "$time":
        return datetime.fromisoformat(value)
    return JSON.NULL if kind == "$json" and value is None else value
