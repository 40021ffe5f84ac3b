"""Copy crds/ into the chart, or check that the copies are the same: `python charts/sync_crds.py [--check]`.

Helm reads nothing outside a chart's folder, so the chart has copies. They are never edited: `make crds` writes them,
a unit test compares them, and the template adds nothing but the annotation that keeps them on uninstall.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

CHARTS = Path(__file__).resolve().parent
SOURCE = CHARTS.parent / "crds"
TARGET = CHARTS / "tradingbot-operator" / "files" / "crds"
HOOK = "\nmetadata:\n"


class UnfitCRDError(Exception):
    """A CRD that the chart's template could not annotate."""


def expected(source: Path = SOURCE) -> dict[str, str]:
    """Return the content of every CRD file by its name, refusing what the template could not annotate."""
    files = {path.name: path.read_text(encoding="utf-8") for path in sorted(source.glob("*.yaml"))}
    for name, text in files.items():
        if f"\n{text}".count(HOOK) != 1:
            raise UnfitCRDError(f"{name}: exactly one line must be `metadata:` alone, the CRD's own")
        metadata = text.partition(HOOK)[2].partition("\nspec:\n")[0]
        if "annotations:" in metadata:
            raise UnfitCRDError(f"{name}: metadata has annotations; the chart's template adds its own there")
    return files


def differences(source: Path = SOURCE, target: Path = TARGET) -> list[str]:
    """Say in one sentence each what differs between the sources and the chart's copies."""
    wanted = expected(source)
    present = {path.name: path.read_text(encoding="utf-8") for path in target.glob("*.yaml")}
    return (
        [f"{name} is missing in the chart" for name in wanted if name not in present]
        + [f"{name} in the chart has no source" for name in present if name not in wanted]
        + [f"{name} differs from its source" for name in wanted if present.get(name, wanted[name]) != wanted[name]]
    )


def write(source: Path = SOURCE, target: Path = TARGET) -> None:
    """Make the chart's copies equal to the sources."""
    wanted = expected(source)
    target.mkdir(parents=True, exist_ok=True)
    for path in target.glob("*.yaml"):
        if path.name not in wanted:
            path.unlink()
    for name, text in wanted.items():
        path = target / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")


def main(arguments: list[str] | None = None) -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description="copy crds/ into the chart tradingbot-operator")
    parser.add_argument("--check", action="store_true", help="change nothing; fail where something differs")
    options = parser.parse_args(arguments)
    try:
        if not options.check:
            write()
        found = differences()
    except UnfitCRDError as error:
        found = [str(error)]
    for line in found:
        sys.stderr.write(f"{line}; run: make crds\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
