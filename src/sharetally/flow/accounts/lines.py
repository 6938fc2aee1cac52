"""The lines of the audit about accounts.

The audit is about content items, so a line about an account has the content type `account` and the account's id as
its content id (that of the connection, before there is an account). What failed is in `error_code` and
`error_message`; neither ever contains what a platform sent, except a code of RFC 6749.
"""

from __future__ import annotations

from uuid import UUID

from sharetally.domain.account import ACCOUNT_CONTENT, Account, AccountAction
from sharetally.domain.audit import AuditEntry
from sharetally.domain.content import ContentRef
from sharetally.domain.ids import new_id
from sharetally.ports import Clock

SERVICE = "sharetally"  # the actor of what nobody has requested
MAX_MESSAGE = 500


def audit_line(
    clock: Clock,
    action: AccountAction,
    subject: UUID,
    *,
    user_id: str,
    actor: str,
    platform: str,
    request_id: str = "",
    error: tuple[str, str] | None = None,
) -> AuditEntry:
    """A line about an account or a connection; `error` is a code and a message."""
    code, message = error or (None, None)
    return AuditEntry(
        id=new_id(),
        at=clock.now(),
        subject_id=subject,
        content=ContentRef(type=ACCOUNT_CONTENT, id=str(subject)),
        user_id=user_id,
        actor=actor,
        action=action.value,
        platform=platform,
        error_code=code,
        error_message=message[:MAX_MESSAGE] if message else None,
        request_id=request_id,
    )


def service_line(
    clock: Clock, action: AccountAction, account: Account, error: tuple[str, str] | None = None
) -> AuditEntry:
    """A line about what this service did by itself."""
    return audit_line(
        clock,
        action,
        account.id,
        user_id=account.user_id,
        actor=SERVICE,
        platform=account.platform,
        error=error,
    )
