"""Logging: one format for every line that this process writes, whether from us or from a library.

Each role calls `configure` once before it opens anything; where the service is mounted in another application, which
owns the handlers and levels of the process, `configure_within_host` takes its place. On a terminal the lines are for
people; otherwise each line is a JSON object with `time` (UTC, microseconds), `level`, `logger`, `event` and then the
fields of the event, such as `requestId` while a request is served. An exception is written as the field `exception`.
Secrets are masked, calls below the level cost almost nothing, and no line can block or break the service.
"""

from __future__ import annotations

import logging
import os
import sys
import traceback
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec
import structlog
from structlog.contextvars import merge_contextvars
from structlog.dev import ConsoleRenderer, plain_traceback
from structlog.typing import EventDict

from sharetally.adapters.logs_masking import MASK, is_secret_name, mask, mask_text
from sharetally.adapters.logs_stderr import StandardError

# libraries whose info lines are logged too; from all others only warnings and errors
_LOGGED_LIBRARIES = ("uvicorn", "uvicorn.error", "uvicorn.asgi", "alembic", "aio_pika", "aiormq", "asyncio")
_ESCAPED_CONTROLS = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160)) if code not in (9, 10)}

Line = dict[str, Any]
RenderLine = Callable[[Line], bytes]


def configure(level: str = "info", format: str | None = None) -> None:  # noqa: A002, the setting's name
    """Write all log lines of this process from `level` on to standard error.

    `level` is `debug`, `info`, `warning` or `error`. `format` is `console` or `json`; None chooses `console` on a
    terminal and `json` otherwise. A repeated call affects the records of libraries, but not loggers already in use.
    """
    if format is None:
        format = "console" if sys.stderr is not None and sys.stderr.isatty() else "json"  # noqa: A001
    render = _console_renderer() if format == "console" else _render_json

    def render_lost(lines: int) -> bytes:
        event = {"event": "log lines were lost", "lines": lines}
        return render(build_line("sharetally.logs", "warning", event))

    stderr = StandardError(render_lost=render_lost)
    level_number = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        processors=[merge_contextvars, _RenderEvent(render)],
        wrapper_class=structlog.make_filtering_bound_logger(level_number),
        logger_factory=lambda name="": _LineLogger(name, stderr),
        cache_logger_on_first_use=True,
    )
    root = logging.getLogger()
    root.handlers[:] = [_StandardLibraryHandler(render, stderr)]
    root.setLevel(max(level_number, logging.WARNING))
    for name in _LOGGED_LIBRARIES:
        library = logging.getLogger(name)
        library.handlers.clear()
        library.propagate = True
        library.setLevel(max(level_number, logging.INFO))


def configure_within_host() -> None:
    """Pass our log lines to the standard library's loggers named `sharetally.…`.

    Their handlers and levels belong to the host application and stay unchanged. If the host has configured structlog,
    our lines go through its configuration.
    """
    if not structlog.is_configured():
        structlog.configure(
            processors=[merge_contextvars, _render_for_host],
            wrapper_class=structlog.stdlib.BoundLogger,
            logger_factory=lambda name="sharetally": logging.getLogger(name),
            cache_logger_on_first_use=True,
        )


def _render_for_host(logger: logging.Logger, level: str, event: EventDict) -> tuple[tuple[str], dict[str, Any]]:
    """The last processor within a host: it renders event and fields as one text without secrets."""
    exception = _exception_of(event.pop("exc_info", None))
    line = build_line(logger.name, level, event)
    fields = {name: value for name, value in line.items() if name not in ("time", "level", "logger", "event")}
    text = " ".join([line["event"], *(f"{name}={value!r}" for name, value in fields.items())])
    return (text,), {"exc_info": exception}


def build_line(logger: str, level: str, event: Mapping[str, Any]) -> Line:
    """Return the fields of a log line in the order in which they are written, without secrets."""
    fields: Line = {
        "time": datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z"),
        "level": level,
        "logger": logger,
        "event": mask_text(str(event.get("event", ""))),
    }
    for name, value in event.items():
        if name not in fields and name not in ("exc_info", "stack_info"):
            fields[name] = MASK if is_secret_name(name) else mask(value)
    if exception := _exception_of(event.get("exc_info")):
        fields["exception"] = mask_text("".join(traceback.format_exception(exception)).rstrip())
    return fields


def _exception_of(exc_info: object) -> BaseException | None:
    if isinstance(exc_info, tuple):
        exc_info = exc_info[1]
    elif exc_info is True:
        exc_info = sys.exc_info()[1]
    return exc_info if isinstance(exc_info, BaseException) else None


# the two formats


def _render_json(fields: Line) -> bytes:
    try:
        return msgspec.json.encode(fields) + b"\n"
    except (TypeError, ValueError, OverflowError):  # half of a surrogate pair, a number beyond 64 bits, …
        encodable: Line = {}
        for name, value in fields.items():
            try:
                msgspec.json.encode(value)
                encodable[name] = value
            except (TypeError, ValueError, OverflowError):
                encodable[name] = ascii(value)
        return msgspec.json.encode(encodable) + b"\n"


def _console_renderer() -> RenderLine:
    renderer = ConsoleRenderer(
        colors="NO_COLOR" not in os.environ, timestamp_key="time", exception_formatter=plain_traceback, sort_keys=False
    )

    def render(fields: Line) -> bytes:
        printable = dict(fields, time=fields["time"][11:23])  # only the time of day
        for name, value in printable.items():
            if isinstance(value, str):  # without control characters, which a terminal would obey
                text = value.translate(_ESCAPED_CONTROLS)
                printable[name] = text if name == "exception" else text.replace("\n", "\\n")
        return f"{renderer(None, fields['level'], printable)}\n".encode("utf-8", "backslashreplace")

    return render


# the two sources of lines: structlog and the standard library


class _RenderEvent:
    """The last processor: it renders an event as the bytes of its line."""

    def __init__(self, render: RenderLine) -> None:
        self._render = render

    def __call__(self, logger: _LineLogger, level: str, event: EventDict) -> bytes:
        return self._render(build_line(logger.name, level, event))


class _LineLogger:
    """Writes the lines that structlog has rendered; structlog has checked the level by then."""

    def __init__(self, name: str, stderr: StandardError) -> None:
        self.name = name
        self._stderr = stderr

    def info(self, rendered: bytes) -> None:
        self._stderr.write(rendered)

    debug = warning = error = critical = info


class _StandardLibraryHandler(logging.Handler):
    """Writes the records of the standard library in our format."""

    def __init__(self, render: RenderLine, stderr: StandardError) -> None:
        super().__init__()
        self._render = render
        self._stderr = stderr

    def emit(self, record: logging.LogRecord) -> None:
        try:
            message = record.getMessage()
        except Exception:  # the arguments do not match the message, or cannot be shown
            message = str(record.msg)
        event = merge_contextvars(None, "", {"event": message, "exc_info": record.exc_info})
        self._stderr.write(self._render(build_line(record.name, record.levelname.lower(), event)))
