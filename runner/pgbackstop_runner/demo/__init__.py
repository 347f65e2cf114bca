"""The demo: a PostgreSQL, a shop that uses it, and the whole product around it, in one folder."""
