"""The frame of all pages for people; nothing on them is loaded from another origin."""

from __future__ import annotations

from html import escape

from sharetally.web.responses import Response, document_response

CSP = ("content-security-policy", "default-src 'self'; base-uri 'none'; frame-ancestors 'none'; form-action 'none'")


def html_page(root_path: str, title: str, body: str, *, head: str = "") -> Response:
    """A page of ours below `root_path`; `body` and what is added to its `head` are HTML, the title is text."""
    root = escape(root_path)
    opening = (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        f'<link rel="icon" href="{root}/icon.svg" type="image/svg+xml">'
        f'<link rel="stylesheet" href="{root}/page.css">{head}</head>'
    )
    return document_response(f"{opening}<body>{body}</body></html>", "text/html; charset=utf-8", CSP)
