"""The store: what must survive a crash. SQL for PostgreSQL, one file per noun."""
