"""The command line: up, down, status, kubeconfig, build-binaries, build-images, load-image."""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from rich.table import Table

from tradingbot_cluster import binaries, provider
from tradingbot_cluster.console import console, note, output
from tradingbot_cluster.errors import EXIT_FAILED, EXIT_OK, ClusterError
from tradingbot_cluster.images.build import build_archives
from tradingbot_cluster.interface import UpOptions
from tradingbot_cluster.paths import DEFAULT_INSTANCE, Layout

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tradingbot_cluster.interface import Provider


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--instance", default=DEFAULT_INSTANCE, help="name of the cluster, %(default)r unless told")
    common.add_argument(
        "--state-dir", type=Path, help="where its state lies, under .cluster of the checkout unless told"
    )
    common.add_argument("--provider", default="", choices=provider.PROVIDERS, help="overrides CLUSTER=")
    common.add_argument("--json", action="store_true", help="print the result as JSON on standard output")
    root = argparse.ArgumentParser(prog="tradingbot-cluster", description="The development cluster of this checkout.")
    commands = root.add_subparsers(dest="command", required=True)

    up = commands.add_parser("up", parents=[common], help="make the cluster, or what is missing of it")
    up.add_argument("--control-plane-only", action="store_true", help="no node: an API server in seconds, for tests")
    up.add_argument(
        "--scheduler", action=argparse.BooleanOptionalAction, help="with the scheduler, also without a node"
    )
    up.add_argument("--audit-log", action=argparse.BooleanOptionalAction, help="log what ServiceAccounts ask for (on)")
    up.add_argument("--kwok-nodes", type=int, help="simulate this many nodes (for benchmarks)")
    commands.add_parser("down", parents=[common], help="remove everything that `up` made")
    commands.add_parser("status", parents=[common], help="exit code 0 healthy, 3 not running, 4 not healthy")
    commands.add_parser("kubeconfig", parents=[common], help="print the path of the kubeconfig")
    build = commands.add_parser("build-binaries", parents=[common], help="build the cluster's programs into the cache")
    build.add_argument("names", nargs="*", help=f"of {', '.join(binaries.TOOLS)} (default: the cluster's)")
    path = commands.add_parser("program", parents=[common], help="print the path of a program, such as kubectl or helm")
    path.add_argument("name")
    images = commands.add_parser("build-images", parents=[common], help="build the images and load them")
    images.add_argument("names", nargs="*", help="of operator, bot, postgresql, redis, s3; all unless named")
    images.add_argument(
        "--cache-only", action="store_true", help="build into the user's cache for a local cluster; needs none to run"
    )
    load = commands.add_parser("load-image", parents=[common], help="make an image usable by pods")
    load.add_argument("reference")
    load.add_argument("--archive", type=Path, help="an OCI or Docker archive that holds it")
    return root


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    options = parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, _interrupted)
    try:
        return _COMMANDS[options.command](options)
    except ClusterError as failed:
        console.print(f"error: {failed}", style="red", markup=False)
        return failed.exit_code
    except OSError as failed:
        console.print(f"error: {failed}", style="red", markup=False)
        return EXIT_FAILED
    except KeyboardInterrupt:
        note("interrupted: the same command goes on from here")
        return 130


def _interrupted(_number: int, _frame: object) -> None:
    raise KeyboardInterrupt


def _provider(options: argparse.Namespace, only: str = "") -> Provider:
    return provider.make(Layout.of(options.instance, options.state_dir), options.provider or only)


def _up(options: argparse.Namespace) -> int:
    # A control plane alone is for tests, and the local provider's business wherever the demo runs.
    chosen = _provider(options, "local" if options.control_plane_only else "")
    audit = options.audit_log
    if audit is None and os.environ.get("TRADINGBOT_AUDIT"):
        audit = os.environ["TRADINGBOT_AUDIT"] != "0"
    chosen.up(UpOptions(options.control_plane_only, options.scheduler, audit, options.kwok_nodes))
    if options.json:
        print(json.dumps(chosen.status().to_json(), indent=2))
    else:
        note(f"cluster {options.instance!r} is up ({chosen.name}): export KUBECONFIG={chosen.kubeconfig()}")
    return EXIT_OK


def _down(options: argparse.Namespace) -> int:
    if _provider(options).down():
        note(f"cluster {options.instance!r} is removed")
    else:
        note(f"there is no cluster {options.instance!r}")
    return EXIT_OK


def _status(options: argparse.Namespace) -> int:
    status = _provider(options).status()
    if options.json:
        print(json.dumps(status.to_json(), indent=2))
        return status.exit_code
    if not status.running:
        output.print(f"cluster {status.instance!r} ({status.provider}) is not running: make cluster-up", markup=False)
        return status.exit_code
    table = Table("component", "pid", "health", "memory", box=None, pad_edge=False)
    for entry in status.components:
        memory = f"{entry.rss_bytes / 2**20:.0f} MiB" if entry.rss_bytes else ""
        style = "green" if entry.healthy else "red"
        table.add_row(entry.component, str(entry.pid or "-"), f"[{style}]{entry.detail}[/{style}]", memory)
    output.print(f"cluster {status.instance!r} ({status.provider}) at {status.server}", markup=False)
    output.print(table)
    for remark in [*status.notes, f"export KUBECONFIG={status.kubeconfig}"]:
        output.print(remark, markup=False)
    return status.exit_code


def _kubeconfig(options: argparse.Namespace) -> int:
    print(_provider(options).kubeconfig())
    return EXIT_OK


def _build_binaries(options: argparse.Namespace) -> int:
    built = binaries.ensure(options.names or binaries.DEFAULT_TOOLS)
    if options.json:
        print(json.dumps({name: str(path) for name, path in built.items()}, indent=2))
    else:
        for name, path in built.items():
            output.print(f"{name}: {path} ({binaries.manifest(binaries.TOOLS[name])})", markup=False)
    return EXIT_OK


def _program(options: argparse.Namespace) -> int:
    print(binaries.find(options.name))
    return EXIT_OK


def _build_images(options: argparse.Namespace) -> int:
    if options.cache_only:
        chosen = _provider(options).name
        if chosen != "local":
            note(f"nothing is built: the images of a cluster of {chosen} are not in the cache")
            return EXIT_OK
        for source, archive in build_archives(options.names).items():
            output.print(f"{source}: {archive}", markup=False)
        return EXIT_OK
    images = _provider(options).build_images(options.names)
    if options.json:
        print(json.dumps({image.name: asdict(image) for image in images}, indent=2))
    else:
        for image in images:
            output.print(f"{image.name}: {image.reference}", markup=False)
    return EXIT_OK


def _load_image(options: argparse.Namespace) -> int:
    loaded = _provider(options).load_image(options.reference, options.archive)
    note(f"{options.reference}: {'loaded' if loaded else 'was there already'}")
    return EXIT_OK


_COMMANDS: dict[str, Callable[[argparse.Namespace], int]] = {
    "up": _up,
    "down": _down,
    "status": _status,
    "kubeconfig": _kubeconfig,
    "build-binaries": _build_binaries,
    "program": _program,
    "build-images": _build_images,
    "load-image": _load_image,
}

if __name__ == "__main__":
    sys.exit(main())
