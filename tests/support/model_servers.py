"""Real model servers on loopback, each in an environment of its own: their libraries ask for others than ours.

Environments are made once and kept beside that of the project; FIREDRILL_MODEL_VENVS names another place, with one
folder a server.
"""

import hashlib
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

PACKAGES: Final = {
    "mlserver": ("mlserver==1.7.1", "mlserver-sklearn==1.7.1"),
    "mlflow": ("mlflow==3.17.*",),
    "kserve": ("kserve==0.21.0", "scikit-learn"),
}
_PATIENCE: Final = 180.0

#: The same rows for all: the label is whether 2a + b is above 0.
_TRAIN: Final = """
import numpy as np
from sklearn.linear_model import LogisticRegression
rng = np.random.default_rng(0)
x = rng.normal(size=(800, 3))
y = (2 * x[:, 0] + x[:, 1] > 0).astype(int)
model = LogisticRegression().fit(x, y)
"""
_KSERVE: Final = (
    _TRAIN
    + """
import sys
from kserve import InferOutput, InferRequest, InferResponse, Model, ModelServer
class Served(Model):
    def __init__(self):
        super().__init__("m")
        self.ready = True
    def predict(self, payload, headers=None, response_headers=None):
        if isinstance(payload, InferRequest):
            said = model.predict(payload.inputs[0].as_numpy())
            output = InferOutput("predict", [len(said)], "INT64", data=said.tolist())
            return InferResponse(response_id="r", model_name="m", infer_outputs=[output])
        return {"predictions": model.predict(np.array(payload["instances"])).tolist()}
ModelServer(http_port=int(sys.argv[1]), grpc_port=int(sys.argv[2])).start([Served()])
"""
)


@dataclass(frozen=True)
class Server:
    """Where it listens."""

    url: str
    grpc: str


def rows(count: int = 400) -> str:
    """Held-out rows as CSV: a, b, c and the label."""
    import numpy as np

    x = np.random.default_rng(1).normal(size=(count, 3))
    x = x[abs(2 * x[:, 0] + x[:, 1]) > 0.3]
    lines = [f"{a:.5f},{b:.5f},{c:.5f},{int(2 * a + b > 0)}" for a, b, c in x]
    return "\n".join(["a,b,c,label", *lines]) + "\n"


@contextmanager
def mlserver() -> Iterator[Server]:
    """MLServer with a model of scikit-learn named m: V2 over REST and gRPC."""
    python = _environment("mlserver")
    with _folder() as place:
        http, grpc, metrics = _ports(3)
        _train(python, place, 'import joblib; joblib.dump(model, "model.joblib")')
        settings = {"host": "127.0.0.1", "http_port": http, "grpc_port": grpc, "metrics_port": metrics}
        settings["parallel_workers"] = 0
        (place / "settings.json").write_text(json.dumps(settings))
        model = {"name": "m", "implementation": "mlserver_sklearn.SKLearnModel"}
        model["parameters"] = {"uri": "./model.joblib", "version": "v1"}
        (place / "model-settings.json").write_text(json.dumps(model))
        command = [str(python.parent / "mlserver"), "start", str(place)]
        with _running(command, place, f"http://127.0.0.1:{http}/v2/models/m/ready"):
            yield Server(f"http://127.0.0.1:{http}", f"http://127.0.0.1:{grpc}")


@contextmanager
def kserve() -> Iterator[Server]:
    """KServe's ModelServer with a model named m: V1 and V2."""
    python = _environment("kserve")
    with _folder() as place:
        http, grpc = _ports(2)
        (place / "serve.py").write_text(_KSERVE)
        command = [str(python), "serve.py", str(http), str(grpc)]
        with _running(command, place, f"http://127.0.0.1:{http}/v2/models/m/ready"):
            yield Server(f"http://127.0.0.1:{http}", f"http://127.0.0.1:{grpc}")


@contextmanager
def mlflow() -> Iterator[Server]:
    """MLflow's scoring server: /ping and /invocations."""
    python = _environment("mlflow")
    with _folder() as place:
        (port,) = _ports(1)
        save = "import mlflow.sklearn, pandas\n"
        save += 'frame = pandas.DataFrame(x, columns=["a", "b", "c"])\n'
        save += "model = LogisticRegression().fit(frame, y)\n"
        save += 'mlflow.sklearn.save_model(model, "saved", input_example=frame[:2], serialization_format="cloudpickle")'
        _train(python, place, save)
        command = [str(python.parent / "mlflow"), "models", "serve", "-m", "saved", "-p", str(port)]
        command += ["--env-manager", "local", "-h", "127.0.0.1"]
        with _running(command, place, f"http://127.0.0.1:{port}/ping"):
            yield Server(f"http://127.0.0.1:{port}", "")


def _train(python: Path, place: Path, save: str) -> None:
    (place / "train.py").write_text(_TRAIN + save)
    subprocess.run([str(python), "train.py"], cwd=place, check=True, env=_variables(python))


def _environment(name: str) -> Path:
    """The interpreter of a server's environment, made where there is none."""
    given = os.environ.get("FIREDRILL_MODEL_VENVS")
    if given:
        return Path(given) / name / "bin" / "python"
    home = Path(os.environ.get("FIREDRILL_HOME") or Path.home() / ".cache" / "firedrill")
    key = hashlib.sha256(" ".join((*PACKAGES[name], sys.version)).encode()).hexdigest()[:12]
    folder = home / "venvs" / f"{name}-{key}"
    if not (folder / "ready").exists():
        shutil.rmtree(folder, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, *PACKAGES[name]], check=True)
        (folder / "ready").touch()
    return folder / "bin" / "python"


def _variables(python: Path) -> dict[str, str]:
    """Of ours without what would make it look into our packages."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    return {**kept, "PATH": f"{python.parent}:{os.environ['PATH']}", "MLFLOW_DISABLE_TELEMETRY": "true"}


@contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="firedrill-model-") as place:
        yield Path(place)


@contextmanager
def _running(command: list[str], place: Path, ready: str) -> Iterator[None]:
    with (place / "log").open("wb") as log:
        process = subprocess.Popen(
            command, cwd=place, env=_variables(Path(command[0])), stdout=log, stderr=log, start_new_session=True
        )
    try:
        _await(ready, process, place / "log")
        yield
    finally:
        # MLflow's server has children of its own.
        os.killpg(process.pid, 15)
        process.wait(20)


def _await(url: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    end = time.monotonic() + _PATIENCE
    while process.poll() is None and time.monotonic() < end:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.3)
    raise RuntimeError(f"{url} does not answer:\n{log.read_text()[-2000:]}")


def _ports(count: int) -> list[int]:
    held = [socket.socket() for _ in range(count)]
    try:
        for item in held:
            item.bind(("127.0.0.1", 0))
        return [item.getsockname()[1] for item in held]
    finally:
        for item in held:
            item.close()
