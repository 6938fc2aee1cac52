"""What keeps the audit append-only, in each database's own words.

One change is let through: `user_id` becomes `erased:<uuid>` and the error text is emptied, all else as it
was but an `actor` that was the same person; that is how somebody is forgotten. MySQL and MariaDB cannot
trap TRUNCATE: there it is a matter of privileges (see the runbook).
"""

from __future__ import annotations

_KEPT = (
    "id", "at", "subject_id", "content_type", "content_id",
    "action", "platform", "status", "error_code", "request_id",
)  # fmt: skip
_ERASED = (
    "substr(NEW.user_id, 1, 7) = 'erased:' AND NEW.error_message IS NULL AND "
    "(NEW.actor = OLD.actor OR (OLD.actor = OLD.user_id AND NEW.actor = NEW.user_id))"
)
_SAYS = "share_audit is append-only"


def append_only(dialect: str) -> list[str]:
    """The statements that make `share_audit` append-only."""
    if dialect == "postgresql":
        return _postgresql()
    return _sqlite() if dialect == "sqlite" else _mysql()


def _postgresql() -> list[str]:
    same = " AND ".join(f"NEW.{name} IS NOT DISTINCT FROM OLD.{name}" for name in _KEPT)
    return [
        "CREATE OR REPLACE FUNCTION share_audit_append_only() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        f"IF TG_OP = 'UPDATE' AND {same} AND {_ERASED} "
        f"THEN RETURN NEW; END IF; RAISE EXCEPTION '{_SAYS}'; END $$",
        "CREATE OR REPLACE TRIGGER share_audit_rows BEFORE UPDATE OR DELETE ON share_audit "
        "FOR EACH ROW EXECUTE FUNCTION share_audit_append_only()",
        "CREATE OR REPLACE TRIGGER share_audit_truncate BEFORE TRUNCATE ON share_audit "
        "FOR EACH STATEMENT EXECUTE FUNCTION share_audit_append_only()",
    ]


def _sqlite() -> list[str]:
    same = " AND ".join(f'NEW."{name}" IS OLD."{name}"' for name in _KEPT)
    stop = f"BEGIN SELECT RAISE(ABORT, '{_SAYS}'); END"
    return [
        "CREATE TRIGGER IF NOT EXISTS share_audit_update BEFORE UPDATE ON share_audit "
        f"WHEN NOT ({same} AND {_ERASED}) {stop}",
        f"CREATE TRIGGER IF NOT EXISTS share_audit_delete BEFORE DELETE ON share_audit {stop}",
        # REPLACE deletes without asking the trigger above
        "CREATE TRIGGER IF NOT EXISTS share_audit_replace BEFORE INSERT ON share_audit "
        f"WHEN EXISTS (SELECT 1 FROM share_audit WHERE id = NEW.id) {stop}",
    ]


def _mysql() -> list[str]:
    same = " AND ".join(f"NEW.`{name}` <=> OLD.`{name}`" for name in _KEPT)
    stop = f"SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = '{_SAYS}'"
    return [
        "DROP TRIGGER IF EXISTS share_audit_update",
        "CREATE TRIGGER share_audit_update BEFORE UPDATE ON share_audit FOR EACH ROW "
        f"IF NOT ({same} AND {_ERASED}) THEN {stop}; END IF",
        "DROP TRIGGER IF EXISTS share_audit_delete",
        f"CREATE TRIGGER share_audit_delete BEFORE DELETE ON share_audit FOR EACH ROW {stop}",
    ]
