# SPDX-License-Identifier: BSD-2-Clause
"""How long after its start phonebookd answers from the state on disk, while no registry can be reached."""

import argparse
import datetime
import http.server
import json
import os
import re
import select
import signal
import socket
import threading
import time

from wire import ZONE, Directory, free_ports


def body(services, instances):
    return json.dumps(
        [
            {
                "targets": [f"10.{n >> 16 & 255}.{n >> 8 & 255}.{n & 255}:{8000 + k}" for k, n in
                            ((k, s * 7 + k) for k in range(instances))],
                "labels": {"service": f"service-{s}"},
            }
            for s in range(1, services + 1)
        ]
    ).encode()


def serve(octets):
    """A registry that gives this to whoever asks."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(octets)))
            self.end_headers()
            try:
                self.wfile.write(octets)
            except ConnectionError:  # it was stopped meanwhile
                pass

        def log_message(self, *args):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def spawn(program, conf, log):
    out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    pid = os.posix_spawn(program, [program, "-c", conf], os.environ, file_actions=[(os.POSIX_SPAWN_DUP2, out, 2)])
    os.close(out)
    return pid


def end(pid):
    os.kill(pid, signal.SIGTERM)
    return os.waitpid(pid, 0)[1]


def question(name):
    labels = b"".join(bytes([len(label)]) + label.encode() for label in f"{name}.{ZONE}".split("."))
    return b"\0\7\1\0\0\1\0\0\0\0\0\0" + labels + b"\0\0\1\0\1"


def first_answer(port, name, n, limit_s=60):
    """Waits for an answer with n records, and returns it."""
    asked = question(name)
    client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    client.connect(("127.0.0.1", port))
    until = time.monotonic() + limit_s
    while time.monotonic() < until:
        try:
            client.send(asked)
            while select.select([client], [], [], 0.001)[0]:
                answer = client.recv(4096)
                if answer[7] == n:
                    return answer
        except ConnectionRefusedError:
            time.sleep(0.0005)
    raise RuntimeError(f"no answer for {name}")


def moment(line):
    stamp = datetime.datetime.strptime(line.split(" ", 1)[0], "%Y-%m-%dT%H:%M:%S.%fZ")
    return stamp.replace(tzinfo=datetime.timezone.utc).timestamp() * 1000


def measure(args, directory, conf, port):
    log = directory / "log"
    begin, wall_ms = time.monotonic_ns(), time.time() * 1000
    pid = spawn(os.path.join(args.build, "src", "phonebookd"), conf, log)
    answer = first_answer(port, f"service-{args.services}", args.instances)
    took_ms = (time.monotonic_ns() - begin) / 1e6
    with open(f"/proc/{pid}/schedstat") as f:
        cpu_ms = int(f.read().split()[0]) / 1e6  # of the first thread, which does all of it
    with open(f"/proc/{pid}/status") as f:
        memory = int(re.search(r"VmHWM:\s+(\d+)", f.read()).group(1)) // 1024
    end(pid)
    with open(log) as f:
        lines = f.readlines()
    restored = [moment(line) - wall_ms for line in lines if "state=restored" in line]
    listening = [moment(line) - wall_ms for line in lines if "event=listen" in line]
    if answer[3] & 15 != 0 or not restored:
        raise RuntimeError("not from the disk: " + "".join(lines))
    return took_ms, restored[0], listening[0], cpu_ms, memory


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("build", nargs="?", default="build")
    parser.add_argument("--services", type=int, default=100000)
    parser.add_argument("--instances", type=int, default=5)
    parser.add_argument("--runs", type=int, default=10)
    args = parser.parse_args()
    directory = Directory()
    conf, port = directory / "phonebook.conf", free_ports(1)[0]
    server = serve(body(args.services, args.instances))
    with open(conf, "w") as f:
        f.write(
            f'listen = {{ "127.0.0.1:{port}" }}\nuser = ""\nstate-dir = "{directory / "state"}"\n'
            f'http "bench" {{ url = "http://127.0.0.1:{server.server_address[1]}/" max-size = 256MiB timeout = 60s }}\n'
        )
    pid = spawn(os.path.join(args.build, "src", "phonebookd"), conf, directory / "log")
    first_answer(port, f"service-{args.services}", args.instances)
    if end(pid) != 0:
        raise RuntimeError("phonebookd did not end well")
    server.shutdown()
    server.server_close()
    size = os.path.getsize(directory / "state/http.bench.state")
    print(f"{args.services} services of {args.instances} instances, {size} octets on disk; ms from the start")
    print("  loaded  table made  first answer  time on a core  memory at most")
    runs = []
    for _ in range(args.runs):
        took, restored, listening, cpu, memory = measure(args, directory, conf, port)
        runs.append(took)
        print(f"{restored:8.0f} {listening:11.0f} {took:13.1f} {cpu:15.1f} {memory:11d} MiB")
    runs.sort()
    print(f"first answer: best {runs[0]:.1f} ms, median {runs[len(runs) // 2]:.1f} ms")


main()
