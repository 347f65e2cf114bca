"""A pod of the chart on a Docker engine: what a kubelet makes of its specification, as the chart uses it.

Its containers share network and processes with one that only waits; volumes are as `fsGroup` leaves them, and
the files of ConfigMaps and Secrets are links, as a kubelet writes them.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from tests.kubernetes import chart
from tests.stack.engine import Engine, EngineError

PAUSE = "pause"
# An address, a host that is asked for; ends with 0 where the answer is one of success.
_ASK = (
    "import sys,urllib.request as u;u.urlopen(u.Request(sys.argv[1],headers={'Host':sys.argv[2]}),timeout=10)"
)


class Pod:
    """The pod of these objects; ``secrets`` are the texts of the Secrets' keys, by their names."""

    def __init__(
        self,
        engine: Engine,
        folder: Path,
        objects: list[dict[str, Any]],
        secrets: Mapping[str, Mapping[str, str]],
    ) -> None:
        self.engine = engine
        self._folder = folder
        self._maps = {
            each["metadata"]["name"]: each["data"] for each in objects if each["kind"] == "ConfigMap"
        }
        self._secrets = secrets
        workload = chart.one(objects, "StatefulSet")["spec"]
        self.spec: dict[str, Any] = workload["template"]["spec"]
        self._claims = {
            each["metadata"]["name"]: f"{each['metadata']['name']}-{chart.NAME}-0"
            for each in workload.get("volumeClaimTemplates", [])
        }
        assert self.spec["shareProcessNamespace"] is True

    def start(self) -> None:
        """Everything of it, in its order. Raises EngineError."""
        image = self.spec["containers"][0]["image"]
        for claim in self._claims.values():
            self._make_volume(claim, image)
        pause = ("docker", "run", "--detach", "--init", "--name", PAUSE, "--entrypoint", "sleep")
        self.engine.run(*pause, image, "infinity")
        self.prepare()
        for container in self.spec["containers"]:
            self.begin(container["name"])

    def prepare(self, spec: dict[str, Any] | None = None) -> str:
        """Run what runs before the others, that of another revision, to its end; what it said."""
        chosen = self.spec if spec is None else spec
        return "".join(
            self._run(chosen, container, "--rm", "--name", container["name"])
            for container in chosen["initContainers"]
        )

    def lose(self, volume: str) -> None:
        """A new, empty disk in the place of that one, which nothing uses any more."""
        claim = self._claims[volume]
        self.engine.run("docker", "volume", "rm", claim)
        self._make_volume(claim, self.spec["containers"][0]["image"])

    def begin(self, name: str) -> None:
        """Start that container."""
        self._run(self.spec, self.container(name), "--detach", "--name", name)

    def run_beside(self, spec: dict[str, Any]) -> str:
        """Run another pod's container on the same node, to its end; what it said. Raises EngineError."""
        (container,) = spec["containers"]
        return self._run(spec, container, "--rm", "--name", container["name"])

    def container(self, name: str) -> dict[str, Any]:
        """Its specification."""
        return next(each for each in self.spec["containers"] if each["name"] == name)

    def execute(self, name: str, *command: str) -> str:
        """What a command in that container says. Raises EngineError."""
        return self.engine.run("docker", "exec", name, *command)

    def stop(self, name: str) -> int:
        """End it as a kubelet does; its exit code."""
        grace = str(self.spec["terminationGracePeriodSeconds"])
        self.engine.run("docker", "stop", "--time", grace, name, timeout=240)
        code = int(self.engine.run("docker", "inspect", "--format", "{{.State.ExitCode}}", name))
        self.engine.run("docker", "rm", name)
        return code

    def failing(self) -> list[str]:
        """What each probe that fails says."""
        found = []
        for container in self.spec["containers"]:
            for kind in ("startupProbe", "livenessProbe", "readinessProbe"):
                try:
                    self._probe(container, container.get(kind, {}))
                except EngineError as error:
                    found.append(f"{container['name']} {kind}: {error}")
        return found

    def address(self) -> str:
        """Its address in the engine's network."""
        # Engines since 29 no longer say it beside the networks.
        ask = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}"
        return self.engine.run("docker", "inspect", "--format", ask, PAUSE).strip()

    def _probe(self, container: dict[str, Any], probe: dict[str, Any]) -> None:
        if "exec" in probe:
            self.execute(container["name"], *probe["exec"]["command"])
        elif "httpGet" in probe:
            asked = probe["httpGet"]
            ports = {each["name"]: each["containerPort"] for each in container["ports"]}
            place = f"{self.address()}:{ports[asked['port']]}"
            host = next((each["value"] for each in asked.get("httpHeaders", [])), place)
            self.execute(container["name"], "python", "-c", _ASK, f"http://{place}{asked['path']}", host)

    def _make_volume(self, claim: str, image: str) -> None:
        """As a kubelet leaves a new disk's root for ``fsGroup``: the group's, open to others as before."""
        group = self.spec["securityContext"]["fsGroup"]
        command = f"chgrp {group} /volume && chmod 2775 /volume"
        self.engine.run(
            "docker", "run", "--rm", "--user", "0:0", "--mount", _volume(claim, "/volume"),
            "--entrypoint", "sh", image, "-c", command,
        )  # fmt: skip

    def _run(self, spec: dict[str, Any], container: dict[str, Any], *flags: str) -> str:
        pod, own = spec["securityContext"], container["securityContext"]
        assert own["capabilities"] == {"drop": ["ALL"]}
        assert own["allowPrivilegeEscalation"] is False
        user = own.get("runAsUser", pod["runAsUser"])
        words = [
            "docker", "run", *flags,
            f"--network=container:{PAUSE}", f"--pid=container:{PAUSE}",
            f"--user={user}:{pod['runAsGroup']}", f"--group-add={pod['fsGroup']}",
            "--cap-drop=ALL", "--security-opt=no-new-privileges", "--read-only",
        ]  # fmt: skip
        words += self._mounts(spec, container)
        command = [*container.get("command", []), *container.get("args", [])]
        entry = [f"--entrypoint={command[0]}"] if command else []
        return self.engine.run(*words, *entry, container["image"], *command[1:], timeout=240)

    def _mounts(self, spec: dict[str, Any], container: dict[str, Any]) -> Iterable[str]:
        volumes = {each["name"]: each for each in spec["volumes"]}
        for mount in container["volumeMounts"]:
            name, place = mount["name"], mount["mountPath"]
            volume = volumes.get(name, {})
            readonly = ",readonly" if mount.get("readOnly") else ""
            if "emptyDir" in volume:
                yield f"--tmpfs={place}:mode=1777"
            elif "configMap" in volume or "secret" in volume:
                yield f"--mount=type=bind,source={self._files(volume)},target={place}{readonly}"
            else:
                claim = volume.get("persistentVolumeClaim", {}).get("claimName", self._claims.get(name))
                yield f"--mount={_volume(claim, place)}{readonly}"

    def _files(self, volume: dict[str, Any]) -> Path:
        """A folder with the volume's files: each a link to where a kubelet exchanges all of them at once."""
        source = volume.get("configMap") or volume["secret"]
        name = source.get("name") or source["secretName"]
        texts = self._secrets[name] if "secret" in volume else self._maps[name]
        folder = self._folder / str(volume["name"])
        if not folder.exists():
            version = folder / "..1"
            version.mkdir(parents=True)
            (folder / "..data").symlink_to(version.name)
            for item in source.get("items") or [{"key": key, "path": key} for key in texts]:
                file = version / item["path"]
                file.write_text(texts[item["key"]])
                file.chmod(source.get("defaultMode", 0o644))
                os.chown(file, 0, self.spec["securityContext"]["fsGroup"])
                (folder / item["path"]).symlink_to(Path("..data") / item["path"])
        return folder


def _volume(claim: str | None, place: str) -> str:
    assert claim is not None
    # Nothing of the image is copied into an empty one, as Docker would do.
    return f"type=volume,source={claim},target={place},volume-nocopy"


def samples(page: str) -> dict[str, float]:
    """The values of a page of metrics, by name and labels as they stand there."""
    lines = (line.rpartition(" ") for line in page.splitlines() if line and not line.startswith("#"))
    return {name: float(value) for name, _, value in lines}
