# SPDX-License-Identifier: BSD-2-Clause
"""How long after a committed write in a registry the answer on the wire has changed. See docs/testing.md."""

import argparse
import ipaddress
import os
import random
import shutil
import sys
import time

from registries import INSTANCES, LINES
from wire import Daemon, Directory, now_ns, percentile

PAUSE_S = 0.0001  # between two questions
LIMIT_S = 120  # for a change to show
WINDOW = 50  # changes under way at a time, where they are found by polls


class Bench:
    def __init__(self, options):
        self.build = options.build
        self.directory = Directory()
        self.log = open(self.directory / "log", "w")


class Change:
    def __init__(self, name, address):
        self.name = name
        self.octets = ipaddress.IPv4Address(address).packed
        self.sent = self.committed = self.seen = None


class Run:
    """Changes one registry, asks all the time for the names changed, and notes when the new address shows."""

    def __init__(self, registry, client, services, seed):
        self.registry = registry
        self.client = client
        self.services = services
        self.random = random.Random(seed)
        self.names = registry.changeable(list(services))
        self.under_way = []
        self.done = []
        self.writing = None
        self.next_ns = 0
        self.n = 0
        self.asked = []

    def begin(self):
        self.n += 1
        busy = {change.name for change in self.under_way}
        name = self.random.choice([n for n in self.names if n not in busy] if busy else self.names)
        address = str(ipaddress.IPv4Address("11.0.0.0") + self.n)
        self.services[name][self.random.randrange(INSTANCES)] = address
        change = self.writing = Change(name, address)
        change.sent = self.registry.change(name, self.services[name])
        self.under_way.append(change)
        if self.registry.polled:
            self.pause()

    def pause(self):
        self.next_ns = now_ns() + int(self.random.uniform(*self.registry.gap_s) * 1e9)

    def look_at_registry(self):
        if self.writing is not None:
            self.writing.committed = self.registry.committed()
        if self.writing is not None and self.writing.committed is not None:
            self.writing = None

    def look_at_answer(self, change):
        start = now_ns()
        answer = self.client.ask(change.name)
        end = now_ns()
        self.asked.append(end - start)
        if change.seen is None and change.octets in answer:
            change.seen = end
        if change.seen is not None and change.committed is not None:
            self.under_way.remove(change)
            self.done.append(change)
            if not self.under_way and not self.registry.polled:
                self.pause()
        elif end - change.sent > LIMIT_S * 1e9:
            raise RuntimeError(f"a change of {change.name} does not show")

    def run(self, n):
        window = WINDOW if self.registry.polled else 1
        turn = 0
        while len(self.done) < n:
            if self.n < n and len(self.under_way) < window and self.writing is None and now_ns() >= self.next_ns:
                self.begin()
            self.look_at_registry()
            if self.under_way:
                turn += 1
                self.look_at_answer(self.under_way[turn % len(self.under_way)])
            time.sleep(PAUSE_S)


def make_services(n):
    addresses = (str(ipaddress.IPv4Address("10.0.0.1") + i) for i in range(n * INSTANCES))
    return {f"s{i:05}": [next(addresses) for _ in range(INSTANCES)] for i in range(n)}


def milliseconds(ns):
    return f"{ns / 1e6:9.2f}" if ns < 1e8 else f"{ns / 1e6:9.0f}"


def print_row(title, times, more):
    times.sort()
    figures = [percentile(times, 0.5), percentile(times, 0.99), times[-1], sum(times) / len(times)]
    print(f"{title:26}{len(times):7}" + "".join(milliseconds(f) for f in figures) + f"  {more}", flush=True)


def measure(bench, options, line):
    title, kind = LINES[line]
    services = make_services(options.services)
    registry = kind(bench)
    registry.load(services)
    daemon = Daemon(bench.build, registry.config(list(services)), bench.log, bench.directory.path)
    daemon.wait(registry.changeable(list(services)), INSTANCES)
    time.sleep(2)  # what the start has left to do is not what is measured
    run = Run(registry, daemon.client, services, options.seed)
    before_s, start_s = daemon.cpu_s(), time.monotonic()
    run.run(min(options.changes, registry.most))
    share = (daemon.cpu_s() - before_s) / (time.monotonic() - start_s)
    daemon.stop()
    registry.stop()
    print_row(title, [max(0, c.seen - c.committed) for c in run.done], f"after {registry.what}")
    if options.verbose:
        print_row("  after the write was sent", [c.seen - c.sent for c in run.done], "")
        print_row("  question and answer", run.asked, f"phonebookd used {share:.0%} of a core")


def read_options():
    parser = argparse.ArgumentParser(prog="propagation", description=__doc__)
    parser.add_argument("build", nargs="?", default="build", help="the build directory, with tests")
    parser.add_argument("lines", nargs="*", default=[], help=f"of {', '.join(LINES)}; default: all")
    parser.add_argument("-n", "--changes", type=int, default=1000)
    parser.add_argument("--services", type=int, default=10000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("-v", "--verbose", action="store_true", help="also since the write was sent, and our own part")
    options = parser.parse_args()
    for line in options.lines:
        if line not in LINES:
            parser.error(f"there is no line {line}")
    if not os.access(os.path.join(options.build, "test", "fake-registry"), os.X_OK):
        parser.error(f"{options.build} is no build directory with tests: meson setup BUILD -Dtests=enabled")
    return options


def main():
    options = read_options()
    bench = Bench(options)
    print(f"{options.services} services x {INSTANCES} instances; milliseconds until the answer has changed")
    print(f"{'':26}{'changes':>7}{'p50':>9}{'p99':>9}{'max':>9}{'mean':>9}")
    for line in options.lines or LINES:
        if line == "etcd" and shutil.which(os.environ.get("ETCD", "etcd")) is None:
            print("etcd is not here: the package is etcd-server; skipped")
            continue
        measure(bench, options, line)


if __name__ == "__main__":
    try:
        main()
    except RuntimeError as error:
        sys.exit(f"propagation: {error}")
