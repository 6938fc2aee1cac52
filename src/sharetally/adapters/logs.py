"""Logs: one form for everything that this process says, ours and the libraries' alike.

Stands at the start of every role: `configure` once, before anything is opened; `configure_within_host` where another
application owns the process, and with it the handlers and levels of its logs. On a terminal lines are for
people; otherwise each is a JSON object with `time` (UTC, microseconds), `level`, `logger`, `event`, then
what belongs to it, `requestId` among it while a request is served. What goes wrong is in `exception`.
Secrets are masked; calls below the level cost next to nothing; no line can stop the service.
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

# libraries whose progress is ours; of all others only warnings are heard
_LOGGED_LIBRARIES = ("uvicorn", "uvicorn.error", "uvicorn.asgi", "alembic", "aio_pika", "aiormq", "asyncio")
_ESCAPED_CONTROLS = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160)) if code not in (9, 10)}

Line = dict[str, Any]
RenderLine = Callable[[Line], bytes]


def configure(level: str = "info", format: str | None = None) -> None:  # noqa: A002, the setting's name
    """Send every log line of this process to standard error, from this level on.

    `level` is `debug`, `info`, `warning` or `error`; `format` is `console` or `json`, None: `console` on a
    terminal, else `json`. Repeating changes the libraries' records, not loggers that were already used.
    """
    render = _console_renderer() if (format or _default_format()) == "console" else _render_json
    stderr = StandardError(render_lost=lambda lines: render(_lost_lines_event(lines)))
    level_number = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        processors=[merge_contextvars, _RenderEvent(render)],
        wrapper_class=structlog.make_filtering_bound_logger(level_number),
        logger_factory=lambda name="": _LineLogger(name, stderr),
        cache_logger_on_first_use=True,
    )
    _install_handler(_StandardLibraryHandler(render, stderr), level_number)


def configure_within_host() -> None:
    """Hand our log lines to the standard library's loggers named `sharetally.…`.

    Their handlers and levels are the host application's and stay as they are. A host that configured structlog for
    itself gets our lines in the way that it chose.
    """
    if not structlog.is_configured():
        structlog.configure(
            processors=[merge_contextvars, _for_the_host],
            wrapper_class=structlog.stdlib.BoundLogger,
            logger_factory=lambda name="sharetally": logging.getLogger(name),
            cache_logger_on_first_use=True,
        )


def _for_the_host(logger: logging.Logger, level: str, event: EventDict) -> tuple[tuple[str], dict[str, Any]]:
    """The event and what belongs to it as one text, without secrets; the host's formatter does the rest."""
    exception = _exception_of(event.pop("exc_info", None))
    line = build_line(logger.name, level, event)
    fields = {name: value for name, value in line.items() if name not in ("time", "level", "logger", "event")}
    text = " ".join([line["event"], *(f"{name}={value!r}" for name, value in fields.items())])
    return (text,), {"exc_info": exception}


def _default_format() -> str:
    return "console" if sys.stderr is not None and sys.stderr.isatty() else "json"


def build_line(logger: str, level: str, event: Mapping[str, Any]) -> Line:
    """What a log line holds, in the order in which it is written, without secrets."""
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


def _lost_lines_event(lines: int) -> Line:
    return build_line("sharetally.logs", "warning", {"event": "log lines were lost", "lines": lines})


# the two forms


def _render_json(fields: Line) -> bytes:
    try:
        return msgspec.json.encode(fields) + b"\n"
    except (TypeError, ValueError, OverflowError):  # half a character, a number beyond 64 bits, …
        return msgspec.json.encode({name: _encodable(value) for name, value in fields.items()}) + b"\n"


def _encodable(value: object) -> object:
    try:
        msgspec.json.encode(value)
    except (TypeError, ValueError, OverflowError):
        return ascii(value)
    return value


def _console_renderer() -> RenderLine:
    renderer = ConsoleRenderer(
        colors="NO_COLOR" not in os.environ, timestamp_key="time", exception_formatter=plain_traceback, sort_keys=False
    )

    def render(fields: Line) -> bytes:
        printable = {name: _terminal_safe(name, value) for name, value in fields.items()}
        return f"{renderer(None, fields['level'], printable)}\n".encode("utf-8", "backslashreplace")

    return render


def _terminal_safe(name: str, value: object) -> object:
    """The time of day alone, and nothing that a terminal would obey."""
    if not isinstance(value, str):
        return value
    if name == "time":
        return value[11:23]
    printable = value.translate(_ESCAPED_CONTROLS)
    return printable if name == "exception" else printable.replace("\n", "\\n")


# where lines come from: structlog's loggers and the standard library's


class _RenderEvent:
    """The last processor: from the event to the bytes of its line."""

    def __init__(self, render: RenderLine) -> None:
        self._render = render

    def __call__(self, logger: _LineLogger, level: str, event: EventDict) -> bytes:
        return self._render(build_line(logger.name, level, event))


class _LineLogger:
    """What structlog hands finished lines to; its level was looked at before."""

    def __init__(self, name: str, stderr: StandardError) -> None:
        self.name = name
        self._stderr = stderr

    def info(self, rendered: bytes) -> None:
        self._stderr.write(rendered)

    debug = warning = error = critical = info


class _StandardLibraryHandler(logging.Handler):
    """Gives records of the standard library the form of ours."""

    def __init__(self, render: RenderLine, stderr: StandardError) -> None:
        super().__init__()
        self._render = render
        self._stderr = stderr

    def emit(self, record: logging.LogRecord) -> None:
        event = merge_contextvars(None, "", {"event": _message(record), "exc_info": record.exc_info})
        self._stderr.write(self._render(build_line(record.name, record.levelname.lower(), event)))


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except Exception:  # the arguments do not fit, or cannot be shown
        return str(record.msg)


def _install_handler(handler: logging.Handler, level: int) -> None:
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(max(level, logging.WARNING))
    for name in _LOGGED_LIBRARIES:
        library = logging.getLogger(name)
        library.handlers.clear()
        library.propagate = True
        library.setLevel(max(level, logging.INFO))
