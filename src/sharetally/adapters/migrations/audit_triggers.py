"""The triggers that keep the audit append-only, in the dialect of each database.

They allow one change, by which a person is erased: `user_id` becomes `erased:<uuid>`, the error text is emptied, and
`actor` changes with `user_id` if it was the same person; everything else stays the same. MySQL and MariaDB have no
trigger for TRUNCATE, so there it has to be prevented by privileges (see the runbook).
"""

from __future__ import annotations

_UNCHANGED_COLUMNS = (
    "id", "at", "subject_id", "content_type", "content_id",
    "action", "platform", "status", "error_code", "request_id",
)  # fmt: skip
_IS_ERASURE = (
    "substr(NEW.user_id, 1, 7) = 'erased:' AND NEW.error_message IS NULL AND "
    "(NEW.actor = OLD.actor OR (OLD.actor = OLD.user_id AND NEW.actor = NEW.user_id))"
)
_ERROR_MESSAGE = "share_audit is append-only"


def append_only_triggers(dialect: str) -> list[str]:
    """The statements that make `share_audit` append-only."""
    if dialect == "postgresql":
        unchanged = " AND ".join(f"NEW.{name} IS NOT DISTINCT FROM OLD.{name}" for name in _UNCHANGED_COLUMNS)
        return [
            "CREATE OR REPLACE FUNCTION share_audit_append_only() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
            f"IF TG_OP = 'UPDATE' AND {unchanged} AND {_IS_ERASURE} "
            f"THEN RETURN NEW; END IF; RAISE EXCEPTION '{_ERROR_MESSAGE}'; END $$",
            "CREATE OR REPLACE TRIGGER share_audit_rows BEFORE UPDATE OR DELETE ON share_audit "
            "FOR EACH ROW EXECUTE FUNCTION share_audit_append_only()",
            "CREATE OR REPLACE TRIGGER share_audit_truncate BEFORE TRUNCATE ON share_audit "
            "FOR EACH STATEMENT EXECUTE FUNCTION share_audit_append_only()",
        ]
    if dialect == "sqlite":
        unchanged = " AND ".join(f'NEW."{name}" IS OLD."{name}"' for name in _UNCHANGED_COLUMNS)
        raise_error = f"BEGIN SELECT RAISE(ABORT, '{_ERROR_MESSAGE}'); END"
        return [
            "CREATE TRIGGER IF NOT EXISTS share_audit_update BEFORE UPDATE ON share_audit "
            f"WHEN NOT ({unchanged} AND {_IS_ERASURE}) {raise_error}",
            f"CREATE TRIGGER IF NOT EXISTS share_audit_delete BEFORE DELETE ON share_audit {raise_error}",
            # REPLACE deletes rows without running the trigger above
            "CREATE TRIGGER IF NOT EXISTS share_audit_replace BEFORE INSERT ON share_audit "
            f"WHEN EXISTS (SELECT 1 FROM share_audit WHERE id = NEW.id) {raise_error}",
        ]
    unchanged = " AND ".join(f"NEW.`{name}` <=> OLD.`{name}`" for name in _UNCHANGED_COLUMNS)
    raise_error = f"SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = '{_ERROR_MESSAGE}'"
    return [
        "DROP TRIGGER IF EXISTS share_audit_update",
        "CREATE TRIGGER share_audit_update BEFORE UPDATE ON share_audit FOR EACH ROW "
        f"IF NOT ({unchanged} AND {_IS_ERASURE}) THEN {raise_error}; END IF",
        "DROP TRIGGER IF EXISTS share_audit_delete",
        f"CREATE TRIGGER share_audit_delete BEFORE DELETE ON share_audit FOR EACH ROW {raise_error}",
    ]
