# SPDX-License-Identifier: BSD-2-Clause
"""A hundred real sidecars and one fake registry, in real time: what its seconds look like. The bench of a thousand for
hours is herd.c; this one is there to see that the daemon does what the schedule says."""

import argparse
import json
import sys
import time

from wire import Daemon, Directory, Fake, Http, free_ports

INTERVAL_S = 10
JITTER_S = 1
BLOCK = 'http "custom" {{ url = "{url}/"  interval = {interval}s  jitter = {jitter}s }}\nzone "z" {{ stale-after = 1m }}'


def arrivals(http):
    return json.loads(http.ask("GET", "/_control/arrivals"))["per_second"]


def main():
    parser = argparse.ArgumentParser(prog="herd --real", description=__doc__)
    parser.add_argument("build")
    parser.add_argument("--sidecars", type=int, default=100)
    parser.add_argument("--seconds", type=int, default=60)
    options = parser.parse_args()
    directory = Directory()
    log = open(directory / "log", "w")
    fake = Fake(options.build, "http", log)
    http = Http(fake.port)
    http.ask("PUT", "/_control/body", b'{"inventory":["10.0.0.1:80"]}')
    block = BLOCK.format(url=fake.url, interval=INTERVAL_S, jitter=JITTER_S)
    fleet = [Daemon(options.build, block, log, directory.path, port) for port in free_ports(options.sidecars)]
    time.sleep(options.seconds)
    seconds = arrivals(http)
    for sidecar in fleet:
        sidecar.stop()
    mean = options.sidecars / (INTERVAL_S + JITTER_S / 2)
    later = seconds[INTERVAL_S + 1 :]
    print(f"{options.sidecars} sidecars, every {INTERVAL_S} s + random(0 .. {JITTER_S} s); requests in each second:")
    print(" ".join(str(n) for n in seconds))
    print(f"mean {mean:.1f}; after the first interval {min(later)} to {max(later)}, at the most {max(later) / mean:.1f} x mean")


if __name__ == "__main__":
    try:
        main()
    except (RuntimeError, OSError) as error:
        sys.exit(f"herd: {error}")
