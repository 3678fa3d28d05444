"""Which municipalities a table has rows of."""

from __future__ import annotations


def places(table: str) -> str:
    """SQL, one row for each: from one entry of an index that begins with the municipality to the next, however many rows there are."""
    return f"""
        WITH RECURSIVE found AS (
            (SELECT municipality_id FROM {table} ORDER BY municipality_id LIMIT 1)
            UNION ALL
            SELECT (SELECT n.municipality_id FROM {table} n WHERE n.municipality_id > found.municipality_id ORDER BY 1 LIMIT 1)
            FROM found WHERE found.municipality_id IS NOT NULL)
        SELECT municipality_id FROM found WHERE municipality_id IS NOT NULL
    """  # noqa: S608 - a name of ours
