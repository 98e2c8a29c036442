# SPDX-License-Identifier: AGPL-3.0-or-later
"""Networks that let little out: a proxy only, what looks like the web only; and coordinators behind web servers."""
import os
import shutil
import socket
import ssl
import subprocess
import urllib.parse

import pytest

from lab import LabError, find_program, sh, wait_for
from wiretap import inside

PROXY_PORT, USER = 3128, "anna"
PASSWORDS = {"squid": "s:c/r@t", "tinyproxy": "cr-t"}  # which takes no others

TINYPROXY = """Port {port}
Listen {ip}
Timeout 600
MaxClients 100
ConnectPort 443
BasicAuth anna cr-t
LogLevel Critical
"""
# Its helpers and files: no cache, no pid file that another one could find.
SQUID = """http_port {ip}:{port}
auth_param basic program {dir}/basic_ncsa_auth {dir}/passwords
acl known proxy_auth REQUIRED
acl CONNECT method CONNECT
acl ssl port 443
http_access deny !known
http_access deny CONNECT !ssl
http_access allow known
http_access deny all
cache deny all
access_log none
cache_log {dir}/squid.log
pid_filename none
unlinkd_program {dir}/unlinkd
mime_table {share}/mime.conf
error_directory {share}/errors/templates
icon_directory {share}/icons
coredump_dir {dir}
shutdown_lifetime 0 seconds
"""
NGINX = """daemon off;
pid {dir}/nginx.pid;
error_log {dir}/nginx.log;
events {{ }}
http {{
	access_log off;
	client_body_temp_path {dir}/body;
	proxy_temp_path {dir}/proxy;
	fastcgi_temp_path {dir}/fastcgi;
	uwsgi_temp_path {dir}/uwsgi;
	scgi_temp_path {dir}/scgi;
	server {{
		listen {ip}:80;
		listen {ip}:443 ssl;
		ssl_certificate {dir}/web.pem;
		ssl_certificate_key {dir}/web.pem;
		location / {{ return 200 "a web site"; }}
		location /vpn/ {{
			proxy_pass http://{hub}:8443;
			proxy_http_version 1.1;
			proxy_set_header Upgrade $http_upgrade;
			proxy_set_header Connection "upgrade";
			proxy_read_timeout 90s;
		}}
	}}
}}
"""
HAPROXY = """defaults
	timeout connect 5s
	timeout client 90s
	timeout server 90s
	timeout tunnel 90s
frontend plain
	mode http
	bind {ip}:80
	default_backend hub
frontend web
	mode http
	bind {ip}:443 ssl crt {dir}/web.pem
	default_backend hub
backend hub
	mode http
	server hub {hub}:8443
listen bytes
	mode tcp
	bind {ip}:8443
	server hub {hub}:8443
"""


def listens(host, port):
    with inside(host):
        s = socket.socket()
    with s:
        s.settimeout(2)
        return s.connect_ex((host.ip4, port)) == 0


def serve(net, host, program, text, ports, *argv, **more):
    """Starts a server on the host and waits for its ports."""
    folder = os.path.join(net.dir, f"{host.name}-{program}")
    os.mkdir(folder, 0o777)
    os.chmod(folder, 0o777)
    config = os.path.join(folder, "config")
    for name, content in more.pop("files", {}).items():
        with open(os.path.join(folder, name), "w", encoding="ascii") as f:
            f.write(content)
    for path in more.pop("copies", []):
        shutil.copy(path, folder)  # for whom the program becomes, and who may not read where it was unpacked
    with open(config, "w", encoding="ascii") as f:
        f.write(text.format(ip=host.ip4, port=PROXY_PORT, dir=folder, **more))
    with open(os.path.join(folder, "output"), "wb") as out:
        p = host.spawn(find_program(program), *argv, config, stdout=out, stderr=out)
    for port in ports:
        wait_for(f"{program} to listen on {port}", lambda: listens(host, port) or p.poll() is not None, 20)
    if p.poll() is not None:
        with open(os.path.join(folder, "output"), encoding="utf-8") as f:
            raise LabError(f"{program} ended: {f.read()}")


def only_to(host, *addresses):
    """Its network lets it reach these addresses by TCP, and nothing else."""
    accepted = "".join(f"ip daddr {a} tcp dport {p} accept; " for a, p in addresses)
    host.sh("nft", f"table inet out {{ chain o {{ type filter hook output priority 0; oifname != eth0 accept; {accepted} reject; }}; }}")


def linked(node):
    wait_for(f"{node.name} to be linked", lambda: node.status()["link"]["up"], 20)
    return node.status()["link"]


def environment(**variables):
    return {k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy")} | variables


def squid_passwords():
    """As htpasswd -d writes it: squid's helper knows crypt(3)."""
    text = subprocess.run(["openssl", "passwd", "-1", PASSWORDS["squid"]], capture_output=True, text=True, check=True).stdout
    return f"{USER}:{text}"


def squid_parts():
    """Its data and its helpers are beside it, wherever it was unpacked. It looks for unlinkd without a cache, too."""
    root = os.path.normpath(os.path.join(os.path.dirname(find_program("squid")), "../.."))
    return os.path.join(root, "usr/share/squid"), [os.path.join(root, "usr/lib/squid", name) for name in ("basic_ncsa_auth", "unlinkd")]


@pytest.mark.parametrize("program", ["tinyproxy", "squid"])
def test_a_network_with_a_proxy_only(net, hub_at_443, program):
    hub = hub_at_443
    guard, guest = net.host("guard"), net.node("guest")
    if program == "squid":
        share, helpers = squid_parts()
        serve(net, guard, program, SQUID, [PROXY_PORT], "-N", "-f", files={"passwords": squid_passwords()},
              copies=helpers, share=share)
    else:
        serve(net, guard, program, TINYPROXY, [PROXY_PORT], "-d", "-c")
    only_to(guest.host, (guard.ip4, PROXY_PORT))
    at, token, password = f"{guard.ip4}:{PROXY_PORT}", hub.token(), PASSWORDS[program]
    login_right = f"{USER}:{urllib.parse.quote(password, safe='')}@"

    # What is wrong is one sentence, and no password is in it.
    for login, says in (("", "wants a user name and a password"), (f"{USER}:wrong@", "does not accept its user name and password")):
        r = guest.join(token, env=environment(https_proxy=f"http://{login}{at}"), check=False)
        assert r.returncode == 1 and says in r.stderr and "wrong@" not in r.stderr, r.stderr

    guest.join(token, env=environment(https_proxy=f"http://{login_right}{at}"))
    link = linked(guest)
    assert link["proxy"] == at
    # A start without that environment, as by systemd, finds the proxy all the same.
    guest.run("down")
    guest.run("up", env=environment())
    assert linked(guest)["proxy"] == at
    assert password not in guest.log() and login_right not in guest.log()
    found = guest.json("netcheck")
    assert (found["http"], found["http_proxy"]) == ("clean", at) and "UDP does not pass" in found["verdict"], found

    # In the configuration it counts before that; what the proxy has against it is in the status.
    guest.run("down")
    guest.configure(proxy=f"http://{USER}:wrong@{at}")
    guest.run("up", env=environment())
    wait_for("the refusal", lambda: "does not accept its user name and password" in (guest.status()["link"]["error"] or ""), 20)
    assert "wrong" not in guest.status()["link"]["error"]
    assert guest.json("netcheck")["http"] == "proxy_refused"


def test_a_proxy_that_is_dead_is_mentioned_where_the_coordinator_is_reached_without_it(net, hub_at_443):
    guard, guest = net.host("guard"), net.node("guest")
    dead = f"http://{USER}:secret@{guard.ip4}:{PROXY_PORT}"
    joined = guest.join(hub_at_443.token(), env=environment(https_proxy=dead))
    assert "the proxy does not lead to the coordinator" in joined.stderr and "secret" not in joined.stderr, joined.stderr
    guest.run("down")
    guest.configure(proxy=dead)
    guest.run("up", env=environment())
    link = linked(guest)
    assert link["proxy"] is None and f"the proxy {guard.ip4}:{PROXY_PORT} does not lead to the coordinator" in link["proxy_failed"]
    assert "does not lead to the coordinator" in guest.run("status").stdout and "secret" not in link["proxy_failed"]


def web_pem():
    return sh("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
              "-subj", "/CN=www.example.org", "-keyout", "-", "-out", "-").stdout


@pytest.mark.parametrize("server", ["nginx", "haproxy"])
def test_a_coordinator_behind_a_web_server(net, server):
    hub, web = net.node("hub").configure(log_level="info"), net.host("web")
    hub.init()
    if server == "nginx":
        serve(net, web, server, NGINX, [80, 443], "-c", files={"web.pem": web_pem()}, hub=hub.host.ip4)
        kinds = {"plain": (f"http://{web.ip4}/vpn", False), "tls": (f"https://{web.ip4}/vpn", True)}
    else:
        serve(net, web, server, HAPROXY, [80, 443, 8443], "-db", "-f", files={"web.pem": web_pem()}, hub=hub.host.ip4)
        kinds = {"plain": (f"http://{web.ip4}", False), "tls": (f"https://{web.ip4}/any/prefix", True),
                 "tcp": (f"{web.ip4}:8443", False), "own": (f"{web.ip4}:443", True)}
    hub.host.sh("nft", f"table inet in {{ chain i {{ type filter hook input priority 0; "
                f"iif lo accept; meta nfproto ipv6 tcp dport 8443 drop; ip saddr != {web.ip4} tcp dport 8443 drop; }}; }}")
    for name, (address, tls) in kinds.items():
        hub.configure(addresses=f'["{address}"]').run("reload")
        guest = net.node(name)
        guest.join(hub.token())
        link = linked(guest)
        assert link["tls"] == tls and link["proxy"] is None, (name, link)


def test_a_box_that_ends_what_is_not_tls(net):
    """And one that swallows it: on every port, for whoever is behind it."""
    hub = net.node("hub")
    hub.init()
    for name, verdict in (("reset", "reject with tcp reset"), ("swallowed", "drop")):
        guest = net.node(name)
        net.router.sh("nft", f"table inet box_{name} {{ chain f {{ type filter hook forward priority 0; "
                      f"ip saddr {guest.host.ip4} tcp dport 8443 @ih,0,24 0x474554 {verdict}; "
                      f"ip6 saddr {guest.host.ip6} tcp dport 8443 reject; }}; }}")
        guest.join(hub.token())
        assert linked(guest)["tls"]


def shown(node):
    """The certificate that its port shows, to a client that we did not write."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(["h2", "http/1.1"])
    with inside(node.host):
        s = socket.create_connection(("127.0.0.1", 8443), timeout=5)
    with context.wrap_socket(s, server_hostname="hub.example.org") as tls:
        assert tls.selected_alpn_protocol() == "http/1.1"
        tls.sendall(b"GET / HTTP/1.1\r\nHost: hub\r\n\r\n")
        assert b"TunnelMesh control port" in tls.recv(4096) + tls.recv(4096)
        return ssl.DER_cert_to_PEM_cert(tls.getpeercert(binary_form=True))


def test_the_certificate_is_its_own_or_the_given_one_and_changes_without_a_restart(net):
    hub = net.node("hub")
    hub.init()
    own = shown(hub)
    assert own in open(os.path.join(hub.state, "tls.pem"), encoding="ascii").read()
    assert os.stat(os.path.join(hub.state, "tls.pem")).st_mode & 0o777 == 0o600
    hub.run("down")
    path = os.path.join(net.dir, "given.pem")
    with open(path, "w", encoding="ascii") as f:
        f.write(web_pem())
    hub.configure(tls_certificate=path, tls_key=path).run("up")
    given = shown(hub)
    assert given != own and given in open(path, encoding="ascii").read()
    with open(path, "w", encoding="ascii") as f:
        f.write(web_pem())
    wait_for("the new certificate", lambda: shown(hub) != given, 20, 0.2)


def test_a_listen_port_that_is_taken_is_said(net):
    hub = net.node("hub").configure(listen="[443]")
    with inside(hub.host):
        taken = socket.create_server(("0.0.0.0", 443))
    with taken, pytest.raises(LabError) as e:
        hub.init()
    assert "TCP port 443 is already in use" in str(e.value)
