# SPDX-License-Identifier: AGPL-3.0-or-later
"""What others say of a NAT: coturn's turnutils_natdiscovery (RFC 5780) and Debian's stun-client (RFC 3489), which know
nothing of how we make one."""
import concurrent.futures
import re
import subprocess

from lab import find_program, wait_for
from nat import ADDRESS, INDEPENDENT, PORT
from wiretap import tcp_socket

STUN_PORT, HTTPS, OTHER_TCP = 3478, 443, 8080
WORDS = {"Endpoint Independent": INDEPENDENT, "Address Dependent": ADDRESS, "Address and Port Dependent": PORT}
PATIENCE = 30  # s: what natdiscovery takes at most when nothing answers


class Server:
    """coturn's server with two addresses, as RFC 5780 wants it, and TCP ports to be tried, on a public host."""

    def __init__(self, host):
        self.host, (a, b, n, _) = host, host.ip4.split(".")
        self.addresses = [host.ip4, f"{a}.{b}.{n}.3"]
        self.addresses6 = [host.ip6, host.ip6 + "3"]
        host.ip(f"addr add {self.addresses[1]}/24 dev eth0", f"addr add {self.addresses6[1]}/64 dev eth0 nodad")
        listen = [f"-L{a}" for a in self.addresses + self.addresses6]
        host.spawn(find_program("turnserver"), "-n", *listen, "--stun-only", "--no-cli", "--no-tls", "--no-dtls",
                   "--pidfile", host.lab.dir + "/turnserver.pid", "--log-file", "stdout", "--simple-log",
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=host.lab.dir)
        for port in (HTTPS, OTHER_TCP):
            host.spawn("/usr/bin/python3", "-m", "http.server", "--bind", "::", port, cwd=host.lab.dir,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_for("the servers to listen", self.listening)

    def listening(self):
        udp, tcp = self.host.sh("ss", "-Hlun").stdout, self.host.sh("ss", "-Hltn").stdout
        return (all(f"{a}:{STUN_PORT} " in udp for a in self.addresses) and
                all(f":{port} " in tcp for port in (HTTPS, OTHER_TCP)))

    def of(self, host):
        return self.addresses[0] if host.ip4 else self.addresses6[0]


def discover(host, server, option):
    """What natdiscovery prints; with -P it pads its messages to 1,500 bytes."""
    return host.sh(find_program("turnutils_natdiscovery"), *option.split(), server.of(host), check=False,
                   timeout=PATIENCE).stdout


def behaviour(text, what):
    found = re.findall(rf"NAT with ([A-Za-z ]+) {what}", text)
    return WORDS[found[-1].strip()] if found else None


def connects(host, address, port):
    try:
        with tcp_socket(host, (address, port), timeout=2):
            return True
    except OSError:
        return False


def proxied(host, proxy, address, port):
    """Does the proxy connect us?"""
    r = host.sh("curl", "-s", "-o", "/dev/null", "-m", 3, "-p", "-x", proxy, "-w", "%{http_connect}",
                f"http://{address}:{port}/", check=False)
    return r.stdout == "200"


def classify(host, server, proxy=None):
    """{"mapping", "filtering": of RFC 4787 or None, "hairpins", "large", "tcp": the ports that can be reached, ...}."""
    address = server.of(host)
    with concurrent.futures.ThreadPoolExecutor() as pool:
        runs = {option: pool.submit(discover, host, server, option) for option in ("-m", "-f", "-H", "-m -P")}
        stun = pool.submit(host.sh, "stun", f"{address}:{STUN_PORT}", check=False, timeout=PATIENCE) if host.ip4 else None
        tcp = [port for port in (HTTPS, OTHER_TCP) if connects(host, address, port)]
        told = {option: run.result() for option, run in runs.items()}
    return {"mapping": behaviour(told["-m"], "Mapping"), "filtering": behaviour(told["-f"], "Filtering"),
            "hairpins": "successful hairpinning" in told["-H"], "large": behaviour(told["-m -P"], "Mapping") is not None,
            "tcp": tcp, "stun": stun and stun.result().stdout, "told": told,
            "proxied": [port for port in (HTTPS, OTHER_TCP) if proxy and proxied(host, proxy, address, port)]}
