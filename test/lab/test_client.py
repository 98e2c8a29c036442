# SPDX-License-Identifier: AGPL-3.0-or-later
"""Stock WireGuard clients (wireguard-go set up from what `client add` prints) and the mesh behind their gateway."""
import time

import pytest

import wireguard
from lab import LabError, kept, sh, wait_for
from test_routes import Lan, await_routes, call, routers_of, serve
from wireguard import Client, Transfer


@pytest.fixture
def net(net):
    yield net
    wireguard.end(net)


def _try(f, *args):
    try:
        return f(*args)
    except LabError:
        return None


def add_client(net, gateway, name="phone", *args):
    config = gateway.run("client", "add", name, *args).stdout
    return Client(net.host(name), config).start()


def test_a_device_finds_the_coordinator_by_the_name_that_people_gave_it(net):
    hub = net.node("hub")
    hub.init("--address", "home.example.org:443", "--address", hub.host.ip4)
    assert "\nEndpoint = home.example.org:51820\n" in hub.run("client", "add", "phone").stdout
    hub.configure(addresses="[vps.example.org]")
    hub.down()
    hub.up()
    assert "\nEndpoint = vps.example.org:51820\n" in hub.run("client", "add", "tablet").stdout
    hub.configure(advertise="['203.0.113.7:4500']")
    hub.run("reload")
    assert "\nEndpoint = 203.0.113.7:4500\n" in hub.run("client", "add", "watch").stdout


def photographed(text, folder):
    """What a stock decoder reads in a QR code made of characters: each is two modules, one above the other."""
    rows = [row for line in text.splitlines() for row in (
        ["255" if c in above else "0" for c in line for _ in range(4)] for above in ("\u2580\u2588", "\u2584\u2588")
    ) for _ in range(4)]
    picture = folder / "code.pgm"
    picture.write_text(f"P2 {len(rows[0])} {len(rows)} 255\n" + "\n".join(" ".join(row) for row in rows) + "\n")
    return sh("zbarimg", "--quiet", "--raw", "--oneshot", "-Sdisable", "-Sqrcode.enable", picture).stdout


def test_a_device_that_photographs_the_code_has_a_configuration_that_stock_wireguard_takes(net, tmp_path):
    hub = net.mesh("hub")[0]
    config = photographed(hub.run("client", "add", "phone", "--qr").stdout, tmp_path)
    assert config.startswith("[Interface]\nPrivateKey = ") and "\nPersistentKeepalive = 25\n" in config
    file = tmp_path / "phone.conf"
    file.write_text(config)
    file.chmod(0o600)
    assert "\nPresharedKey = " in sh("wg-quick", "strip", file).stdout
    phone = Client(net.host("phone"), config).start()
    wait_for("the gateway to answer", lambda: phone.reaches(hub.status()["self"]["ip4"]), 20)


def answers(node, address):
    return node.host.sh("ping", "-c", 1, "-W", 1, address, check=False).returncode == 0


def mesh_with_client(net, *names):
    nodes = net.mesh("hub", *names)
    phone = add_client(net, nodes[0])
    hub = nodes[0].status()["self"]
    wait_for("the gateway to answer", lambda: phone.reaches(hub["ip4"]), 20)
    return phone, *nodes


def test_a_client_reaches_the_gateway_and_the_nodes_behind_it_and_they_reach_it(net):
    phone, hub, nas = mesh_with_client(net, "nas")
    for node in (hub, nas):
        me = node.status()["self"]
        for address in (me["ip4"], me["ip6"]):
            wait_for(f"{node.name} to answer at {address}", lambda a=address: phone.reaches(a))
        for address in (phone.ip4, phone.ip6):
            wait_for("the client to answer", lambda a=address, n=node: answers(n, a))
    # Through the gateway's plane, not its kernel: one hop more, no forwarding switched on.
    assert hub.host.sh("sysctl", "-n", "net.ipv4.ip_forward").stdout.strip() == "0"
    assert "ttl=63" in phone.ping(nas.status()["self"]["ip4"]).stdout
    assert nas.peer("phone") is None or nas.peer("phone")["path"] != "direct"


def test_a_client_moves_data_both_ways_with_the_gateway_and_with_a_node_behind_it(net):
    phone, hub, nas = mesh_with_client(net, "nas")
    for node, kind in ((hub, "ip4"), (nas, "ip4"), (nas, "ip6")):
        address = node.status()["self"][kind]
        wait_for("an answer", lambda a=address: phone.reaches(a))
        figures = Transfer(phone.host, node.host, address, "--bidir", seconds=2).result()
        print(f"{node.name} {kind}: up {figures['up'] / 1e9:.2f}, down {figures['down'] / 1e9:.2f} Gbit/s")
    assert not {"not_for_us", "spoof", "no_route"} & hub.status()["drops"].keys()


def test_large_packets_pass_the_gateway_in_both_families(net):
    phone, hub, nas = mesh_with_client(net, "nas")
    me = nas.status()["self"]
    mtu = min(phone.mtu, nas.status()["mtu"])
    for address, header in ((me["ip4"], 28), (me["ip6"], 48)):
        wait_for("an answer", lambda a=address: phone.reaches(a))
        phone.ping(address, "-M", "do", "-s", mtu - header)
        phone.ping(address, "-s", 4000)


def test_two_clients_of_one_gateway_reach_each_other(net):
    phone, hub = mesh_with_client(net)
    tablet = add_client(net, hub, "tablet")
    wait_for("the tablet's session", lambda: tablet.reaches(hub.status()["self"]["ip4"]))
    for a, b in ((phone, tablet), (tablet, phone)):
        assert a.reaches(b.ip4) and a.reaches(b.ip6)


def test_a_client_may_not_speak_for_another_address(net):
    phone, hub, nas = mesh_with_client(net, "nas")
    target, before = nas.status()["self"]["ip4"], hub.status()["drops"].get("spoof", 0)
    phone.host.sh("ip", "addr", "add", nas.status()["self"]["ip4"].rsplit(".", 1)[0] + ".250/32", "dev", phone.ifname)
    assert not phone.reaches(target, "-I", target.rsplit(".", 1)[0] + ".250")
    wait_for("the drop", lambda: hub.status()["drops"].get("spoof", 0) > before)


def test_a_transfer_goes_on_while_the_client_moves(net):
    phone, hub, nas = mesh_with_client(net, "nas")
    address = nas.status()["self"]["ip4"]
    wait_for("an answer", lambda: phone.reaches(address))
    transfer = Transfer(phone.host, nas.host, address, "--bidir", seconds=5)
    wait_for("the transfer to flow", lambda: phone.show(phone.gateway)["rx_bytes"] > 1 << 20)
    phone.move()
    before = phone.show(phone.gateway)["rx_bytes"]
    wait_for("traffic on the new path", lambda: phone.show(phone.gateway)["rx_bytes"] > before + (1 << 20))
    print(transfer.result())
    assert phone.host.ip4 in hub.peer("phone")["endpoint"]


def restart(node, how):
    if how == "kill -9":
        node.kill9()
    else:
        node.down()
    node.up()


@pytest.mark.slow
@pytest.mark.parametrize("how", ["down and up", "kill -9"])
def test_a_transfer_goes_on_after_a_restart_of_the_gateway(net, how):
    """The stock client notices after 15 seconds; nobody can call it meanwhile, and TCP waits longer."""
    phone, hub, nas = mesh_with_client(net, "nas")
    address = nas.status()["self"]["ip4"]
    wait_for("an answer", lambda: phone.reaches(address))
    transfer = Transfer(phone.host, nas.host, address, "--bidir", seconds=75)
    wait_for("the transfer to flow", lambda: phone.show(phone.gateway)["rx_bytes"] > 1 << 20)
    restart(hub, how)
    print(transfer.result())


def test_a_client_finds_its_gateway_and_the_nodes_again_after_a_crash_of_the_gateway(net):
    phone, hub, nas = mesh_with_client(net, "nas")
    address = nas.status()["self"]["ip4"]
    wait_for("an answer", lambda: phone.reaches(address))
    restart(hub, "kill -9")
    wait_for("an answer after the restart", lambda: phone.reaches(address), 30)


def test_an_idle_client_can_be_called_again_soon_after_a_crash_of_its_gateway(net):
    phone, hub = mesh_with_client(net)
    wait_for("the hub to keep where the client is", lambda: kept(hub, "SELECT id FROM contact WHERE worked <> '-'"))
    restart(hub, "kill -9")
    wait_for("the client to answer", lambda: answers(hub, phone.ip4), 5)


def test_a_transfer_goes_on_after_a_restart_of_the_client(net):
    phone, hub, nas = mesh_with_client(net, "nas")
    address = nas.status()["self"]["ip4"]
    wait_for("an answer", lambda: phone.reaches(address))
    transfer = Transfer(phone.host, nas.host, address, "--bidir", seconds=6)
    wait_for("the transfer to flow", lambda: phone.show(phone.gateway)["rx_bytes"] > 1 << 20)
    phone.restart()
    wait_for("traffic after the restart", lambda: phone.show(phone.gateway)["rx_bytes"] > 1 << 20)
    print(transfer.result())


def test_a_removed_client_is_cut_off_at_once_and_its_configuration_is_worth_nothing(net):
    phone, hub, nas = mesh_with_client(net, "nas")
    addresses = [n.status()["self"]["ip4"] for n in (hub, nas)]
    wait_for("an answer", lambda: phone.reaches(addresses[1]))
    hub.run("client", "remove", "phone")
    assert not any(phone.reaches(a) for a in addresses)
    assert hub.json("client", "list")["clients"] == []
    phone.restart()
    assert not any(phone.reaches(a) for a in addresses)
    assert hub.status()["drops"]["hs_unknown_peer"] >= 1
    again = add_client(net, hub, "phone2")
    wait_for("a new one to be welcome", lambda: again.reaches(addresses[1]))


def test_a_client_behind_nat_stays_reachable_by_its_keepalives(net):
    nodes = net.mesh("hub", "nas")
    host = net.host("phone")
    wireguard.masquerade(host, timeout=2)
    hub = nodes[0]
    phone = Client(host, hub.run("client", "add", "phone").stdout).start()
    assert "PersistentKeepalive = 25" in phone.config

    def reached():
        return answers(nodes[1], phone.ip4)

    wait_for("the tunnel", lambda: phone.reaches(nodes[1].status()["self"]["ip4"]), 20)
    assert reached()
    time.sleep(3.5)  # longer than the mapping lives, shorter than the keepalive
    assert not reached()
    phone.keepalive(1)
    wait_for("a new mapping, which the gateway follows", lambda: phone.reaches(nodes[1].status()["self"]["ip4"]))
    assert reached()
    time.sleep(4)
    assert reached()
    assert not hub.peer("phone")["endpoint"].startswith(host.ip4 + ":")


def test_a_client_over_ipv6_outside(net):
    hub, nas = net.mesh("hub", "nas")
    phone = add_client(net, hub, "phone", "--endpoint", f"[{hub.host.ip6}]:51820")
    address = nas.status()["self"]["ip4"]
    wait_for("an answer", lambda: phone.reaches(address), 20)
    assert phone.show(phone.gateway)["endpoint"] == f"[{hub.host.ip6}]:51820"


def test_a_node_becomes_a_gateway_by_its_tag_and_is_none_without(net):
    hub, nas = net.mesh("hub", "nas")
    refused = nas.run("client", "add", "phone", check=False)
    assert refused.returncode == 1 and "node tag" in refused.stderr
    hub.run("node", "tag", "nas", "--add", "gateway")
    phone = add_client(net, nas)
    wait_for("the hub behind the new gateway", lambda: phone.reaches(hub.status()["self"]["ip4"]), 20)
    assert nas.json("client", "list")["clients"][0]["via_name"] == "nas"
    hub.run("node", "tag", "nas", "--remove", "gateway")
    assert nas.run("client", "add", "tablet", check=False).returncode == 1
    assert phone.reaches(hub.status()["self"]["ip4"])
    assert "they came through it: phone" in hub.run("node", "remove", "nas").stdout
    assert hub.json("client", "list")["clients"] == []


def test_a_device_reaches_networks_behind_nodes_and_the_internet_through_its_gateway(net):
    hub, nas = net.mesh("hub", "nas")
    lan = Lan(net, nas, default=False)
    outside = net.host("outside")
    serve(outside)
    routers_of(hub, nas)
    await_routes(hub, "nas")
    phone = add_client(net, hub)
    assert "10.77.0.0/24" in phone.config and "0.0.0.0/0" not in phone.config
    for address in ("10.77.0.9", "fd77:77::9"):
        wait_for("the printer to answer", lambda a=address: phone.reaches(a), 20)
    assert hub.run("client", "add", "tablet", "--exit", check=False).returncode == 1
    hub.run("exit-node", "offer")
    hub.run("route", "approve", "hub", "exit")
    tablet = wait_for("the approval to be known", lambda: _try(add_client, net, hub, "tablet", "--exit"))
    assert "AllowedIPs = 0.0.0.0/0, ::/0" in tablet.config
    assert tablet.servers == ["192.0.0.53", "64:ff9b::c000:35"] and phone.servers == [""]
    for address, mine in ((outside.ip4, hub.host.ip4), (outside.ip6, hub.host.ip6)):
        wait_for("the outside", lambda a=address: tablet.reaches(a), 20)
        assert call(tablet.host, address)[0] == mine
    for address in ("10.77.0.9", "fd77:77::9"):
        wait_for("the printer", lambda a=address: tablet.reaches(a))
    assert lan
