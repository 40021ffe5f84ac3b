"""The durable truth: PostgreSQL through asyncpg, which nothing outside this package imports."""
