"""Plug-ins: methods, rankers, rules, controls, spaces, protocols and data sets of other authors.

A plug-in is a Python file or an importable module that defines them at its top level; it calls nothing. Only plug-ins
that a spec lists and those that installed packages announce as entry points are loaded, since loading runs their code.
"""

from aca_ray.plugins.installed import installed_plugins, missing_reason
from aca_ray.plugins.loaded import active, added_by, used_now
from aca_ray.plugins.spec import load_listed
from aca_ray.plugins.travel import KeptPlugins, keep_sources, not_in_folder

__all__ = [
    "KeptPlugins",
    "active",
    "added_by",
    "installed_plugins",
    "keep_sources",
    "load_listed",
    "missing_reason",
    "not_in_folder",
    "used_now",
]
