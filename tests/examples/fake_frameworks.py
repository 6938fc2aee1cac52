"""As much of Django and FastAPI as the login examples touch.

What each part does is in the frameworks' own documentation; nothing here is more lenient than they are.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import wraps
from types import ModuleType, SimpleNamespace
from typing import Annotated, Any, get_args, get_origin, get_type_hints


class HttpError(Exception):
    """The framework answered in the example's stead; the text begins with the status."""


def _modules(**named: Mapping[str, object]) -> dict[str, ModuleType]:
    found: dict[str, ModuleType] = {}
    for dotted, members in named.items():
        name = dotted.replace("__", ".")
        found[name] = ModuleType(name)
        vars(found[name]).update(members)
    return found


# Django


class JsonResponse:
    """Holds what is answered."""

    def __init__(self, data: dict[str, Any], status: int = 200) -> None:
        self.data = data
        self.status_code = status


def require_POST(view: Callable[..., object]) -> Callable[..., object]:  # noqa: N802, Django's name
    """405 for any other method."""

    def wrapped(request: Any) -> object:
        if request.method != "POST":
            raise HttpError("405")
        return view(request)

    return wraps(view)(wrapped)


def csrf_exempt(view: Callable[..., object]) -> Callable[..., object]:
    """Django's own token is not required for a POST."""

    def wrapped(request: Any) -> object:
        return view(request)

    vars(wrapped)["csrf_exempt"] = True
    return wraps(view)(wrapped)


def call_django_view(view: Callable[..., object], method: str, user: object) -> Any:
    """The answer to a script of the page without such a token: Django's middleware runs before the view."""
    if method == "POST" and not getattr(view, "csrf_exempt", False):
        raise HttpError("403, CSRF")
    return view(SimpleNamespace(method=method, user=user))


def django_modules() -> dict[str, ModuleType]:
    """The modules that the view imports."""
    return _modules(
        django={},
        django__http={"HttpRequest": object, "JsonResponse": JsonResponse},
        django__views={},
        django__views__decorators={},
        django__views__decorators__csrf={"csrf_exempt": csrf_exempt},
        django__views__decorators__http={"require_POST": require_POST},
    )


# FastAPI


class Depends:
    """A parameter that a function provides."""

    def __init__(self, provide: Callable[..., object]) -> None:
        self.provide = provide


class Header:
    """A parameter that is a header of its name, with hyphens."""


class HTTPException(HttpError):
    """Answers its status."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(f"{status} {detail}")


class FastAPI:
    """Routes, and the parameters of what they call."""

    def __init__(self) -> None:
        self._routes: dict[tuple[str, str], Callable[..., Any]] = {}

    def post(self, path: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        def added(handler: Callable[..., Any]) -> Callable[..., Any]:
            self._routes["POST", path] = handler
            return handler

        return added

    def called(self, method: str, path: str, headers: Mapping[str, str]) -> Any:
        """What the route answers."""
        return _called(self._routes[method, path], headers)


def _called(function: Callable[..., Any], headers: Mapping[str, str]) -> Any:
    hints = get_type_hints(function, include_extras=True)
    given = {}
    for name, parameter in inspect.signature(function).parameters.items():
        assert get_origin(hints[name]) is Annotated
        _, how = get_args(hints[name])
        if isinstance(how, Depends):
            given[name] = _called(how.provide, headers)
        else:
            given[name] = headers.get(name.replace("_", "-"), parameter.default)
    return function(**given)


def fastapi_modules() -> dict[str, ModuleType]:
    """The module that the application imports."""
    return _modules(fastapi={"Depends": Depends, "FastAPI": FastAPI, "Header": Header, "HTTPException": HTTPException})
