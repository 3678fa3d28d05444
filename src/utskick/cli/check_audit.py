"""Check of the audit log: whether the service's login could change it."""

from __future__ import annotations

from typing import Any, Final

from utskick.cli.check_result import CheckResult, Grade

_STATE: Final = """
    SELECT current_user AS login, r.rolsuper, r.rolcreaterole,
        (SELECT array_agg(c.relname::text ORDER BY 1) FROM pg_class c
            WHERE c.oid = ANY(ARRAY[to_regclass('audit_entries'), to_regclass('audit_links'),
                to_regclass('audit_heads')]::oid[])
                AND pg_get_userbyid(c.relowner) <> 'utskick_audit') AS owned,
        EXISTS (SELECT FROM pg_roles a WHERE a.rolname = 'utskick_audit'
            AND pg_has_role(current_user, a.oid, 'MEMBER')) AS member
    FROM pg_roles r WHERE r.rolname = current_user
"""
_NAME: Final = "audit log"
_APART: Final = (
    "the chain, its signed heads and a copy elsewhere show what was changed "
    "(docs/how-to/verify-the-audit-log.md)"
)


async def audit_state(connection: Any) -> CheckResult:
    """Return whether the login may change or remove entries of the audit log."""
    row = await connection.fetchrow(_STATE)
    login = row["login"]
    if row["rolsuper"]:
        return CheckResult(
            _NAME,
            Grade.WARNING,
            f"the service's login {login} is a superuser, whom PostgreSQL refuses nothing",
            f"use an external database with an ordinary login; until then, {_APART}",
        )
    if row["owned"]:
        return CheckResult(
            _NAME,
            Grade.WARNING,
            f"{', '.join(row['owned'])} belong to the service's login or another, not to "
            f"utskick_audit: {login} may not create roles or give them away",
            f"let an administrator run: SELECT utskick_protect_audit('{login}')",
        )
    if row["member"] or row["rolcreaterole"]:
        return CheckResult(
            _NAME,
            Grade.WARNING,
            f"the service's login {login} may not change entries, but can make itself a member of "
            "utskick_audit, who may",
            f"let an administrator run: REVOKE utskick_audit FROM {login}; ALTER ROLE {login} "
            "NOCREATEROLE",
        )
    return CheckResult(_NAME, Grade.OK, f"{login} may add entries, and change or remove none")
