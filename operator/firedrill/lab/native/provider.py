"""Brings a native lab up and down."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

from firedrill.lab import addresses, canary, kubeconfig
from firedrill.lab.client import Client
from firedrill.lab.errors import LabError
from firedrill.lab.imaging import oci, recipes
from firedrill.lab.imaging.oci import Image
from firedrill.lab.model import ClusterState, LabSpec, LabState, Provider
from firedrill.lab.native import (
    addons,
    anchor,
    binaries,
    cgroups,
    cluster,
    host,
    host_settings,
    identity,
    network,
    plan,
    prepared_store,
    store,
)
from firedrill.lab.native.binaries import Binaries
from firedrill.lab.native.layout import Layout
from firedrill.lab.native.plan import Plan, Step
from firedrill.lab.paths import LabPaths, cache, remove_tree
from firedrill.lab.progress import Progress


def up(spec: LabSpec, paths: LabPaths, progress: Progress) -> LabState:
    """Start what is missing of the lab and wait until all of it serves.

    Raises LabError that says what failed and where its log is; `up` again carries on from there.
    """
    started_at = datetime.now(UTC)
    build_logs = cache("logs")
    with progress.phase("host packages"):
        host.prepare(build_logs / "packages.log", nodes=spec.nodes)
    with progress.phase("binaries (built once, minutes)"):
        built = binaries.ensure(build_logs / "binaries.log")
    images: dict[str, Image] = {}
    if spec.nodes:
        images = make_images(built, progress, spec)
    with progress.phase("network"), addresses.allocation_lock():
        chosen = plan.merge(plan.load(paths), spec.clusters, paths=paths, nodes=spec.nodes, binaries=str(built.folder))
        plan.save(paths, chosen)
        network.create_bridge(paths.id, chosen.addresses)
        host_settings.raise_for(paths.id)
    layouts = [layout for layout in chosen.layouts(paths) if layout.name in spec.clusters]
    fresh = [layout for layout in layouts if step_for(layout) is not Step.KEEP]
    _link_tools(paths, built)
    state = LabState(
        name=spec.name,
        provider=Provider.NATIVE,
        kubeconfig=str(paths.kubeconfig),
        nodes=spec.nodes,
        started_at=started_at,
    )
    prepared = None
    if spec.nodes and fresh:
        with progress.phase("container store (made once)"):
            prepared = prepared_store.ensure(paths, images, built)
    with progress.phase(f"control planes of {_names(fresh)}"):
        each(fresh, lambda layout: cluster.start(layout, built, prepared))
        _write_kubeconfig(paths, chosen)
        each(fresh, cluster.wait_api)
    if spec.nodes:
        _start_nodes(fresh, layouts, images, progress)
    for layout in fresh:
        cluster.mark_started(layout)
    state.phases = progress.phases
    state.clusters = [observe(layout) for layout in chosen.layouts(paths)]
    state.save(paths.state)
    return state


def _start_nodes(
    fresh: Sequence[Layout], layouts: Sequence[Layout], images: dict[str, Image], progress: Progress
) -> None:
    if fresh:
        with progress.phase("nodes"):
            each(fresh, cluster.wait_node)
    with progress.phase("images into the nodes"):
        each(layouts, lambda layout: _load_images(layout, images))
    if fresh:
        with progress.phase("DNS, volumes"):
            each(fresh, _start_addons)
        with progress.phase("network policy canary"):
            each(fresh, _try_network_policy)
        with progress.phase("pod metrics"):
            each(fresh, _wait_metrics)


def step_for(layout: Layout) -> Step:
    """What `up` has to do to this cluster."""
    found = anchor.find(layout.paths.init_config(layout.name))
    came_up = (layout.folder / cluster.STARTED).exists()
    return plan.decide(alive=found.init is not None, came_up=came_up)


def make_images(built: Binaries, progress: Progress, spec: LabSpec) -> dict[str, Image]:
    """The images that this lab needs, made now unless cached."""
    images = {"pause": recipes.pause(built.path("pause")), "addons": recipes.addons(built.path("addons"))}
    if not spec.images:
        return images
    sources = recipes.find_sources()
    if sources is None:
        progress.say(
            "No checkout of the project here, so its images are not built: run this in the checkout, set "
            "FIREDRILL_SOURCE to it, or use `firedrill lab load-image`."
        )
        return images
    wanted = recipes.names_for(spec.clusters)
    logs = cache("logs")
    with progress.phase("images (built once, minutes)"):
        images |= recipes.project_images(sources, lambda name: logs / f"{name}.log", wanted)
    return images


def build(progress: Progress) -> Path:
    """Fill the caches: programs and images. Gives the folder that the images are written to.

    Raises LabError that names the log of what failed.
    """
    logs = cache("logs")
    with progress.phase("host packages"):
        host.prepare(logs / "packages.log", nodes=True)
    with progress.phase("binaries (built once, minutes)"):
        built = binaries.ensure(logs / "binaries.log")
    folder = cache("images")
    for name, image in make_images(built, progress, LabSpec()).items():
        with progress.phase(f"archive of {name}"):
            oci.save(image, folder / f"{name}.tar")
    return folder


def _load_images(layout: Layout, images: dict[str, Image]) -> None:
    pid = _init_pid(layout)
    store.wait_ready(pid, layout.logs / "containerd.log")
    for image in recipes.for_cluster(images, layout.name):
        store.load(pid, image)


def _init_pid(layout: Layout) -> int:
    pid = anchor.find(layout.paths.init_config(layout.name)).init
    if pid is None:
        raise LabError(f"the cluster {layout.name} has ended, see {layout.logs / 'init.log'}; `up` starts it anew")
    return pid


def _start_addons(layout: Layout) -> None:
    with cluster.client(layout) as api:
        addons.apply(layout, api)
        addons.wait_ready(api, ("coredns", "local-volumes"))


def _wait_metrics(layout: Layout) -> None:
    # Last, as it serves only after its first round of measurements, a quarter of a minute on.
    with cluster.client(layout) as api:
        addons.wait_ready(api, ("metrics-server",))


def _try_network_policy(layout: Layout) -> None:
    with cluster.client(layout) as api:
        enforced = canary.network_policy_enforced(api, addons.IMAGE)
    canary.remember(layout.folder, enforced)


def _write_kubeconfig(paths: LabPaths, chosen: Plan) -> None:
    accesses = [identity.access(layout) for layout in chosen.layouts(paths) if (layout.certs / "admin.crt").exists()]
    kubeconfig.write(paths.kubeconfig, kubeconfig.document(accesses))


def _link_tools(paths: LabPaths, built: Binaries) -> None:
    paths.bin.mkdir(parents=True, exist_ok=True)
    for name in ("kubectl", "helm"):
        link = paths.bin / name
        link.unlink(missing_ok=True)
        link.symlink_to(built.path(name))


def observe(layout: Layout) -> ClusterState:
    """A cluster as it is now. Never raises: what does not answer is not ready, and `detail` says why."""
    state = ClusterState(
        name=layout.name,
        context=layout.context,
        server=layout.server,
        ca_file=str(layout.certs / "ca.crt"),
        node=layout.node if layout.nodes else None,
        network_policy_enforced=canary.recall(layout.folder) if layout.nodes else None,
    )
    if anchor.find(layout.paths.init_config(layout.name)).init is None:
        return state.model_copy(update={"detail": "not running"})
    try:
        with cluster.client(layout) as api:
            return state.model_copy(update=_readiness(layout, api))
    except (LabError, OSError) as error:
        return state.model_copy(update={"detail": str(error)})


def _readiness(layout: Layout, api: Client) -> dict[str, object]:
    if not api.ready():
        return {"detail": f"the API server is not ready, see {layout.logs / 'apiserver.log'}"}
    if layout.nodes and not addons.node_ready(api, layout.node):
        return {"detail": f"the node is not Ready, see {layout.logs / 'kubelet.log'}"}
    if not cluster.was_started(layout):
        return {"detail": "started only in part; `firedrill lab up` completes it"}
    return {"ready": True}


def status(paths: LabPaths) -> LabState | None:
    """The lab as it is now, or None when it was never started."""
    chosen = plan.load(paths)
    if chosen is None:
        return None
    recorded = paths.load_state()
    state = recorded or LabState(
        name=paths.name, provider=Provider.NATIVE, kubeconfig=str(paths.kubeconfig), nodes=chosen.nodes
    )
    observed = []
    each(chosen.layouts(paths), lambda layout: observed.append(observe(layout)))
    order = {name: index for index, name in enumerate(chosen.clusters)}
    return state.model_copy(update={"clusters": sorted(observed, key=lambda item: order[item.name])})


def down(paths: LabPaths) -> None:
    """End every process of the lab and remove every trace of it from the host.

    It does not need the plan: what belongs to the lab is known by its id and its folder.
    """
    clusters = paths.root / "clusters"
    names = [path.name for path in clusters.iterdir()] if clusters.is_dir() else []
    for name in names:
        anchor.stop(paths.init_config(name))
    network.remove(paths.id)
    cgroups.remove(paths.id)
    with addresses.allocation_lock():
        host_settings.restore_for(paths.id)
    remove_tree(paths.root)


def load_image(paths: LabPaths, archive: Path, clusters: Sequence[str]) -> list[str]:
    """Bring an image archive into clusters; gives their names. LabError when the lab does not run."""
    chosen = plan.load(paths)
    if chosen is None or not chosen.nodes:
        raise LabError(f"there is no lab {paths.name!r} with nodes: `firedrill lab up --name {paths.name}`")
    layouts = [layout for layout in chosen.layouts(paths) if not clusters or layout.name in clusters]
    each(layouts, lambda layout: store.load_file(_init_pid(layout), archive))
    return [layout.name for layout in layouts]


def each(layouts: Sequence[Layout], work: Callable[[Layout], None]) -> None:
    """Do the same to several clusters at a time; the first error is raised when all have ended."""
    if not layouts:
        return
    with ThreadPoolExecutor(max_workers=len(layouts)) as pool:
        results = [pool.submit(work, layout) for layout in layouts]
    for result in results:
        result.result()


def _names(layouts: Sequence[Layout]) -> str:
    return ", ".join(layout.name for layout in layouts) or "no new cluster"
