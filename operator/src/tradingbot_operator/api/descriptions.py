"""The sentences below the fields of a model, which become the descriptions in the CRD.

pydantic can read them too, but does so when a class is made: every start of the operator would parse its own source
once per class. Here they are read when a schema is generated, and never otherwise.
"""

import ast
import functools
import inspect
import sys
from itertools import pairwise

from pydantic import BaseModel


@functools.cache
def _of_module(module: str) -> dict[str, dict[str, str]]:
    """Return, per class of the module, the text of the string that follows each annotated assignment."""
    tree = ast.parse(inspect.getsource(sys.modules[module]))
    found: dict[str, dict[str, str]] = {}
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            texts = found[node.name] = {}
            for statement, after in pairwise(node.body):
                match statement, after:
                    case (
                        ast.AnnAssign(target=ast.Name(id=name)),
                        ast.Expr(value=ast.Constant(value=str(text))),
                    ):
                        texts[name] = inspect.cleandoc(text)
                    case _:
                        pass
    return found


def field_descriptions(model: type[BaseModel]) -> dict[str, str]:
    """Return the description of each field that has one; a subclass may say it anew."""
    texts: dict[str, str] = {}
    for cls in reversed(model.__mro__):
        if issubclass(cls, BaseModel) and cls is not BaseModel:
            texts |= _of_module(cls.__module__).get(cls.__name__, {})
    return {name: texts[name] for name in model.model_fields if name in texts}
