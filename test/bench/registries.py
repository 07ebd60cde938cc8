# SPDX-License-Identifier: BSD-2-Clause
"""The registries of the propagation bench. Each is filled, told to change one address, and then says when that was
committed: a clock reading of CLOCK_MONOTONIC."""

import base64
import json
import os
import shutil
import time

from wire import Fake, Http, Program, free_ports, now_ns

INSTANCES = 5
BATCH = 500  # objects in one request to load them


class Registry:
    """What it knows: name -> addresses. A change is begun, and committed() has its time as soon as that is known."""

    what = "its commit"
    polled = False  # changes are found by asking: several may be under way
    most = 100000  # changes that are measured, where each takes long
    gap_s = (0.005, 0.035)  # between the end of a change and the next; a service follows one change a second for long

    def __init__(self, bench):
        self.bench = bench

    def load(self, services):
        raise NotImplementedError

    def change(self, name, addresses):
        raise NotImplementedError

    def committed(self):
        raise NotImplementedError

    def changeable(self, names):
        return names


class Fakes(Registry):
    what = "its commit, as the fake server says"
    kind = None

    def __init__(self, bench):
        super().__init__(bench)
        self.server = Fake(bench.build, self.kind, bench.log)
        self.http = Http(self.server.port)

    def put(self, path, value):
        self.http.ask("PUT", path, value if isinstance(value, bytes) else json.dumps(value).encode())

    def committed(self):
        answer = self.http.look()
        return None if answer is None else json.loads(answer)["committed_ns"]

    def stop(self):
        self.server.stop()


def batches(services):
    names = list(services)
    for i in range(0, len(names), BATCH):
        yield {name: services[name] for name in names[i : i + BATCH]}


# --- Consul ---


class Consul(Fakes):
    """A few services in a registry of many, all of them held."""

    kind = "consul"
    followed = 64
    options = ""

    def load(self, services):
        for some in batches(services):
            self.put("/_control/services", {name: self.entries(name, some[name]) for name in some})

    def entries(self, name, addresses):
        return [
            {
                "Node": {"Node": f"rack-{i}", "Address": "10.255.0.1", "Datacenter": "dc1", "Meta": {"zone": "north"}},
                "Service": {
                    "ID": f"{name}-{i}",
                    "Service": name,
                    "Tags": ["blue"],
                    "Address": address,
                    "Port": 8080,
                    "Weights": {"Passing": 1, "Warning": 1},
                },
                "Checks": [{"CheckID": f"service:{name}-{i}", "Status": "passing", "ServiceID": f"{name}-{i}"}],
            }
            for i, address in enumerate(addresses)
        ]

    def change(self, name, addresses):
        body = json.dumps(self.entries(name, addresses)).encode()
        return self.http.begin("PUT", f"/_control/service/{name}", body)

    def changeable(self, names):
        return names[:: max(1, len(names) // self.followed)][: self.followed]

    def config(self, names):
        listed = ", ".join(f'"{name}"' for name in self.changeable(names))
        services = f"services = {{ {listed} }}" if len(self.changeable(names)) < len(names) else ""
        return f'consul "dc1" {{ url = "{self.server.url}"\n{services}\n{self.options} }}'


class ConsulAll(Consul):
    """All services, most of which are polled when the list of names has moved: one request each."""

    polled = True
    gap_s = (0.05, 0.5)

    def changeable(self, names):
        return names


class ConsulPolled(Consul):
    polled = True
    gap_s = (0.01, 0.05)
    options = "watch = false  interval = 1s  jitter = 0"


# --- Kubernetes ---


class Kubernetes(Fakes):
    kind = "kubernetes"

    def slice(self, name, addresses):
        return {
            "metadata": {
                "name": f"{name}-x1",
                "namespace": "default",
                "labels": {"kubernetes.io/service-name": name},
            },
            "addressType": "IPv4",
            "endpoints": [
                {
                    "addresses": [address],
                    "conditions": {"ready": True, "serving": True, "terminating": False},
                    "nodeName": f"rack-{i}",
                    "targetRef": {"kind": "Pod", "namespace": "default", "name": f"{name}-{i}"},
                }
                for i, address in enumerate(addresses)
            ],
            "ports": [{"name": "web", "protocol": "TCP", "port": 8080}],
        }

    def load(self, services):
        for some in batches(services):
            items = [self.slice(name, some[name]) for name in some]
            self.put("/_control/list/endpointslices", {"items": items})

    def change(self, name, addresses):
        body = json.dumps(self.slice(name, addresses)).encode()
        return self.http.begin("PUT", f"/_control/object/endpointslices/default/{name}-x1", body)

    def config(self, names):
        return f'kubernetes "k8s" {{ url = "{self.server.url}" }}'


# --- a list over HTTP ---


class List:
    """All services in one JSON text; what has not changed is not encoded again."""

    def fill(self, services):
        self.parts = {name: self.part(name, services[name]) for name in services}

    def part(self, name, addresses):
        return f'"{name}":{json.dumps([address + ":8080" for address in addresses])}'

    def body(self):
        return ("{" + ",\n".join(self.parts.values()) + "}").encode()


class Polled(Fakes, List):
    kind = "http"
    polled = True
    gap_s = (0.01, 0.1)

    def load(self, services):
        self.fill(services)
        self.put("/_control/body", self.body())

    def change(self, name, addresses):
        self.parts[name] = self.part(name, addresses)
        return self.http.begin("PUT", "/_control/body", self.body())

    def config(self, names):
        return f'http "custom" {{ url = "{self.server.url}/"  interval = 1s  jitter = 0 }}'


# --- files ---


class Files(Registry):
    """A file a service."""

    what = "rename() has returned"
    gap_s = (0.1, 0.3)

    def __init__(self, bench):
        super().__init__(bench)
        self.directory = bench.directory / "services.d"
        self.scratch = bench.directory / "new"
        shutil.rmtree(self.directory, ignore_errors=True)
        os.mkdir(self.directory)

    def text(self, name, addresses):
        targets = [address + ":8080" for address in addresses]
        return json.dumps([{"targets": targets, "labels": {"service": name}}]).encode()

    def write(self, name, text):
        with open(self.scratch, "wb") as f:
            f.write(text)
        begun = now_ns()
        os.rename(self.scratch, os.path.join(self.directory, name + ".json"))
        self.renamed = now_ns()
        return begun

    def load(self, services):
        for name in services:
            self.write(name, self.text(name, services[name]))

    def change(self, name, addresses):
        return self.write(name, self.text(name, addresses))

    def committed(self):
        return self.renamed

    def config(self, names):
        return f'file "local" {{ path = "{self.directory}/*.json" }}'

    def stop(self):
        pass


class OneFile(Files, List):
    most = 200
    gap_s = (1.0, 1.3)

    def load(self, services):
        self.fill(services)
        self.write("all", self.body())

    def change(self, name, addresses):
        self.parts[name] = self.part(name, addresses)
        return self.write("all", self.body())

    def config(self, names):
        return f'file "local" {{ path = "{self.directory}/all.json" }}'


# --- etcd ---


class Etcd(Registry):
    """The real one. Its own delay ends when it has answered the write."""

    what = "etcd's answer to the write"
    txn = 100  # etcd takes 128 operations in one

    def __init__(self, bench):
        super().__init__(bench)
        client, peer = free_ports(2)
        self.url = f"http://127.0.0.1:{client}"
        directory = bench.directory / "etcd"
        shutil.rmtree(directory, ignore_errors=True)
        self.server = Program(
            [os.environ.get("ETCD", "etcd"), "--data-dir", directory, "--log-level", "error"]
            + ["--listen-client-urls", self.url, "--advertise-client-urls", self.url]
            + ["--listen-peer-urls", f"http://127.0.0.1:{peer}"],
            bench.log,
            stdout=bench.log,
        )
        self.http = self.connect(client)

    def connect(self, port):
        for _ in range(200):
            try:
                http = Http(port)
                http.ask("POST", "/v3/maintenance/status", b"{}")
                return http
            except (OSError, RuntimeError):
                time.sleep(0.1)
        raise RuntimeError("etcd does not start")

    def put(self, name, i, address):
        key = f"/skydns/local/service/{name}/i{i}".encode()
        value = json.dumps({"host": address, "port": 8080}).encode()
        return {"key": base64.b64encode(key).decode(), "value": base64.b64encode(value).decode()}

    def load(self, services):
        self.known = {name: list(services[name]) for name in services}
        puts = [{"requestPut": self.put(n, i, a)} for n in services for i, a in enumerate(services[n])]
        for i in range(0, len(puts), self.txn):
            self.http.ask("POST", "/v3/kv/txn", json.dumps({"success": puts[i : i + self.txn]}).encode())

    def change(self, name, addresses):
        known = self.known[name]
        (i,) = (i for i in range(len(known)) if known[i] != addresses[i])
        known[i] = addresses[i]
        return self.http.begin("POST", "/v3/kv/put", json.dumps(self.put(name, i, addresses[i])).encode())

    def committed(self):
        return None if self.http.look() is None else now_ns()

    def config(self, names):
        return f'etcd "store" {{ url = {{ "{self.url}" }} }}'

    def stop(self):
        self.server.stop()


LINES = {
    "etcd": ("etcd, watch", Etcd),
    "consul": ("Consul, 64 services held", Consul),
    "kubernetes": ("Kubernetes, watch", Kubernetes),
    "file": ("file, one a service", Files),
    "one-file": ("file, one of all", OneFile),
    "http-poll": ("http, poll of 1 s", Polled),
    "consul-poll": ("Consul, 64 polled, 1 s", ConsulPolled),
    "consul-all": ("Consul, all services", ConsulAll),
}
