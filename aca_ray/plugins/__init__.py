"""Plug-ins: methods, rankers, rules, controls, spaces, protocols and data sets of other authors.

A plug-in is a Python file or an importable module that defines them at its top level; it calls nothing. Only plug-ins
that a spec lists and those that installed packages announce as entry points are loaded, since loading runs their code.
"""

from aca_ray.plugins.installed import GROUPS, installed_plugins, missing_reason
from aca_ray.plugins.loaded import Plugin, activate, active, loaded_name, used_now
from aca_ray.plugins.source import check_source, is_file_name, read_source
from aca_ray.plugins.spec import load_listed, source_of
from aca_ray.plugins.travel import KeptPlugins, keep_sources

__all__ = [
    "GROUPS",
    "KeptPlugins",
    "Plugin",
    "activate",
    "active",
    "check_source",
    "installed_plugins",
    "is_file_name",
    "keep_sources",
    "load_listed",
    "loaded_name",
    "missing_reason",
    "read_source",
    "source_of",
    "used_now",
]
