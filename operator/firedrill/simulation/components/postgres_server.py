"""PostgreSQL with one database."""

from collections.abc import Mapping

from firedrill.simulation.components.pod import (
    Component,
    Pod,
    Resources,
    Volume,
    exec_probe,
    scratch,
    settings_volume,
    stateful_set,
)
from firedrill.simulation.labels import NON_ROOT, Object

PORT = 5432
USER = "sim"
SLOW_QUERY_MILLISECONDS = 250
_SETTINGS = "/etc/firedrill/postgres"
_SECRET = "/etc/firedrill/postgres-secret"  # noqa: S105 - a folder
_DATA = "/var/lib/firedrill/postgres"
_CLUSTER = f"{_DATA}/cluster"

_CONF = f"""\
listen_addresses = '*'
port = {PORT}
hba_file = '{_SETTINGS}/pg_hba.conf'
unix_socket_directories = '/tmp'
max_connections = 200
shared_buffers = 32MB
work_mem = 2MB
maintenance_work_mem = 16MB
max_parallel_workers_per_gather = 0
jit = off
max_wal_size = 128MB
min_wal_size = 32MB
# The data is gone with the pod. What these guard against is the loss of the machine, and that takes the pod too.
fsync = off
full_page_writes = off
password_encryption = 'scram-sha-256'
log_destination = 'stderr'
log_line_prefix = '%m [%p] %u@%d '
log_min_duration_statement = {SLOW_QUERY_MILLISECONDS}
log_timezone = 'UTC'
timezone = 'UTC'
"""
_HBA = "local all all trust\nhost all all all scram-sha-256\n"
# initdb and postgres refuse a user without a name.
_PASSWD = f"root:x:0:0:root:/root:/usr/sbin/nologin\n{USER}:x:{NON_ROOT}:{NON_ROOT}::/tmp:/usr/sbin/nologin\n"
# Made beside its place and moved there when whole: an init container that was cut off begins anew.
_PREPARE = f"""\
set -eu
test ! -e {_CLUSTER} || exit 0
rm -rf {_DATA}/fresh
initdb --pgdata={_DATA}/fresh --username={USER} --pwfile={_SECRET}/password \
  --auth-local=trust --auth-host=scram-sha-256 --encoding=UTF8 --locale=C --no-sync
cp {_SETTINGS}/postgresql.conf {_DATA}/fresh/postgresql.conf
printf 'CREATE DATABASE "%s"\\n' "$DATABASE" | postgres --single -D {_DATA}/fresh postgres
mv {_DATA}/fresh {_CLUSTER}
"""


def postgres(name: str, image: str, secret: str, labels: Mapping[str, str]) -> list[Object]:
    """A server at `NAME:5432` with one database, called as the server is.

    Its user is `sim`, whose password is in the Secret of this name in the same namespace, under the key `password`.
    """
    component = Component(name, image, labels)
    files = {"postgresql.conf": _CONF, "pg_hba.conf": _HBA, "passwd": _PASSWD}
    is_ready = ("pg_isready", "--quiet", "--host=127.0.0.1", f"--username={USER}", f"--dbname={name}")
    pod = Pod(
        command=("postgres", "-D", _CLUSTER),
        port_name="postgres",
        port=PORT,
        resources=Resources(cpu="50m", memory=96, memory_limit=384),
        prepare=("sh", "-c", _PREPARE),
        prepare_env=({"name": "DATABASE", "value": name},),
        startup=exec_probe(is_ready, period=1, timeout=5, failures=60),
        readiness=exec_probe(is_ready, period=5, timeout=5, failures=3),
        # SIGTERM alone makes it wait for its clients, which keep their connections open for good.
        pre_stop=("pg_ctl", "stop", "--pgdata", _CLUSTER, "--mode=fast", "--no-wait"),
        volumes=(
            settings_volume(component, _SETTINGS),
            settings_volume(component, "/etc/passwd", only="passwd"),
            Volume("secret", _SECRET, {"secret": {"secretName": secret, "defaultMode": 0o440}}),
            scratch("data", _DATA, "2Gi"),
            scratch("tmp", "/tmp", "64Mi"),  # noqa: S108
        ),
        settings=files,
    )
    return [
        component.config_map(files),
        component.service("postgres", PORT),
        stateful_set(component, pod),
    ]
