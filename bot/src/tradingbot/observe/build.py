"""Which code runs: one fingerprint of the bot's own files and of everything that is installed beside it.

The name of an image can be moved to other code. The preflight says which build it was, the approval of live trading
keeps that, and a bot that is another build opens nothing. It tells an honest build from another honest one; an image
that was made to lie can say what it likes, and only its digest tells it apart.
"""

from __future__ import annotations

import hashlib
import sys
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

PACKAGES: Final = ("tradingbot", "tradingbot_contract")
_COMPILED: Final = {".pyc", ".pyo"}


def fingerprint() -> str:
    """Return 32 hex digits: the same for the same code with the same dependencies on the same Python."""
    folders = (Path(place) for name in PACKAGES for place in _places(name))
    return of(folders, {f"{found.name}=={found.version}" for found in metadata.distributions()}, sys.version)


def of(folders: Iterable[Path], installed: Iterable[str], python: str) -> str:
    """Return the fingerprint of these folders' files, by name and content, and of what is installed."""
    whole = hashlib.sha256()
    for folder in folders:
        for path in sorted(file for file in folder.rglob("*") if file.suffix not in _COMPILED and file.is_file()):
            content = hashlib.sha256(path.read_bytes()).hexdigest()
            whole.update(f"{folder.name}/{path.relative_to(folder).as_posix()}\0{content}\n".encode())
    for line in (*sorted(installed), python):
        whole.update(f"{line}\n".encode())
    return whole.hexdigest()[:32]


def _places(package: str) -> Iterable[str]:
    found = find_spec(package)
    return (found.submodule_search_locations or ()) if found is not None else ()
