"""Whether what is installed is as new as pyproject.toml asks."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, requires, version

from .finding import Finding

#: Extras that training needs; the others are the engine's choice.
NEEDED = ("train",)


def packages() -> Finding:
    """One line for all packages: what is missing or too old."""
    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name

    wanted: dict[str, Requirement] = {}
    waiting = ["", *NEEDED]
    asked: set[str] = set()
    try:
        lines = [Requirement(text) for text in requires("medseg") or []]
    except PackageNotFoundError:
        return Finding("packages", "warn", "medseg is not installed as a package", "pip install -e '.[train]'")
    while waiting:
        extra = waiting.pop()
        asked.add(extra)
        for line in lines:
            if line.marker is not None and not line.marker.evaluate({"extra": extra}):
                continue
            if line.marker is None and extra:
                continue
            if canonicalize_name(line.name) == "medseg":  # an extra that takes in others
                waiting += [e for e in line.extras if e not in asked]
            else:
                wanted[canonicalize_name(line.name)] = line
    missing, old, found = [], [], {}
    for name, line in sorted(wanted.items()):
        try:
            here = version(name)
        except PackageNotFoundError:
            missing.append(name)
            continue
        found[name] = here
        if not line.specifier.contains(here, prereleases=True):
            old.append(f"{name} {here} (needs {line.specifier})")
    if missing or old:
        parts = [f"{what}: {', '.join(names)}" for what, names in (("missing", missing), ("too old", old)) if names]
        return Finding("packages", "fail", "; ".join(parts), "pip install --upgrade 'medseg[train]'", found)
    return Finding("packages", "ok", f"{len(found)} packages, all as new as asked", values=found)
