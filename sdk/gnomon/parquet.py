"""Parquet files of rows, read and written some at a time with pyarrow, which is optional."""

import datetime
import decimal
import json
import math
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

from gnomon.errors import InvalidRequestError

_ROWS_A_BATCH = 1024
_ROWS_A_GROUP = 16 * 1024


def _pyarrow() -> Any:
    try:
        import pyarrow
        import pyarrow.parquet
    except ModuleNotFoundError as error:
        raise InvalidRequestError("Parquet files need pyarrow: pip install 'gnomon[parquet]'.") from error
    return pyarrow


def _open(path: Path) -> Any:
    pyarrow = _pyarrow()
    try:
        return pyarrow.parquet.ParquetFile(path)
    except pyarrow.ArrowException as error:
        raise InvalidRequestError(f"{path} is no Parquet file: {error}") from error


def rows(path: Path) -> Iterator[tuple[dict[str, Any], float]]:
    """Yield each row's cells as JSON knows them, and the share of the rows read so far.

    Raises:
        InvalidRequestError: it is no whole Parquet file, or pyarrow is not installed.
    """
    pyarrow = _pyarrow()
    with _open(path) as file:
        total, done = max(1, file.metadata.num_rows), 0
        try:
            for batch in file.iter_batches(_ROWS_A_BATCH):
                for cells in _cells(batch):
                    done += 1
                    yield {name: _plain(value) for name, value in cells.items()}, done / total
        except (pyarrow.ArrowException, ValueError, OverflowError) as error:
            raise InvalidRequestError(f"{path} cannot be read after row {done}: {error}") from error


def _cells(batch: Any) -> list[dict[str, Any]]:
    try:
        found: list[dict[str, Any]] = batch.to_pylist(maps_as_pydicts="lossy")
    except (ValueError, OverflowError):  # a time that Python has no value for, such as nanoseconds
        columns = [[_value(scalar) for scalar in column] for column in batch.columns]
        return [dict(zip(batch.schema.names, row, strict=True)) for row in zip(*columns, strict=True)]
    return found


def _value(scalar: Any) -> Any:  # noqa: PLR0911  one line a kind of value
    """Return what a scalar holds; of a time that Python has no value for, its text."""
    pyarrow = _pyarrow()
    try:
        return scalar.as_py(maps_as_pydicts="lossy")
    except (ValueError, OverflowError):
        match scalar:
            case pyarrow.StructScalar():
                return {name: _value(entry) for name, entry in scalar.items()}
            case pyarrow.MapScalar():
                return {_value(entry["key"]): _value(entry["value"]) for entry in scalar.values}
            case pyarrow.ListScalar():
                return [_value(entry) for entry in scalar.values]
            case pyarrow.DictionaryScalar():
                return _value(scalar.value)
            case pyarrow.DurationScalar():
                return f"{scalar.value} {scalar.type.unit}"
            case pyarrow.TimestampScalar() | pyarrow.Date32Scalar() | pyarrow.Date64Scalar():
                return _text_of(scalar).replace(" ", "T", 1)
            case pyarrow.Time64Scalar():
                return _text_of(scalar)
        raise


def _text_of(scalar: Any) -> str:
    return str(scalar.cast(_pyarrow().string()).as_py())


def _plain(value: Any) -> Any:  # noqa: PLR0911  one line a kind of value
    """Return a value as JSON knows it: dates as ISO text, what is not a number as nothing."""
    if isinstance(value, dict):
        return {str(key): _plain(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [_plain(entry) for entry in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    if isinstance(value, decimal.Decimal | datetime.timedelta):
        return str(value)
    return value


def columns(path: Path) -> list[str]:
    with _open(path) as file:
        return [str(name) for name in file.schema_arrow.names]


def extend(source: Path, target: Path, added: Mapping[str, type], cells: Iterator[dict[str, Any]]) -> None:
    """Write the rows of a Parquet file as they are, with further columns; one dict of cells a row."""
    pyarrow = _pyarrow()
    with _written(), _open(source) as file:
        kept = pyarrow.schema([entry for entry in file.schema_arrow if entry.name not in added])
        schema = _with(kept, added).with_metadata(file.schema_arrow.metadata)
        with pyarrow.parquet.ParquetWriter(target, schema) as writer:
            for batch in file.iter_batches(_ROWS_A_GROUP):
                more = list(islice(cells, batch.num_rows))
                arrays = [batch.column(name) for name in kept.names]
                arrays += [_array([row.get(name) for row in more], schema.field(name).type) for name in added]
                writer.write_batch(pyarrow.record_batch(arrays, schema=schema), _ROWS_A_GROUP)


@contextmanager
def _written() -> Iterator[None]:
    try:
        yield
    except (_pyarrow().ArrowException, OverflowError) as error:
        raise InvalidRequestError(f"The rows cannot be written as Parquet: {error}") from error


def write(
    target: Path,
    given: Iterable[dict[str, Any]],
    added: Mapping[str, type],
    rows_of_target: Iterable[dict[str, Any]],
    *,
    as_text: bool,
) -> None:
    """Write rows. `given` are those of the source: they are read first, for the types of its columns.

    With `as_text` all of these are text. A column whose cells have no type in
    common becomes JSON.
    """
    pyarrow = _pyarrow()
    found = _schema_for(given, as_text)
    schema = _with(pyarrow.schema([entry for entry in found if entry.name not in added]), added)
    rows_iterator = iter(rows_of_target)
    with _written(), pyarrow.parquet.ParquetWriter(target, schema) as writer:
        while part := list(islice(rows_iterator, _ROWS_A_GROUP)):
            arrays = [_array([row.get(entry.name) for row in part], entry.type) for entry in schema]
            writer.write_batch(pyarrow.record_batch(arrays, schema=schema), _ROWS_A_GROUP)


def _with(schema: Any, added: Mapping[str, type]) -> Any:
    pyarrow = _pyarrow()
    types = {str: pyarrow.string(), bool: pyarrow.bool_(), float: pyarrow.float64()}
    for name, kind in added.items():
        schema = schema.append(pyarrow.field(name, types[kind]))
    return schema


def _schema_for(given: Iterable[dict[str, Any]], as_text: bool) -> Any:
    pyarrow = _pyarrow()
    types: dict[str, Any] = {}
    iterator = iter(given)
    while part := list(islice(iterator, _ROWS_A_BATCH)):
        for name in dict.fromkeys(name for cells in part for name in cells):
            kind = pyarrow.string() if as_text else _type_of([cells.get(name) for cells in part])
            types[name] = _common(types.get(name, kind), kind)
    text = pyarrow.string()
    return pyarrow.schema([(name, text if kind == pyarrow.null() else kind) for name, kind in types.items()])


def _type_of(values: list[Any]) -> Any:
    pyarrow = _pyarrow()
    try:
        return pyarrow.array(values).type
    except (pyarrow.ArrowException, OverflowError, UnicodeError):
        return pyarrow.string()


def _common(one: Any, other: Any) -> Any:
    """Return the type of both, or text if there is none; a number never becomes text of its own accord."""
    pyarrow = _pyarrow()
    try:
        schemas = [pyarrow.schema([("column", kind)]) for kind in (one, other)]
        return pyarrow.unify_schemas(schemas, promote_options="permissive").field(0).type
    except pyarrow.ArrowException:
        return pyarrow.string()


def _array(values: list[Any], kind: Any) -> Any:
    pyarrow = _pyarrow()
    if kind == pyarrow.string():
        return pyarrow.array([_text(value) for value in values], kind)
    try:
        return pyarrow.array(values, kind)
    except UnicodeEncodeError:  # half a character deep inside
        return pyarrow.array(json.loads(_whole(json.dumps(values, ensure_ascii=False))), kind)


def _text(value: Any) -> str | None:
    if value is None:
        return None
    return _whole(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))


def _whole(text: str) -> str:
    """Half a character cannot be written in UTF-8; what stands for one can."""
    return text.encode("utf-8", "replace").decode("utf-8")
