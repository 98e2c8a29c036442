# SPDX-License-Identifier: AGPL-3.0-or-later
"""What is measured of a tunnel that is up. Each measurement returns a dictionary of figures."""
import json
import subprocess
import time

import bed as bedlib
from bed import Meter
from contenders import wait_for_ping
from lab import LabError, wait_for

IPERF_PORT = 5301
GRACE = 20          # seconds that a program may take beyond its time
SETTLE = 0.5        # seconds of load before latency under load is looked at
PAYLOAD_1400 = 1372  # UDP payload of a 1400-byte IPv4 packet


class Transfer:
    """TCP from a to b by iperf3, started by the constructor. CUBIC, because a default of BBR would measure pacing."""

    def __init__(self, bed, address, seconds, *options):
        self.seconds = seconds
        self.server = bed.b.spawn("iperf3", "-s", "-1", "-p", IPERF_PORT, "-B", address, stdout=subprocess.DEVNULL,
                                  stderr=subprocess.DEVNULL)
        wait_for("iperf3 to listen", lambda: f":{IPERF_PORT} " in bed.b.sh("ss", "-Hltn").stdout)
        self.client = bed.a.spawn("iperf3", "-J", "-c", address, "-p", IPERF_PORT, "-t", seconds, "-C", "cubic",
                                  "--connect-timeout", 5000, *options, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                  text=True)

    def result(self):
        """{"gbps": all directions together, "bytes": payload that arrived, "retransmits": of all senders}"""
        try:
            out, err = self.client.communicate(timeout=self.seconds + GRACE)
            report = json.loads(out)
            if "error" in report:
                raise LabError(f"iperf3: {report['error']}")
            self.server.wait(timeout=GRACE)
        except (subprocess.TimeoutExpired, json.JSONDecodeError) as e:
            raise LabError(f"iperf3: {e}") from None
        finally:
            self.stop()
        end = report["end"]
        sums = [(end["sum_sent"], end["sum_received"])]
        if "sum_received_bidir_reverse" in end:
            sums.append((end["sum_sent_bidir_reverse"], end["sum_received_bidir_reverse"]))
        return {"gbps": sum(got["bits_per_second"] for _, got in sums) / 1e9,
                "bytes": sum(got["bytes"] for _, got in sums),
                "retransmits": sum(sent.get("retransmits", 0) for sent, _ in sums)}

    def stop(self):
        for p in (self.client, self.server):
            if p.poll() is None:
                p.kill()
            p.wait()
        self.client.stdout.close()
        self.client.stderr.close()


class Measurement:
    """A test by name. families: the IP version inside the tunnel that it needs."""

    def __init__(self, version=4):
        self.version = version

    def possible(self, tunnel):
        return self.version in tunnel.address

    def prepare(self, bed, tunnel):
        wait_for_ping(bed, tunnel.address[self.version])

    def duration(self, seconds):
        """Estimated, with starting and stopping the programs."""
        return seconds + 0.4

    def run(self, bed, tunnel, seconds):
        address = tunnel.address[self.version]
        with Meter(tunnel.pids) as meter:
            figures = self.load(bed, address, seconds)
        figures["foreign"] = meter.foreign
        if figures.get("bytes"):
            figures["cpu_s_per_gb"] = meter.tunnel / figures["bytes"] * 1e9
            figures["all_cpu_s_per_gb"] = meter.machine / figures["bytes"] * 1e9
        if figures.get("received"):
            figures["cpu_us_per_packet"] = meter.tunnel / figures["received"] * 1e6
        return figures

    def load(self, bed, address, seconds):
        raise NotImplementedError


class Tcp(Measurement):
    def __init__(self, *options, version=4):
        super().__init__(version)
        self.options = options

    def load(self, bed, address, seconds):
        return Transfer(bed, address, seconds, *self.options).result()


def run_load(bed, mode, address, seconds, *options):
    """Our own load program between the two namespaces."""
    try:
        r = subprocess.run([bedlib.LOAD, mode, "--from", bed.a.ns, "--to", bed.b.ns, "--address", address, "--seconds",
                            str(seconds), *map(str, options)], capture_output=True, text=True, timeout=seconds + GRACE)
    except subprocess.TimeoutExpired as e:
        raise LabError(f"load: {e}") from None
    if r.returncode != 0:
        raise LabError(r.stderr.strip())
    return json.loads(r.stdout)


class Packets(Measurement):
    """UDP with 1024 datagrams in flight: what passes without flooding the tunnel."""

    def __init__(self, payload, version=4):
        super().__init__(version)
        self.payload = payload

    def load(self, bed, address, seconds):
        figures = run_load(bed, "rate", address, seconds, "--bytes", self.payload)
        return {**figures, "bytes": figures["received"] * self.payload}


class Latency(Measurement):
    def load(self, bed, address, seconds):
        return run_load(bed, "latency", address, seconds)


class LoadedLatency(Latency):
    """The same while one TCP stream uses all it can get."""

    def duration(self, seconds):
        return seconds + 2 * SETTLE + 0.4

    def load(self, bed, address, seconds):
        transfer = Transfer(bed, address, seconds + 2 * SETTLE)
        try:
            time.sleep(SETTLE)
            figures = super().load(bed, address, seconds)
        except BaseException:
            transfer.stop()
            raise
        return {**figures, "gbps": transfer.result()["gbps"]}


TESTS = {
    "tcp1": Tcp(),
    "tcp1-back": Tcp("-R"),
    "tcp4": Tcp("-P", 4),
    "tcp4-back": Tcp("-P", 4, "-R"),
    "tcp-both": Tcp("--bidir"),
    "tcp1-ipv6": Tcp(version=6),
    "tcp4-ipv6": Tcp("-P", 4, version=6),
    "udp1400": Packets(PAYLOAD_1400),
    "udp1400-ipv6": Packets(PAYLOAD_1400 - 20, version=6),
    "pps64": Packets(64),
    "pps64-ipv6": Packets(64, version=6),
    "latency": Latency(),
    "latency-ipv6": Latency(version=6),
    "latency-load": LoadedLatency(),
}
