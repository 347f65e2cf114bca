"""A catalog in PostgreSQL: the connection, the schema's migrations, the records."""
