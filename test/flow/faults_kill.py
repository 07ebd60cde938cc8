# SPDX-License-Identifier: BSD-2-Clause
"""phonebookd is killed while it writes its state, again and again: faults_kill.py BUILD KILLS.

Each time a registry has something new to say, and the daemon is killed a random moment after it began to write that. It
is started again without the registry, and its first answers must be what was known before, or what is new: whole, and
marked as stale. Several daemons at a time, each with a directory of its own.
"""
import ctypes
import os
import pathlib
import random
import re
import select
import struct
import subprocess
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "bench"))
from wire import Client, Directory, Fake, Http, Program, free_ports, percentile  # noqa: E402

LANES = 4
SERVICES = 2000  # enough for a write to take some time
ASKED = range(0, SERVICES, 100)
LIMIT_S = 20
IN_CREATE, IN_MOVED_TO = 0x100, 0x80


class Watch:
    """What appears in a directory."""

    libc = ctypes.CDLL(None, use_errno=True)

    def __init__(self, path):
        self.fd = self.libc.inotify_init1(os.O_CLOEXEC)
        if self.libc.inotify_add_watch(self.fd, os.fsencode(path), IN_CREATE | IN_MOVED_TO) < 0:
            raise OSError(ctypes.get_errno(), path)

    def wait(self, end):
        """The time at which a file that ends so appeared."""
        limit = time.monotonic() + LIMIT_S
        while select.select([self.fd], [], [], max(0, limit - time.monotonic()))[0]:
            now, octets = time.monotonic(), os.read(self.fd, 65536)
            while octets:
                length = struct.unpack_from("=iIII", octets)[3]
                if octets[16:16 + length].rstrip(b"\0").endswith(end):
                    return now
                octets = octets[16 + length:]
        raise RuntimeError(f"no {end.decode()} within {LIMIT_S} s")

    def close(self):
        os.close(self.fd)


def octets_of(generation):
    return bytes([10, 200, generation >> 8, generation & 255])


def body_of(generation):
    groups = [f'{{"targets":["10.{i >> 8}.{i & 255}.1:80","10.{i >> 8}.{i & 255}.2:80"],"labels":{{"service":"s{i}"}}}}'
              for i in range(SERVICES)]
    moving = ".".join(map(str, octets_of(generation)))
    return f'[{",".join(groups)},{{"targets":["{moving}:80"],"labels":{{"service":"moving"}}}}]'.encode()


class Lane(threading.Thread):
    """One daemon and its registry."""

    def __init__(self, build, directory, kills, seed):
        super().__init__()
        self.build, self.kills, self.random = build, kills, random.Random(seed)
        self.path = pathlib.Path(directory) / str(seed)
        self.state = self.path / "state"
        self.state.mkdir(parents=True)
        self.log = open(self.path / "log", "ab")
        self.registry = Fake(build, "http", self.log)
        self.http = Http(self.registry.port)
        self.took_s = self.error = None
        self.first_ms, self.in_write, self.new, self.lost = [], 0, 0, 0

    def write_files(self, port):
        (self.path / "conf").write_text(f"""
            listen = {{ "127.0.0.1:{port}" }}
            user = ""
            state-dir = "{self.state}"
            http "big" {{ url = "{self.registry.url}/services" interval = 100ms jitter = 0 timeout = 1s }}
        """)
        (self.path / "book").write_text("".join(f"s{i}.service.local +10.{i >> 8}.{i & 255}.1 +10.{i >> 8}.{i & 255}.2\n"
                                                for i in ASKED))

    def start_daemon(self):
        daemon = Program([os.path.join(self.build, "src", "phonebookd"), "-c", str(self.path / "conf")], self.log)
        return daemon, time.monotonic()

    def first_answer(self, began):
        client = Client(self.port)
        while time.monotonic() - began < LIMIT_S:
            try:
                return client.ask("moving")
            except ConnectionRefusedError:
                time.sleep(0.001)  # not yet
            except TimeoutError:
                self.lost += 1  # by a socket that was not to stay: neither wrong nor empty, but told
        raise RuntimeError("no answer after a start")

    def judge(self, began, allowed):
        """What was restored, of what may have been."""
        answer = self.first_answer(began)
        self.first_ms.append((time.monotonic() - began) * 1000)
        if answer[3] & 15 or answer[6:8] != b"\0\1":
            raise RuntimeError(f"the first answer is no answer: {answer.hex()}")
        found = [g for g in allowed if octets_of(g) in answer]
        if not found:
            raise RuntimeError(f"the first answer is none of {allowed}: {answer.hex()}")
        steady = subprocess.run([os.path.join(self.build, "test", "steady"), "-f", "-s", str(LIMIT_S), str(self.port),
                                 str(self.path / "book")], capture_output=True, text=True, check=False)
        counts = dict(word.split("=") for word in steady.stdout.split())
        if steady.returncode != 0 or counts["stale"] != counts["queries"]:
            raise RuntimeError(f"the first answers: {steady.stdout} {steady.stderr}")
        return found[0]

    def say(self, generation):
        self.http.ask("PUT", "/_control/body", body_of(generation))
        self.http.ask("PUT", "/_control/mode/up")

    def kill_in_write(self, daemon, generation):
        watch = Watch(self.state)
        self.say(generation)
        began = watch.wait(b".state.tmp")
        if self.took_s is None:  # the first one is let through
            self.took_s = watch.wait(b".state") - began
        else:
            time.sleep(self.random.uniform(0, self.took_s))
        daemon.process.kill()
        daemon.process.wait()
        self.in_write += any(f.name.endswith(".state.tmp") for f in self.state.iterdir())
        watch.close()

    def go(self):
        self.write_files(self.port)
        daemon, _ = self.start_daemon()
        self.kill_in_write(daemon, 0)
        known = 0
        for generation in range(1, self.kills + 1):
            self.http.ask("PUT", "/_control/mode/failing")
            daemon, began = self.start_daemon()
            last = generation - 1
            known = self.judge(began, sorted({known, last}, reverse=True))
            self.new += known == last
            self.kill_in_write(daemon, generation)
        if re.search("state=refused", (self.path / "log").read_text()):
            raise RuntimeError("a file of the state was refused")

    def run(self):
        try:
            self.go()
        except (RuntimeError, OSError, KeyError) as e:
            log = (self.path / "log").read_text()[-1000:]
            self.error = f"{type(e).__name__}: {e}; phonebookd said:\n{log}"


def main():
    build, kills = sys.argv[1], int(sys.argv[2])
    directory = Directory()
    lanes = [Lane(build, directory.path, kills // LANES + (i < kills % LANES), i) for i in range(LANES)]
    for lane, lane.port in zip(lanes, free_ports(LANES)):
        lane.start()
    for lane in lanes:
        lane.join()
    for lane in lanes:
        lane.registry.stop()
    first = sorted(ms for lane in lanes for ms in lane.first_ms)
    in_write, new = sum(lane.in_write for lane in lanes), sum(lane.new for lane in lanes)
    print(f"{len(first)} kills, {in_write} before the write was over, {new} had the news, wrong or empty: "
          f"{sum(lane.error is not None for lane in lanes)}")
    if first:
        print(f"first answer after a start: p50 {percentile(first, 0.5):.0f} ms, max {first[-1]:.0f} ms; questions lost "
              f"while it started: {sum(lane.lost for lane in lanes)}")
    errors = [lane.error for lane in lanes if lane.error is not None]
    if errors:
        sys.exit("\n".join(errors))


main()
