# SPDX-License-Identifier: BSD-2-Clause
"""What the benches share: programs that end with us, DNS questions, HTTP without waiting, and times."""

import atexit
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time

ZONE = "service.local"

signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(1))  # or what we started would stay


def now_ns():
    return time.clock_gettime_ns(time.CLOCK_MONOTONIC)


def free_port_pair():
    """A UDP and a TCP socket with the same port."""
    while True:
        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        tcp = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        udp.bind(("127.0.0.1", 0))
        try:
            tcp.bind(udp.getsockname())
            return udp, tcp
        except OSError:
            udp.close()
            tcp.close()


def free_ports(n):
    """Ports that nobody uses for UDP nor TCP, and that were not given a moment ago."""
    pairs = [free_port_pair() for _ in range(n)]
    ports = [udp.getsockname()[1] for udp, _ in pairs]
    for udp, tcp in pairs:
        udp.close()
        tcp.close()
    return ports


class Program:
    """A program that runs until stop(), or until we end."""

    def __init__(self, argv, log, **more):
        self.process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stderr=log, **more)
        atexit.register(self.stop)

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait()

    def cpu_s(self):
        """User and system time so far."""
        with open(f"/proc/{self.process.pid}/stat") as f:
            fields = f.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Fake(Program):
    """fake-registry; everything about it is said at PUT /_control/..."""

    def __init__(self, build, kind, log):
        super().__init__([os.path.join(build, "test", "fake-registry"), kind], log, stdout=subprocess.PIPE)
        self.port = int(self.process.stdout.readline())
        self.url = f"http://127.0.0.1:{self.port}"


class Http:
    """One connection, one request at a time, which can be looked at while it is under way."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.octets = b""

    def begin(self, method, path, body=b""):
        head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n"
        self.octets = b""
        sent = now_ns()
        self.socket.sendall(head.encode() + body)
        return sent

    def look(self, wait_s=0.0):
        """The body of the answer if it is there by now, else None."""
        if not select.select([self.socket], [], [], wait_s)[0]:
            return None
        more = self.socket.recv(1 << 16)
        if not more:
            raise RuntimeError("the registry has hung up")
        self.octets += more
        head, gap, body = self.octets.partition(b"\r\n\r\n")
        if not gap:
            return None
        fields = head.decode().lower().split("\r\n")
        if "200" not in fields[0]:
            raise RuntimeError(f"the registry said {head.decode()} {body[:200]!r}")
        for field in fields:
            if field.startswith("content-length:"):
                return body if len(body) >= int(field.split(":")[1]) else None
        return body if body.endswith(b"0\r\n\r\n") else None  # in chunks, which nobody reads

    def ask(self, method, path, body=b""):
        self.begin(method, path, body)
        while True:
            answer = self.look(10)
            if answer is not None:
                return answer


class Client:
    """Asks phonebookd for A records, one question at a time."""

    def __init__(self, port):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.connect(("127.0.0.1", port))
        self.socket.settimeout(1)
        self.id = 0

    def ask(self, name):
        self.id = (self.id + 1) & 0xFFFF
        question = b"".join(bytes([len(label)]) + label.encode() for label in f"{name}.{ZONE}".split("."))
        self.socket.send(struct.pack("!6H", self.id, 0x100, 1, 0, 0, 0) + question + b"\0\0\1\0\1")
        while True:
            answer = self.socket.recv(65535)
            if answer[:2] == struct.pack("!H", self.id):
                return answer

    def count(self, name):
        """How many records there are; 0 also while nobody listens."""
        try:
            return struct.unpack("!H", self.ask(name)[6:8])[0]
        except OSError:
            return 0



class Daemon(Program):
    """phonebookd with these blocks of a configuration."""

    def __init__(self, build, blocks, log, directory, port=None):
        self.port = port if port is not None else free_ports(1)[0]
        path = os.path.join(directory, f"{self.port}.conf")
        with open(path, "w") as f:
            f.write(f'listen = {{ "127.0.0.1:{self.port}" }}\nuser = ""\nstate-dir = ""\nlog-level = warning\n{blocks}\n')
        super().__init__([os.path.join(build, "src", "phonebookd"), "-c", path], log)
        self.client = Client(self.port)
        self.log = log.name

    def wait(self, names, n, limit_s=180):
        """Until all of these names have n records."""
        end = time.monotonic() + limit_s
        for name in names:
            while self.client.count(name) != n:
                if self.process.poll() is not None or time.monotonic() > end:
                    with open(self.log) as f:
                        raise RuntimeError(f"{name} has not {n} records; phonebookd said:\n{f.read()[-2000:]}")
                time.sleep(0.005)


class Directory:
    """Removed when we end."""

    def __init__(self):
        self.own = tempfile.TemporaryDirectory(prefix="phonebook-bench-")
        self.path = self.own.name

    def __truediv__(self, name):
        return os.path.join(self.path, name)


def percentile(sorted_values, share):
    return sorted_values[min(len(sorted_values) - 1, int(len(sorted_values) * share))]
