"""Which web pages may connect to a panel's server: only JupyterLab on this machine."""

from typing import Any
from urllib.parse import urlsplit

THIS_MACHINE = {"localhost", "127.0.0.1", "::1"}


def refusal(origin: Any) -> str:
    """Return why a page of this origin may not connect; an empty string if it may.

    It is the page's ``location.origin``: scheme, host and port. It becomes
    ``cors_allowed_origins``, so it must not contain anything else.
    """
    where = "The browser panel needs JupyterLab and its kernel on your own machine"
    try:
        parts = urlsplit(origin if isinstance(origin, str) else "")
        port = f":{parts.port}" if parts.port is not None else ""
    except ValueError:
        return f"{where}; this page does not say where it comes from."
    host = parts.hostname or ""
    if parts.scheme == "https":
        return f"{where}, at an address that begins with http://localhost; this page is https."
    if parts.scheme != "http" or not host:
        return f"{where}, in a browser; this page is not one that JupyterLab has served."
    if host not in THIS_MACHINE:
        return f"{where}; this page comes from {host}."
    if origin != f"http://{f'[{host}]' if ':' in host else host}{port}":
        return f"{where}; this page does not say where it comes from."
    return ""
