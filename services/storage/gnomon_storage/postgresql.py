"""What makes a PostgreSQL database behave as SQLite's do."""

from sqlalchemy import Connection, text

from gnomon.errors import ServiceUnavailableError


def check_encoding(connection: Connection, owner: str) -> None:
    """Refuse a database that cannot hold every text."""
    encoding = connection.exec_driver_sql("SHOW server_encoding").scalar_one()
    if encoding != "UTF8":
        raise ServiceUnavailableError(
            f"The {owner}'s database has the encoding {encoding}. Create one with ENCODING 'UTF8'."
        )


def make_like_sqlite(connection: Connection) -> None:
    """Give every column of text the order of bytes, and every integer 64 bits.

    Pages go on after a key, so keys must be ordered alike by the database and by
    the code, on every server, whatever its locale. Indexes are made anew; rows
    of text are not. Done after each migration, so that the steps need not know.
    """
    for table, column, type_ in connection.execute(_OTHER_TEXTS).all():
        connection.exec_driver_sql(f'ALTER TABLE "{table}" ALTER COLUMN "{column}" TYPE {type_} COLLATE "C"')
    for table, column in connection.execute(_SHORT_INTEGERS).all():
        connection.exec_driver_sql(f'ALTER TABLE "{table}" ALTER COLUMN "{column}" TYPE bigint')
    for (sequence,) in connection.execute(_SHORT_SEQUENCES).all():
        connection.exec_driver_sql(f'ALTER SEQUENCE "{sequence}" AS bigint')


_OTHER_TEXTS = text(
    "SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod)"
    " FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_collation o ON o.oid = a.attcollation"
    " WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind = 'r' AND a.attnum > 0"
    " AND NOT a.attisdropped AND o.collname NOT IN ('C', 'POSIX') ORDER BY 1, 2"
)
_SHORT_INTEGERS = text(
    "SELECT c.relname, a.attname FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid"
    " WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind = 'r' AND a.attnum > 0"
    " AND NOT a.attisdropped AND a.atttypid IN ('int2'::regtype, 'int4'::regtype) ORDER BY 1, 2"
)
_SHORT_SEQUENCES = text(
    "SELECT sequencename FROM pg_sequences WHERE schemaname = current_schema()"
    " AND data_type IN ('integer'::regtype, 'smallint'::regtype) ORDER BY 1"
)
