"""The command `firedrill lab`: results on stdout, progress and errors on stderr."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError
from rich.console import Console
from rich.table import Table

from firedrill.lab import lab
from firedrill.lab.errors import LabError
from firedrill.lab.model import CLUSTERS, LabSpec, LabState, Provider
from firedrill.lab.native import provider as native
from firedrill.lab.paths import LabPaths, lab_names
from firedrill.lab.progress import Progress

EXIT_OK, EXIT_NOT_READY, EXIT_ERROR, EXIT_USAGE = 0, 1, 3, 64


def parser() -> argparse.ArgumentParser:
    """The command line."""
    top = argparse.ArgumentParser(prog="firedrill lab", description="Local clusters to practise on.")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def add(name: str, text: str, *, named: bool = True) -> argparse.ArgumentParser:
        found = commands.add_parser(name, help=text, description=text)
        if named:
            found.add_argument("--name", default="demo", help="which lab (default: demo)")
        return found

    up = add("up", "start a lab, or what is missing of it")
    up.add_argument("--provider", choices=[str(provider) for provider in Provider], default="auto")
    up.add_argument("--clusters", default=",".join(CLUSTERS), help=f"default: {','.join(CLUSTERS)}")
    up.add_argument("--no-nodes", action="store_true", help="API server and controllers only; no pods run")
    up.add_argument("--no-images", action="store_true", help="do not build and load the project's images")
    up.add_argument(
        "--context",
        action="append",
        default=[],
        metavar="NAME=CONTEXT",
        help="a context of your kubeconfig to use as cluster NAME (with --provider existing)",
    )
    show = add("status", "look at a lab, or list all labs with --all")
    show.add_argument("-o", "--output", choices=["table", "json"], default="table")
    show.add_argument("--all", action="store_true", help="names of the labs that have a folder")
    add("down", "remove a lab and every trace of it")
    add("build", "fill the caches (programs, images) and start nothing", named=False)
    load = add("load-image", "bring an image archive (a tar) into a lab's clusters")
    load.add_argument("archive", type=Path)
    load.add_argument("--clusters", default="", help="default: all of the lab")
    add("env", "print what to set in a shell to use a lab")
    add("kubeconfig", "print the path of a lab's kubeconfig")
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; gives the exit code."""
    try:
        arguments = parser().parse_args(argv)
    except SystemExit as error:
        return EXIT_OK if error.code in (0, None) else EXIT_USAGE
    try:
        return COMMANDS[arguments.command](arguments)
    except LabError as error:
        print(f"firedrill lab: {error}", file=sys.stderr)
        return EXIT_ERROR
    except KeyboardInterrupt:
        print("firedrill lab: stopped; `firedrill lab up` carries on, `down` clears", file=sys.stderr)
        return 130


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def spec_of(arguments: argparse.Namespace) -> LabSpec:
    """The lab that the command line asks for.

    Raises LabError for values that make no lab.
    """
    contexts = {}
    for item in arguments.context:
        name, separator, context = item.partition("=")
        if not (name and separator and context):
            raise LabError(f"--context {item!r}: write NAME=CONTEXT, as in hub=my-cluster")
        contexts[name] = context
    try:
        return LabSpec(
            name=arguments.name,
            provider=Provider(arguments.provider),
            clusters=tuple(contexts) or _names(arguments.clusters),
            nodes=not arguments.no_nodes,
            images=not arguments.no_images,
            contexts=contexts,
        )
    except ValidationError as error:
        first = error.errors()[0]
        raise LabError(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from error


def _up(arguments: argparse.Namespace) -> int:
    state = lab.up(spec_of(arguments))
    _show(state)
    print(f'To use it: eval "$(firedrill lab env --name {state.name})"', file=sys.stderr)
    return EXIT_OK if all(cluster.ready for cluster in state.clusters) else EXIT_NOT_READY


def _status(arguments: argparse.Namespace) -> int:
    if arguments.all:
        print("\n".join(lab_names()))
        return EXIT_OK
    state = lab.status(arguments.name)
    if state is None:
        print(f"There is no lab {arguments.name!r}: firedrill lab up --name {arguments.name}", file=sys.stderr)
        return EXIT_NOT_READY
    if arguments.output == "json":
        print(state.model_dump_json(indent=2))
    else:
        _show(state)
    return EXIT_OK if all(cluster.ready for cluster in state.clusters) else EXIT_NOT_READY


def _show(state: LabState) -> None:
    table = Table("CLUSTER", "READY", "CONTEXT", "API SERVER", "NODE", "NETWORK POLICY", "", box=None)
    for cluster in state.clusters:
        enforced = {True: "enforced", False: "not enforced", None: "unknown"}[cluster.network_policy_enforced]
        table.add_row(
            cluster.name,
            "yes" if cluster.ready else "no",
            cluster.context,
            cluster.server,
            cluster.node or "none",
            enforced if cluster.node else "",
            cluster.detail,
        )
    # A pipe has no width; a table cut at 80 columns would be of no use to whoever reads it.
    Console(width=None if sys.stdout.isatty() else 200).print(table)


def _down(arguments: argparse.Namespace) -> int:
    lab.down(arguments.name)
    print(f"The lab {arguments.name!r} is gone.", file=sys.stderr)
    return EXIT_OK


def _build(arguments: argparse.Namespace) -> int:
    del arguments
    folder = native.build(Progress())
    print(folder)
    return EXIT_OK


def _load_image(arguments: argparse.Namespace) -> int:
    names = lab.load_image(arguments.name, arguments.archive, _names(arguments.clusters))
    print(f"loaded into {', '.join(names)}", file=sys.stderr)
    return EXIT_OK


def _paths_of_running(name: str) -> LabPaths:
    paths = LabPaths(name)
    if not paths.kubeconfig.exists():
        raise LabError(f"there is no lab {name!r}: firedrill lab up --name {name}")
    return paths


def _env(arguments: argparse.Namespace) -> int:
    paths = _paths_of_running(arguments.name)
    print(f"export KUBECONFIG={paths.kubeconfig}")
    if paths.bin.exists():
        print(f"export PATH={paths.bin}{os.pathsep}$PATH")
    return EXIT_OK


def _kubeconfig(arguments: argparse.Namespace) -> int:
    print(_paths_of_running(arguments.name).kubeconfig)
    return EXIT_OK


COMMANDS = {
    "up": _up,
    "status": _status,
    "down": _down,
    "build": _build,
    "load-image": _load_image,
    "env": _env,
    "kubeconfig": _kubeconfig,
}
