"""``pgbackstop demo``: the whole product on an embedded PostgreSQL, without root, Docker or configuration."""
