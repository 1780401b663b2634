"""Run a function as soon as a module has been imported, without importing it now. Independent of sigrnn."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any


class AfterImport:
    """A finder that finds nothing: it lets others find the module, and acts once that has been executed."""

    def __init__(self, name: str, action: Callable[[], Any]) -> None:
        self.name, self.action = name, action
        sys.meta_path.insert(0, self)

    def cancel(self) -> None:
        """Do nothing after all."""
        if self in sys.meta_path:
            sys.meta_path.remove(self)

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        if name != self.name:
            return None
        for finder in sys.meta_path[sys.meta_path.index(self) + 1 :]:
            spec = finder.find_spec(name, path, target)
            if spec is not None:
                spec.loader = Loader(self, spec.loader)  # type: ignore[assignment]
                return spec
        return None


class Loader:
    """The module's own loader, and the action afterwards."""

    def __init__(self, hook: AfterImport, own: Any) -> None:
        self.hook, self.own = hook, own

    def __getattr__(self, name: str) -> Any:
        return getattr(self.own, name)

    def create_module(self, spec: Any) -> Any:
        return self.own.create_module(spec)

    def exec_module(self, module: Any) -> None:
        module.__spec__.loader = module.__loader__ = self.own
        self.own.exec_module(module)
        if self.hook in sys.meta_path:  # not cancelled
            self.hook.cancel()
            self.hook.action()
