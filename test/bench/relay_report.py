# SPDX-License-Identifier: AGPL-3.0-or-later
"""The page about relays: what messages between other people's machines cost who hands them on."""
from relays import IDLE, MANY, RATE, REFERENCES, TRAIN
from results import NONE, cell, count, environment, is_relay, quality, table, times, whole

METHOD = """\
- Two network namespaces on one machine, joined by a veth pair of MTU 1500 that behaves like a network card (no packet larger
  than the MTU crosses it). In one is the relay, alone; in the other one program is all the clients, with the same sockets and
  system calls for every relay: `test/bench/relay`. A kernel thread of its own receives at each end of the link, so that the
  clients' share of the work is nobody's but theirs; it also receives for the relay, so that, as on a machine with a network card,
  interrupts are not in the figures.
- CPU is that of the relay's process: user and system time of all its threads, from `schedstat`. Messages are counted where they
  arrive.
- The pace is the same for all, and hard for none: {datagrams} datagrams a second, {streams} messages a second by streams, of
  all pairs together. {train} leave together, as one train by UDP_SEGMENT or in one frame, then the next pair's; when all had
  their turn the other ends send. "One by one" is each message from another pair than the one before.
- TURN: ChannelData from one client, whose peer is the other one, and back, so each message crosses the relay once; no
  authentication. Streams: the bytes that our relay gets, WebSocket frames with {train} messages, go through haproxy as they are.
  haproxy connects to the clients' other ends, with TLS on both sides where there is any: our relay decrypts and encrypts, too.
  All TLS is 1.3 with AES-256-GCM.
- System calls are counted by `perf stat -e raw_syscalls:sys_enter` in a run of half a second of its own.
- Memory: what the resident set of a relay that nobody has used yet grows by when {idle} pairs of clients come and are silent; for
  TURN one allocation each, for the others two connections or registrations. Kernel memory of sockets is not in it.
- One interleaved run: each round brings every relay up anew, and starts at another place of the list. Figures are medians of
  {rounds}, with (smallest–largest); ratios are medians of the ratios within each round."""


def relays_of(r, test):
    return [n for n in r.contenders(test) if is_relay(n)]


def versus(r, name, test, key):
    return times(r.ratio(name, REFERENCES[name], test, key)) if name in REFERENCES else NONE


def row(r, name, columns):
    return [f"**{r.title(name)}**" if name.startswith("relay-tunnelmesh") else r.title(name)] + columns


def datagrams(r):
    heads = ["datagrams, CPU", "1,420 B: s per GB", f"of {MANY} pairs", "vs. coturn", f"of {MANY} pairs", "120 B: µs per packet",
             f"of {MANY} pairs", "one by one", "vs. coturn", f"of {MANY} pairs", "one by one"]
    rows = [row(r, n, [cell(r.summary(n, t, "cpu_s_per_gb")) for t in ("relay-udp1420", "relay-udp1420-100")]
                + [versus(r, n, t, "cpu_s_per_gb") for t in ("relay-udp1420", "relay-udp1420-100")]
                + [cell(r.summary(n, t, "cpu_us_per_packet")) for t in ("relay-udp120", "relay-udp120-100", "relay-udp120-single")]
                + [versus(r, n, t, "cpu_us_per_packet") for t in ("relay-udp120", "relay-udp120-100", "relay-udp120-single")])
            for n in relays_of(r, "relay-udp1420")]
    return table(heads, rows)


def streams(r):
    heads = ["streams, CPU", "1,420 B: s per GB", f"of {MANY} pairs", "vs. haproxy", f"of {MANY} pairs", "120 B: µs per packet",
             "one by one", "vs. haproxy", "one by one"]
    rows = [row(r, n, [cell(r.summary(n, t, "cpu_s_per_gb")) for t in ("relay-stream", "relay-stream-100")]
                + [versus(r, n, t, "cpu_s_per_gb") for t in ("relay-stream", "relay-stream-100")]
                + [cell(r.summary(n, t, "cpu_us_per_packet")) for t in ("relay-stream120", "relay-stream120-single")]
                + [versus(r, n, t, "cpu_us_per_packet") for t in ("relay-stream120", "relay-stream120-single")])
            for n in relays_of(r, "relay-stream")]
    return table(heads, rows)


def calls_and_memory(r):
    heads = ["system calls per GB", "1,420 B, 1 pair", f"{MANY} pairs", "120 B, 1 pair", "one by one", "KiB per pair of clients",
             "MiB before", "lost, at most"]
    rows = []
    for n in [n for n, _ in r.run["plan"] if is_relay(n)]:
        streams = r.figures[n].get("relay-stream")
        kind, small, memory = (("stream", "stream120", "stream-memory") if streams else
                               ("udp1420", "udp120", "relay-memory"))
        lost = [x for t in r.figures[n] for x in r.values(n, t, "loss").values()]
        rows.append(row(r, n, [cell(r.summary(n, t, "calls_per_gb"), whole) for t in
                               (f"relay-{kind}", f"relay-{kind}-100", f"relay-{small}", f"relay-{small}-single")]
                        + [cell(r.summary(n, memory, "kib_per_pair")), cell(r.summary(n, memory, "before_mib")),
                           f"{max(lost):.2%}".replace("%", " %") if lost else NONE]))
    return table(heads, rows)


def markdown(r):
    names = [n for n, _ in r.run["plan"] if is_relay(n)]
    parts = ["<!-- Written by test/bench/report.py. Do not edit: run `make bench ONLY='relay-*'`. -->", "# Relays",
             environment(r, names)]
    if relays_of(r, "relay-udp1420"):
        parts += ["## Datagrams", datagrams(r)]
    if relays_of(r, "relay-stream"):
        parts += ["## Streams", streams(r)]
    parts += ["## System calls, memory, losses", calls_and_memory(r), "## How it was measured",
              METHOD.format(datagrams=whole(RATE["datagrams"]), streams=whole(RATE["streams"]), train=TRAIN, idle=IDLE,
                            rounds=count(r.run["rounds"], "round")), quality(r, names)]
    return "\n\n".join(parts) + "\n"
