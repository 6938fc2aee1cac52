"""The command line: commands, options and help texts; the work itself is done in `commands/` and `roles.py`.

Every command imports what it needs when it runs, so that `--help` is fast. An error becomes one line on standard
error that says what to do, without secrets.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar
from uuid import UUID

import typer

from sharetally import __version__
from sharetally.domain.errors import SharetallyError, Unavailable

if TYPE_CHECKING:
    from sharetally.settings import Settings

T = TypeVar("T")
app = typer.Typer(
    help="Counts every share exactly once, and proves it while it runs.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
keys = typer.Typer(help="Manage API keys for servers.", no_args_is_help=True)
dead = typer.Typer(help="Handle parked jobs, and deliveries that are dead or unknown.", no_args_is_help=True)
console = typer.Typer(help="Sign in to the console; list and end sessions.", invoke_without_command=True)
accounts = typer.Typer(help="List connected accounts; rotate and create keys.", no_args_is_help=True)
app.add_typer(keys, name="keys")
app.add_typer(accounts, name="accounts")
app.add_typer(dead, name="dead")
app.add_typer(console, name="console")
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.callback(invoke_without_command=True)
def _program(
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks; goes before the command.")] = False,
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
) -> None:
    if version:
        typer.echo(__version__)
        raise typer.Exit


def main() -> None:
    """Run the program; exits with 2 if a command could not do its work."""
    try:
        code = app(prog_name="sharetally", standalone_mode=False)
    except (KeyboardInterrupt, typer.Abort):
        sys.exit(130)
    except Exception as error:
        if "--debug" in sys.argv:
            raise
        from sharetally.adapters.logs_masking import mask_text

        message = error.detail if isinstance(error, SharetallyError) else ""
        if hasattr(error, "format_message"):  # of typer: invalid arguments, or the help where there is no command
            message = error.format_message()
        elif not message:
            message = f"{type(error).__name__}: {error} (`sharetally --debug …` shows the traceback)"
        if isinstance(error, Unavailable):
            message += "; `sharetally doctor` tries every connection"
        if message:
            line = " ".join(message.split())
            setting_name = re.match(r"[A-Z_]+: ", line)
            start = setting_name.end() if setting_name else 0
            typer.echo(f"sharetally: {line[:start]}{mask_text(line[start:])}", err=True)
        sys.exit(2)
    sys.exit(code)


def _settings() -> Settings:
    from sharetally.settings import load

    return load(os.environ, cwd=Path.cwd())


def _run(coroutine: Coroutine[Any, Any, T]) -> T:
    import uvloop

    return uvloop.run(coroutine)


@app.command()
def serve(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.")] = 8000,
    processes: Annotated[
        int,
        typer.Option(min=1, help="Number of serving processes; more than one needs a database server and RabbitMQ."),
    ] = 1,
    welcome: Annotated[
        bool, typer.Option(help="Print the demo page's address, a token, and a curl command that shares a video.")
    ] = False,
) -> None:
    """Run the HTTP API; with BROKER_URL=memory: the relay and the workers run in the same process."""
    from sharetally.roles import serve as run

    run(_settings(), host=host, port=port, processes=processes, welcome=welcome)


@app.command()
def worker(consumers: Annotated[str, typer.Option(help="Only these consumers, separated by commas.")] = "") -> None:
    """Take jobs from the queues and count them."""
    from sharetally.roles import run_workers

    _run(run_workers(_settings(), [name.strip() for name in consumers.split(",") if name.strip()]))


@app.command()
def relay() -> None:
    """Send messages again that were lost between the database and a queue."""
    from sharetally.roles import run_relay as run

    _run(run(_settings()))


@app.command()
def migrate(
    sql: Annotated[
        bool, typer.Option("--sql", help="Only print the SQL statements that create the newest schema.")
    ] = False,
) -> None:
    """Upgrade the database schema to the newest revision; safe to run twice at the same time."""
    from sharetally.adapters.migrations import runner
    from sharetally.settings import sqlite_path
    from sharetally.settings_sources import ensure_directory

    settings = _settings()
    if sql:
        return runner.print_sql(settings.database_url, sys.stdout)
    if sqlite_path(settings) is not None:
        ensure_directory(settings.data_dir)
    revisions = runner.upgrade(settings.database_url)
    typer.echo(f"migrated: {', '.join(revisions)}" if revisions else "the schema is up to date")


@app.command()
def verify(
    json: Json = False,
    content: Annotated[str, typer.Option(help="Check only this content item, given as TYPE:ID.")] = "",
    every: Annotated[float, typer.Option(min=0, help="Repeat every so many seconds until stopped.")] = 0,
) -> None:
    """Check that counted + pending = ledger for every cell, in one snapshot; exit 1 on drift, 2 if the check fails."""
    from sharetally.commands.proof import verify as run

    code = _run(run(_settings(), as_json=json, content=content, every=every))
    raise typer.Exit(code)


@app.command()
def repair(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only print what would be changed.")] = False,
    restored: Annotated[
        bool,
        typer.Option(
            "--restored",
            help="After a restore from backup: also raise versions, delete queue marks and send times, doubt tokens "
            "and unfinished posts.",
        ),
    ] = False,
) -> None:
    """Change every wrong cell to the value that the ledger gives, also under load."""
    from sharetally.commands.proof import repair as run

    _run(run(_settings(), dry_run=dry_run, restored=restored))


@app.command()
def token(
    user: Annotated[str, typer.Option(help="The user's id.")],
    scope: Annotated[str, typer.Option(help="Scopes, separated by spaces.")] = "shares",
    ttl: Annotated[int, typer.Option(min=1, help="Number of seconds for which the token is valid.")] = 3600,
) -> None:
    """Print a token signed with the configured secret."""
    from sharetally.commands.access import token as run

    typer.echo(run(_settings(), user=user, scope=scope, ttl=ttl))


@keys.command("create")
def keys_create(
    name: Annotated[str, typer.Option(help="Name of the key's owner, like `shop`; the audit shows it as `key:shop`.")],
    scope: Annotated[str, typer.Option(help="Scopes, separated by spaces.")] = "shares",
) -> None:
    """Create a key; it is printed only once."""
    from sharetally.commands.access import create_key

    _run(create_key(_settings(), name, scope))


@keys.command("list")
def keys_list(json: Json = False) -> None:
    """List the keys with their scopes and last use; the secret keys themselves are not stored."""
    from sharetally.commands.access import list_keys

    _run(list_keys(_settings(), as_json=json))


@keys.command("revoke")
def keys_revoke(key_id: UUID) -> None:
    """Revoke a key; it stops working within ten seconds."""
    from sharetally.commands.access import revoke_key

    _run(revoke_key(_settings(), key_id))


@accounts.command("list")
def accounts_list(json: Json = False) -> None:
    """List the accounts of all users, with the key that encrypts their tokens; the tokens are never shown."""
    from sharetally.commands.accounts import list_accounts

    _run(list_accounts(_settings(), as_json=json))


@accounts.command("rotate-keys")
def accounts_rotate_keys() -> None:
    """Encrypt all tokens with the first key of TOKEN_KEYS, also under load."""
    from sharetally.commands.accounts import rotate_keys

    _run(rotate_keys(_settings()))


@accounts.command("new-client-key")
def accounts_new_client_key() -> None:
    """Print a new private key for BLUESKY_CLIENT_KEYS; it is stored nowhere."""
    from sharetally.commands.accounts import print_client_key

    print_client_key()


@console.callback()
def console_link(
    context: typer.Context,
    user: Annotated[str, typer.Option(help="Who signs in; by default the user of the shell.")] = "",
    scope: Annotated[str, typer.Option(help="Scopes, separated by spaces.")] = "shares audit analytics admin",
    ttl: Annotated[int, typer.Option(help="Number of seconds for which the session is valid.")] = 43_200,
) -> None:
    """Print a link that signs one person in to the console; it is valid for ten minutes and works once."""
    if context.invoked_subcommand is not None:
        return
    from sharetally.commands.console import print_link

    _run(print_link(_settings(), user=user or os.environ.get("USER", "operator"), scope=scope, ttl=ttl))


@console.command("list")
def console_list(json: Json = False) -> None:
    """List the people who are signed in, newest session first."""
    from sharetally.commands.console import list_sessions

    _run(list_sessions(_settings(), as_json=json))


@console.command("end")
def console_end(
    session_id: Annotated[UUID | None, typer.Argument()] = None,
    user: Annotated[str, typer.Option(help="End all sessions and unused links of this user instead.")] = "",
) -> None:
    """End one session, or all sessions of a user, with effect within ten seconds."""
    from sharetally.commands.console import end_sessions

    _run(end_sessions(_settings(), session_id, user=user))


@dead.command("list")
def dead_list(
    json: Json = False, limit: Annotated[int, typer.Option(min=1, max=10_000, help="The largest number to list.")] = 100
) -> None:
    """List parked jobs and dead deliveries, newest first."""
    from sharetally.commands.parked import list_dead

    _run(list_dead(_settings(), as_json=json, limit=limit))


@dead.command("show")
def dead_show(job_id: UUID) -> None:
    """Show one parked job or dead delivery."""
    from sharetally.commands.parked import show_dead

    _run(show_dead(_settings(), job_id))


@dead.command("replay")
def dead_replay(
    job_ids: Annotated[list[UUID] | None, typer.Argument()] = None,
    every: Annotated[bool, typer.Option("--all", help="Replay all parked jobs and dead deliveries.")] = False,
) -> None:
    """Make parked jobs pending again and send them; dead deliveries are tried again from the start."""
    from sharetally.commands.parked import replay_dead

    _run(replay_dead(_settings(), job_ids or [], every=every))


@dead.command("discard")
def dead_discard(
    job_id: UUID,
    reason: Annotated[str, typer.Option(help="Why it will not be counted.")],
    author: Annotated[str, typer.Option(help="Who decided this; by default the user of the shell.")] = "",
) -> None:
    """Give up a parked job or a dead delivery, for good.

    If the job would have changed a count, adjustments cancel that change. If a post is given up, its record fails.
    """
    from sharetally.commands.parked import discard_dead

    _run(discard_dead(_settings(), job_id, reason=reason, author=author or os.environ.get("USER", "operator")))


@app.command()
def openapi() -> None:
    """Print the OpenAPI document of this version, for example to generate a client."""
    from sharetally.commands.document import openapi as run

    typer.echo(run())


@app.command()
def doctor() -> None:
    """Check every setting and try every connection; exits with 1 if anything is wrong."""
    from sharetally.commands.doctor import doctor as run

    raise typer.Exit(_run(run(_settings())))
