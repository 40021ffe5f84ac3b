"""Runs Lua as Argo CD does (util/lua/lua.go): Lua 5.1 with base and table only, objects in, objects out.

What Argo CD's own tests open beyond that is closed here: a script from argocd-cm has no string library.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

lua51: Any = import_module("lupa.lua51")
HEALTH = {"Healthy", "Progressing", "Suspended", "Degraded", "Missing", "Unknown"}


class LuaError(Exception):
    """The message of `error(message, 0)`."""


def run(script: str, obj: Any, parameters: dict[str, str] | None = None) -> Any:
    """Return what the script returns for the object."""
    runtime = lua51.LuaRuntime(unpack_returned_tuples=True, register_eval=False, register_builtins=False)
    state = runtime.globals()
    runtime.execute('getmetatable("").__index = nil')
    for library in ("string", "math", "io", "debug", "coroutine", "os", "python"):
        state[library] = None
    state["obj"] = decode(runtime, obj)
    if parameters is not None:
        state["actionParams"] = decode(runtime, parameters)
    try:
        return encode(runtime.execute(script))
    except lua51.LuaError as error:
        raise LuaError(str(error)) from None


def health(script: str, obj: Any) -> Any:
    """Return status and message. Of what is being deleted, Argo CD tells only what the script says for that."""
    found = run(script, obj)
    assert found["status"] in HEALTH
    told = found.pop("deletionMessage", None)
    if "deletionTimestamp" not in obj["metadata"]:
        return found
    if told is None:
        return {"status": "Progressing", "message": "Pending deletion"}
    return {"status": found["status"], "message": told}


def act(script: str, obj: Any, parameters: dict[str, str] | None = None) -> Any:
    """Return the object as the action leaves it. Argo CD mends maps that Lua took for empty lists."""
    return mend(run(script, obj, parameters), obj)


def discover(script: str, obj: Any) -> list[dict[str, Any]]:
    """Return the actions; where none is told, an action is enabled."""
    return [
        {"name": name, "disabled": False, **(entry if isinstance(entry, dict) else {})}
        for name, entry in run(script, obj).items()
    ]


def merge_patch(before: Any, after: Any) -> dict[str, Any]:
    """Return the merge patch that Argo CD sends for an action."""
    patch: dict[str, Any] = {}
    for key in {*before, *after}:
        if key not in after:
            patch[key] = None
        elif key not in before:
            patch[key] = after[key]
        elif isinstance(before[key], dict) and isinstance(after[key], dict):
            inner = merge_patch(before[key], after[key])
            if inner:
                patch[key] = inner
        elif before[key] != after[key]:
            patch[key] = after[key]
    return patch


def decode(runtime: Any, value: Any) -> Any:
    """Turn JSON into Lua. Nulls disappear."""
    if isinstance(value, dict):
        table = runtime.table()
        for key, entry in value.items():
            table[key] = decode(runtime, entry)
        return table
    if isinstance(value, list):
        return runtime.table(*(decode(runtime, entry) for entry in value))
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


def encode(value: Any) -> Any:
    """Turn Lua into JSON. An empty table is a list, as for gopher-json."""
    if lua51.lua_type(value) != "table":
        return value
    keys = list(value.keys())
    if keys == list(range(1, len(keys) + 1)):
        return [encode(value[key]) for key in keys]
    assert all(isinstance(key, str) for key in keys), f"neither a list nor a map: {keys}"
    return {key: encode(value[key]) for key in keys}


def mend(new: Any, old: Any) -> Any:
    """Give back the maps that were empty before the script."""
    if isinstance(new, dict) and isinstance(old, dict):
        return {key: mend(value, old.get(key)) for key, value in new.items()}
    if new == [] and isinstance(old, dict):
        return old
    if isinstance(new, list) and isinstance(old, list):
        return [mend(value, old[i] if i < len(old) else None) for i, value in enumerate(new)]
    return new
