"""Imports one exchange of ccxt instead of all hundred: a stop must not wait for ninety-nine others (seconds, 40 MiB).

ccxt's packages import every exchange when they are imported. Here they are packages whose own code has not run yet; it
runs when something is asked of them that only it can give, so whoever imports ccxt afterwards gets all of it.
"""

from __future__ import annotations

import importlib
import importlib.util
import re
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from importlib.machinery import ModuleSpec

PACKAGES = ("ccxt", "ccxt.async_support")
BASES = {
    "ccxt": ("ccxt.base.errors", "ccxt.base.exchange"),
    "ccxt.async_support": ("ccxt.base.errors", "ccxt.async_support.base.exchange"),
}
"""By package, the modules whose names it gives without running its own code."""


class _Unrun(ModuleType):
    """A package whose code has not run yet."""

    def __init__(self, spec: ModuleSpec) -> None:
        super().__init__(spec.name)
        self.__spec__, self.__file__ = spec, spec.origin
        self.__path__ = list(spec.submodule_search_locations or ())
        self.__package__ = spec.name

    def __getattr__(self, name: str) -> Any:
        """Give an error or the base of all exchanges; run the package's code for everything else."""
        if name.startswith("__"):
            raise AttributeError(name)
        for module in BASES[self.__name__]:
            found = getattr(importlib.import_module(module), name, None)
            if isinstance(found, type) and found.__name__ == name:
                return found
        spec = self.__spec__
        if spec is None or spec.loader is None or self.__dict__.get("_running"):
            raise AttributeError(name)
        self.__dict__["_running"] = True
        spec.loader.exec_module(self)
        return getattr(self, name)


def exchange_class(name: str) -> type[Any] | None:
    """Import an exchange's class, or return None where ccxt has none of this name."""
    if re.fullmatch(r"[a-z][a-z0-9]*", name) is None:
        return None
    if not all(package in sys.modules for package in PACKAGES):
        _prepare()
    module = f"{PACKAGES[1]}.{name}"
    if importlib.util.find_spec(module) is None:
        return None
    found: type[Any] | None = getattr(importlib.import_module(module), name, None)
    _show_classes()
    return found if isinstance(found, type) else None


def _prepare() -> None:
    for package in PACKAGES:
        if package not in sys.modules:
            spec = importlib.util.find_spec(package)
            if spec is None:
                raise ModuleNotFoundError(f"{package} is not installed")
            sys.modules[package] = _Unrun(spec)
            above, _, own = package.rpartition(".")
            if above:
                setattr(sys.modules[above], own, sys.modules[package])


def _show_classes() -> None:
    """Let the package name classes where the import machinery has put modules, as its own code would."""
    package = sys.modules[PACKAGES[1]]
    for module in [name for name in sys.modules if name.startswith(PACKAGES[1] + ".")]:
        own = module.removeprefix(PACKAGES[1] + ".")
        found = getattr(sys.modules[module], own, None)
        if isinstance(found, type):
            setattr(package, own, found)
