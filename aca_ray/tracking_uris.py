"""MLflow tracking URIs that the program can use, told apart without importing mlflow."""

from __future__ import annotations

import re

SERVERS = ("http", "https", "databricks")
DATABASES = ("sqlite", "postgresql", "mysql", "mssql")


def is_server(uri: str) -> bool:
    """Return whether a usable tracking URI is that of a server, which keeps its own artifacts."""
    return _scheme(uri) in SERVERS


def is_sqlite(uri: str) -> bool:
    """Return whether a tracking URI is an SQLite URI."""
    return _scheme(uri) == "sqlite"


def tracking_problem(uri: str) -> str | None:
    """Return the sentence that says why a tracking URI can't be used, without its place; None if it can."""
    place = uri.partition("://")[2]
    if is_sqlite(uri):
        host, _, path = place.partition("/")
        if host or path in {"", ":memory:"} or "?" in place:
            return (
                f"must be sqlite:///PATH, where PATH is a file with question marks written as %3F; found {uri!r}. An "
                "absolute path gives four slashes: sqlite:////folder/mlflow.db"
            )
        return None
    if uri == "databricks" or (place and _scheme(uri) in (*SERVERS, *DATABASES)):
        return None
    schemes = ", ".join(f"{scheme}://" for scheme in (*SERVERS, *DATABASES))
    rule = f"must be null (an SQLite file in runtime.storage) or a URI that starts with one of {schemes}"
    fix = f". Write http://{uri}" if re.fullmatch(r"[\w.-]+:\d+(/.*)?", uri) else ""
    return f"{rule}; found {uri!r}{fix}"


def _scheme(uri: str) -> str:
    """Return the scheme of a URI, for a database without the name of its driver."""
    scheme = uri.partition("://")[0]
    dialect = scheme.partition("+")[0]
    return dialect if dialect in DATABASES else scheme
