"""PostgreSQL: a connection pool that distinguishes outages from invalid data, migrations and retention."""
