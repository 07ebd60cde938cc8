# SPDX-License-Identifier: BSD-2-Clause
"""The things dig and dnsperf do not do: client.py COMMAND ARGUMENTS, exits 0 if all was well.

Speaks DNS with nothing but the standard library, and reads replies strictly: what it accepts, a client can read.
"""
import argparse
import hashlib
import http.server
import itertools
import json
import os
import pathlib
import random
import re
import resource
import socket
import socketserver
import struct
import sys
import threading
import time

TYPES = {"A": 1, "CNAME": 5, "SOA": 6, "PTR": 12, "TXT": 16, "AAAA": 28, "SRV": 33, "OPT": 41}
NOERROR, NXDOMAIN, TC = 0, 3, 0x0200


class Malformed(Exception):
    pass


def encode_name(text):
    labels = [label.encode() for label in text.rstrip(".").split(".") if label]
    return b"".join(bytes([len(label)]) + label for label in labels) + b"\0"


def query(ident, name, qtype, size=None):
    message = struct.pack("!6H", ident, 0x0100, 1, 0, 0, int(size is not None))
    message += encode_name(name) + struct.pack("!HH", TYPES[qtype], 1)
    return message + (b"\0" + struct.pack("!HHIH", 41, size, 0, 0) if size is not None else b"")


def read_name(message, at):
    labels, end = [], None
    for _ in range(128):
        if at >= len(message):
            raise Malformed("a name over the end")
        length = message[at]
        if length >= 0xC0:
            if at + 2 > len(message):
                raise Malformed("half a pointer")
            target = struct.unpack_from("!H", message, at)[0] & 0x3FFF
            if target >= at:
                raise Malformed("a pointer forwards")
            end = end or at + 2
            at = target
        elif length > 63:
            raise Malformed("a label type nobody knows")
        elif length == 0:
            return ".".join(labels).lower(), end or at + 1
        else:
            labels.append(message[at + 1:at + 1 + length].decode("latin-1"))
            at += 1 + length
    raise Malformed("a name without end")


class Reply:
    """A whole message, or Malformed."""

    def __init__(self, message):
        if len(message) < 12:
            raise Malformed("shorter than a header")
        self.ident, self.flags, *counts = struct.unpack_from("!6H", message)
        self.rcode = self.flags & 15
        if not self.flags & 0x8000:
            raise Malformed("not an answer")
        at = 12
        for _ in range(counts[0]):
            _, at = read_name(message, at)
            at += 4
        self.question = message[12:at]
        self.sections = []
        for count in counts[1:]:
            rrs = []
            for _ in range(count):
                owner, at = read_name(message, at)
                if at + 10 > len(message):
                    raise Malformed("half a record")
                rrtype, rrclass, ttl, length = struct.unpack_from("!HHIH", message, at)
                at += 10
                if at + length > len(message):
                    raise Malformed("RDATA over the end")
                rrs.append((owner, rrtype, ttl, message[at:at + length]))
                at += length
            self.sections.append(rrs)
        if at != len(message):
            raise Malformed(f"{len(message) - at} octets behind the last record")

    def addresses(self):
        return {socket.inet_ntoa(rdata) for _, rrtype, _, rdata in self.sections[0] if rrtype == 1}


class Tcp:
    def __init__(self, port, timeout=10):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout)
        self.octets = b""

    def send(self, *messages):
        self.socket.sendall(b"".join(struct.pack("!H", len(m)) + m for m in messages))

    def receive(self):
        """The next message, or None when the server has closed."""
        while len(self.octets) < 2 or len(self.octets) < 2 + struct.unpack("!H", self.octets[:2])[0]:
            more = self.socket.recv(65536)
            if not more:
                if self.octets:
                    raise Malformed("closed in the middle of a message")
                return None
            self.octets += more
        end = 2 + struct.unpack("!H", self.octets[:2])[0]
        message, self.octets = self.octets[2:end], self.octets[end:]
        return message


def udp(port):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.connect(("127.0.0.1", port))
    s.settimeout(5)
    return s


def ask_udp(port, name, qtype, size=None):
    with udp(port) as s:
        ident = random.randrange(65536)
        s.send(query(ident, name, qtype, size))
        message = s.recv(65536)
        reply = Reply(message)
        assert reply.ident == ident, "another ID"
        return reply, len(message)


# --- commands ---


def is_free(kind, port):
    with socket.socket(socket.AF_INET, kind) as s:
        try:
            s.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def ports(args):
    """Prints ports of 127.0.0.1 that are free for UDP and TCP, out of the lane of this story (tap.sh)."""
    first = int(os.environ["PORTS_FROM"])
    free = (p for p in range(first, first + 200) if is_free(socket.SOCK_STREAM, p) and is_free(socket.SOCK_DGRAM, p))
    print(*itertools.islice(free, args.n))


def pipeline(args):
    """Many TCP queries in one write, local and forwarded mixed; every one must be answered, in any order."""
    names = [args.name, "no-such." + args.name] + ([args.foreign] if args.foreign else [])
    tcp = Tcp(args.port)
    asked = {ident: names[ident % len(names)] for ident in range(args.n)}
    tcp.send(*(query(ident, name, "A") for ident, name in asked.items()))
    for _ in range(args.n):
        reply = Reply(tcp.receive())
        name = asked.pop(reply.ident)
        assert reply.question.startswith(encode_name(name)), f"{name}: another question"
        assert reply.rcode == (NXDOMAIN if name.startswith("no-such.") else NOERROR), f"{name}: rcode {reply.rcode}"
        assert reply.rcode or reply.addresses(), f"{name}: no address"
    assert not asked


def pieces(args):
    """A query octet by octet, then a FIN: the answer still comes, then the server closes."""
    tcp = Tcp(args.port)
    tcp.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    message = query(7, args.name, "A")
    for octet in struct.pack("!H", len(message)) + message:
        tcp.socket.send(bytes([octet]))
    tcp.socket.shutdown(socket.SHUT_WR)
    assert Reply(tcp.receive()).addresses(), "no address"
    assert tcp.receive() is None, "not closed"


def idle(args):
    """Connections that never send a whole query are closed, and do not keep others out."""
    crowd = [Tcp(args.port) for _ in range(args.n)]
    for tcp in crowd:
        tcp.socket.send(b"\0")
    other = Tcp(args.port)
    other.send(query(7, args.name, "A"))
    assert Reply(other.receive()).addresses(), "no address"
    start = time.monotonic()
    for tcp in crowd:
        try:
            assert not tcp.socket.recv(1), "an answer to nothing"
        except ConnectionResetError:
            pass
    print(f"closed after {time.monotonic() - start:.1f} s")


def truncation(args):
    """For each size: what fits, in the size, TC exactly when something is missing; over TCP everything."""
    tcp = Tcp(args.port)
    tcp.send(query(1, args.name, "A"), query(2, args.name, "SRV"))
    replies = {reply.ident: reply for reply in (Reply(tcp.receive()), Reply(tcp.receive()))}
    assert len(replies[1].addresses()) == args.n, f"TCP: {len(replies[1].addresses())} addresses"
    srv = {rr for rr in replies[2].sections[0] if rr[1] == TYPES["SRV"]}
    assert len(srv) == args.n, f"TCP: {len(srv)} SRV"
    assert not (replies[1].flags | replies[2].flags) & TC, "TC over TCP"
    full = replies[1].addresses()

    for size in (None, 0, 511, 512, 1232, 4096, 65535):
        reply, length = ask_udp(args.port, args.name, "A", size)
        got = reply.addresses()
        limit = max(size or 0, 512)
        assert length <= limit, f"{size}: {length} octets"
        assert bool(reply.flags & TC) == (got != full), f"{size}: TC {reply.flags & TC}, {len(got)} addresses"
        assert got <= full and len(got) >= min(args.n, 28), f"{size}: {len(got)} addresses"
        assert any(rr[1] == TYPES["OPT"] for rr in reply.sections[2]) == (size is not None), f"{size}: OPT"
        print(f"{size}: {length} octets, {len(got)} addresses")

    seen = set()
    for _ in range(200):
        seen |= ask_udp(args.port, args.name, "A")[0].addresses()
    assert seen == full, f"200 truncated answers together show {len(seen)} instances only"


def load_corpus():
    corpus = pathlib.Path(__file__).parent.parent / "fuzz" / "corpus" / "query"
    inputs = [path.read_bytes() for path in sorted(corpus.iterdir())]
    assert len(inputs) > 20, "the corpus is not there"
    return inputs


def mutate_message(rng, inputs):
    message = bytearray(rng.choice(inputs))
    for _ in range(rng.choice((0, 1, 1, 2, 4, 16))):
        kind = rng.randrange(6)
        at = rng.randrange(len(message)) if message else 0
        if kind == 0 and message:
            message[at] ^= 1 << rng.randrange(8)
        elif kind == 1 and message:
            message[at] = rng.choice((0, 1, 12, 63, 64, 127, 128, 192, 255, rng.randrange(256)))
        elif kind == 2:
            del message[at:at + rng.choice((1, 2, 10, 1000))]
        elif kind == 3:
            message[at:at] = rng.randbytes(rng.choice((1, 2, 11, 64)))
        elif kind == 4:
            other = rng.choice(inputs)
            message[at:] = other[rng.randrange(len(other)) if other else 0:]
        elif kind == 5 and len(message) >= 12:
            count = 4 + 2 * rng.randrange(4)
            message[count:count + 2] = struct.pack("!H", rng.choice((0, 1, 2, 65535)))
    return bytes(message[:1400])


def mutate(args):
    """Damaged packets, and after each few of them a good one, which must be answered; whatever comes back must be
    a message. One in fifty goes over TCP."""
    rng = random.Random(args.seed)
    inputs = load_corpus()
    replies = 0
    with udp(args.port) as s, udp(args.port) as good:
        for i in range(args.n):
            message = mutate_message(rng, inputs)
            if i % 50 == 49:
                try:
                    tcp = Tcp(args.port)
                    tcp.send(message, query(9, args.name, "A"))
                    tcp.socket.shutdown(socket.SHUT_WR)
                    while (reply := tcp.receive()) is not None:
                        Reply(reply)
                        replies += 1
                except ConnectionError:
                    pass  # being hung up on is an answer too
            else:
                s.send(message)
            if i % 20 != 19:
                continue
            good.send(query(i & 0xFFFF, args.name, "A"))
            reply = Reply(good.recv(65536))
            assert reply.ident == i & 0xFFFF and reply.addresses(), f"packet {i}: the good query got a bad answer"
            s.setblocking(False)
            try:
                while True:
                    Reply(s.recv(65536))
                    replies += 1
            except BlockingIOError:
                s.setblocking(True)
    # Of what was not dropped: the corpus is mostly queries, and most of them survive as something to answer.
    assert replies > args.n / 4, f"only {replies} replies"
    print(f"{args.n} packets, {replies} replies")


def crowd(args):
    """Connections that ask as much as they can, for a while, and never read an answer. Whoever is hung up on comes
    again. Once a second says how many there are."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (args.n + 100, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    message = query(7, args.name, "SRV", 4096)
    octets = (struct.pack("!H", len(message)) + message) * 100
    there, end, sent, again = [], time.monotonic() + args.limit, 0, 0
    while time.monotonic() < end:
        while len(there) < args.n:
            s = socket.create_connection(("127.0.0.1", args.port), 5)
            s.setblocking(False)
            there.append(s)
        for s in there[:]:
            try:
                sent += s.send(octets)
            except BlockingIOError:
                pass
            except ConnectionError:
                s.close()
                there.remove(s)
                again += 1
        time.sleep(0.1)
    print(f"{len(there)} connections, {again} were closed, {sent} octets of questions")


def storm(args):
    """Packets of random octets, of random length, so many a second; nothing but noise, or the heads of queries."""
    rng = random.Random(args.seed)
    packets = [rng.randbytes(rng.choice((0, 1, 11, 12, 17, 30, 100, 512, 1400))) for _ in range(1000)]
    packets += [query(i, "", "A")[:12] + rng.randbytes(rng.randrange(60)) for i in range(1000)]
    start, n = time.monotonic(), 0
    with udp(args.port) as s:
        while (passed := time.monotonic() - start) < args.limit:
            for _ in range(max(0, min(100, int(passed * args.n) - n))):
                n += 1
                s.send(packets[rng.randrange(2000)])
            time.sleep(0.001)
    print(f"{n} packets, {n / args.limit:.0f} a second")


def wait(args):
    """Waits until the name has exactly these addresses; prints how long that took."""
    start = time.monotonic()
    wanted, got = set(args.addresses), None
    while time.monotonic() - start < args.limit:
        try:
            got = ask_udp(args.port, args.name, "A", 4096)[0].addresses()
        except (OSError, AssertionError):
            got = None
        if got == wanted:
            print(f"{(time.monotonic() - start) * 1000:.0f} ms")
            return
        time.sleep(0.002)
    sys.exit(f"{args.name} has {got}, wanted {wanted}")


def turn(args):
    """Waits until the name has the addresses after; until then it must have those before, at least once, and never
    any others. Says when it has seen those before."""
    end = time.monotonic() + args.limit
    before, after = set(args.before.split(",")), set(args.after.split(","))
    got = None
    while got != after:
        last, got = got, ask_udp(args.port, args.name, "A", 4096)[0].addresses()
        assert got == before or (got == after and last), f"{got} in between"
        assert time.monotonic() < end, f"{args.name} still has {before}"
        if not last:
            print("before", flush=True)


def many(args):
    """Writes a file of N services with five instances each."""
    groups = [{"targets": [f"10.{i >> 8}.{i & 255}.{k + 1}:8080" for k in range(5)],
               "labels": {"service": f"service-{i}"}} for i in range(args.n)]
    pathlib.Path(args.file).write_text(json.dumps(groups))


def sample(args):
    """Asks for some of the services many() wrote, the first and the last among them, and checks all addresses."""
    chosen = random.Random(1).sample(range(args.n), min(args.n, 500)) + [0, args.n - 1]
    for i in chosen:
        got = ask_udp(args.port, f"service-{i}.{args.zone}", "A")[0].addresses()
        assert got == {f"10.{i >> 8}.{i & 255}.{k + 1}" for k in range(5)}, f"service-{i}: {got}"
    reply, _ = ask_udp(args.port, f"service-{args.n}.{args.zone}", "A")
    assert reply.rcode == NXDOMAIN, "one service too many"


def spread(args):
    """Over many queries every address comes first about equally often."""
    first, n = {}, 2000
    for _ in range(n):
        reply, _ = ask_udp(args.port, args.name, "A")
        at = socket.inet_ntoa(next(rr[3] for rr in reply.sections[0]))
        first[at] = first.get(at, 0) + 1
    print(first)
    share = n / args.n
    # 6 deviations of a binomial count.
    assert len(first) == args.n and all(abs(c - share) < 6 * share ** 0.5 for c in first.values()), first


class Upstream(socketserver.BaseRequestHandler):
    """www.example is 192.0.2.7, big.example is too large for UDP, everything else does not exist."""

    def answer(self, message, limit):
        name, end = read_name(message, 12)
        question = message[12:end + 4]
        flags, rrs = 0x8180, []
        edns = struct.unpack_from("!H", message, 10)[0] > 0
        if name == "www.example" and question[-4:-2] == b"\0\1":
            rrs = [b"\xc0\x0c" + struct.pack("!HHIH4s", 1, 1, 60, 4, bytes([192, 0, 2, 7]))]
        elif name == "big.example":
            text = bytes([255]) + b"x" * 255
            rrs = [b"\xc0\x0c" + struct.pack("!HHIH", 16, 1, 60, 256) + text[:-1] + bytes([i]) for i in range(20)]
        elif name != "www.example":
            flags |= NXDOMAIN
        body = b"".join(rrs)
        if 12 + len(question) + len(body) > limit:
            flags, rrs, body = flags | TC, [], b""
        opt = b"\0" + struct.pack("!HHIH", 41, 1232, 0, 0) if edns else b""
        return message[:2] + struct.pack("!5H", flags, 1, len(rrs), 0, int(edns)) + question + body + opt

    def handle(self):
        if isinstance(self.request, tuple):
            message, s = self.request
            s.sendto(self.answer(message, 1200), self.client_address)
            return
        stream = self.request.makefile("rb")
        while len(length := stream.read(2)) == 2:
            reply = self.answer(stream.read(struct.unpack("!H", length)[0]), 65535)
            self.request.sendall(struct.pack("!H", len(reply)) + reply)


def upstream(args):
    """A small resolver to forward to."""
    class Udp(socketserver.ThreadingUDPServer):
        daemon_threads = allow_reuse_address = True

    class TcpServer(socketserver.ThreadingTCPServer):
        daemon_threads = allow_reuse_address = True

    threading.Thread(target=TcpServer(("127.0.0.1", args.port), Upstream).serve_forever, daemon=True).start()
    Udp(("127.0.0.1", args.port), Upstream).serve_forever()


class RegistryHandler(http.server.BaseHTTPRequestHandler):
    """Answers /services with the file "body", in the way the file "mode" says; both are read at every request."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        directory = pathlib.Path(self.server.directory)
        with (directory / "requests").open("a") as requests:
            requests.write(self.path + "\n")
        mode = (directory / "mode").read_text().strip()
        body = (directory / "body").read_bytes()
        etag = f'"{hashlib.sha256(body).hexdigest()[:16]}"'
        if mode == "hang":
            time.sleep(30)
        elif mode == "error":
            self.reply(500, b"no leader", {})
        elif mode == "moved":
            self.reply(302, b"", {"Location": "/elsewhere"})
        elif mode == "html":
            self.reply(200, b"<html><body>It works!</body></html>", {"Content-Type": "text/html"})
        elif mode == "large":
            self.reply(200, b"[" + b" " * 10_000_000 + b"]", {})
        elif mode == "cut":
            self.reply(200, body, {"Content-Length": str(len(body) + 100)})
            self.close_connection = True
        elif mode == "slow":
            self.reply(200, b"", {"Content-Length": str(len(body))})
            for octet in body:
                time.sleep(1)
                self.wfile.write(bytes([octet]))
        elif mode == "garbage":
            self.reply(200, random.Random(1).randbytes(5000), {})
        elif mode == "empty":
            self.reply(200, b"[]", {})
        elif mode == "empty-once":
            (directory / "mode").write_text("error")
            self.reply(200, b"[]", {})
        elif self.headers["If-None-Match"] == etag:
            self.reply(304, b"", {"ETag": etag})
        else:
            self.reply(200, body, {"ETag": etag})

    def handle(self):
        try:
            super().handle()
        except ConnectionError:
            pass  # who waits for us too long goes away

    def reply(self, status, body, headers):
        self.send_response(status)
        for key, value in ({"Content-Length": str(len(body))} | headers).items():
            self.send_header(key, value)
        self.end_headers()
        self.wfile.write(body)

    def log_request(self, code="-", size="-"):
        with (pathlib.Path(self.server.directory) / "statuses").open("a") as statuses:
            statuses.write(f"{code}\n")


def registry(args):
    """A plain web server as registry, which can be told to misbehave."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", args.port), RegistryHandler)
    server.directory = args.directory
    server.serve_forever()


def carry(source, sink, wire, is_cut):
    """One direction of a wire. What etcd's members say to each other tells who speaks, if not at once."""
    try:
        while data := source.recv(65536):
            if sender := re.search(rb"X-Server-From: ([0-9a-f]+)", data):
                wire["sender"] = int(sender[1], 16)
            if is_cut(wire):
                break
            sink.sendall(data)
    except OSError:
        pass
    for end in source, sink:
        try:
            end.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


class Wire(socketserver.BaseRequestHandler):
    def is_cut(self, wire):
        try:
            member, port = self.server.cut.read_text().split()
        except FileNotFoundError:
            return False
        return wire["sender"] == int(member) or self.server.server_address[1] == int(port)

    def handle(self):
        wire = {"sender": None}
        try:
            target = socket.create_connection(("127.0.0.1", self.server.target), 1)
        except OSError:
            return
        with target:
            target.settimeout(None)
            back = threading.Thread(target=carry, args=(target, self.request, wire, self.is_cut), daemon=True)
            back.start()
            carry(self.request, target, wire, self.is_cut)
            back.join()


def wires(args):
    """Between the members of an etcd, PORT:TARGET... While there is a file "cut", with a member's ID and its port
    here, nothing comes from that member, nor to it."""
    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = allow_reuse_address = True

    for pair in args.pairs:
        port, target = map(int, pair.split(":"))
        server = Server(("127.0.0.1", port), Wire)
        server.target, server.cut = target, pathlib.Path(args.directory) / "cut"
        threading.Thread(target=server.serve_forever, daemon=True).start()
    threading.Event().wait()


COMMANDS = {
    ports: ["n"],
    pipeline: ["port", "n", "name", "foreign?"],
    pieces: ["port", "name"],
    idle: ["port", "n", "name"],
    truncation: ["port", "n", "name"],
    mutate: ["port", "n", "name", "seed"],
    crowd: ["port", "n", "name", "limit"],
    storm: ["port", "n", "seed", "limit"],
    wait: ["port", "limit", "name", "addresses*"],
    turn: ["port", "limit", "name", "before", "after"],
    many: ["n", "file"],
    sample: ["port", "n", "zone"],
    spread: ["port", "n", "name"],
    upstream: ["port"],
    registry: ["port", "directory"],
    wires: ["directory", "pairs*"],
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(required=True)
    for command, arguments in COMMANDS.items():
        sub = commands.add_parser(command.__name__, help=command.__doc__)
        sub.set_defaults(run=command)
        for argument in arguments:
            name = argument.rstrip("?*")
            sub.add_argument(name, type={"port": int, "n": int, "seed": int, "limit": float}.get(name, str),
                             nargs=argument[len(name):] or None)
    args = parser.parse_args()
    try:
        args.run(args)
    except (AssertionError, Malformed, OSError) as e:
        sys.exit(f"{args.run.__name__}: {type(e).__name__}: {e}")


main()
