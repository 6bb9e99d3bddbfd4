"""A DHT node of libtorrent that obeys JSON lines on stdin and answers each with one on stdout.

argv[1] is the address it listens on.
"""

import hashlib
import json
import sys
import time

import libtorrent as lt

PATIENCE = 20  # seconds that a lookup may take

params = lt.session_params()
params.settings = {
    "listen_interfaces": sys.argv[1],
    "enable_dht": True,
    "enable_lsd": False,
    "enable_upnp": False,
    "enable_natpmp": False,
    "dht_bootstrap_nodes": "",
    "dht_restrict_routing_ips": False,
    "dht_restrict_search_ips": False,
    "dht_prefer_verified_node_ids": False,
    "dht_ignore_dark_internet": False,
    "alert_mask": lt.alert.category_t.all_categories,
}
session = lt.session(params)


def wait(kind, wanted):
    """The first of these alerts that is wanted, or None."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        session.wait_for_alert(200)
        for alert in session.pop_alerts():
            if isinstance(alert, kind) and wanted(alert):
                return alert
    return None


def sha1(c):
    return lt.sha1_hash(bytes.fromhex(c["hash"]))


def expanded(seed):
    """The form of a private key that libtorrent takes: the seed's digest, clamped (RFC 8032)."""
    key = bytearray(hashlib.sha512(bytes.fromhex(seed)).digest())
    key[0] &= 248
    key[31] = key[31] & 63 | 64
    return bytes(key)


def meet(c):
    session.add_dht_node((c["ip"], c["port"]))
    return True


def nodes(_):
    session.post_dht_stats()
    alert = wait(lt.dht_stats_alert, lambda _: True)
    return sum(bucket["num_nodes"] for bucket in alert.routing_table) if alert else None


def announce(c):
    session.dht_announce(sha1(c), c["port"], 0)
    return True


def get_peers(c):
    session.dht_get_peers(sha1(c))
    alert = wait(lt.dht_get_peers_reply_alert, lambda a: str(a.info_hash) == c["hash"] and a.num_peers() > 0)
    return [list(peer) for peer in alert.peers()] if alert else None


def put_immutable(c):
    target = session.dht_put_immutable_item(c["text"].encode())
    alert = wait(lt.dht_put_alert, lambda a: a.target == target)
    return [str(target), alert.num_success] if alert else None


def text_of(item):
    value = item.get("value", item) if isinstance(item, dict) else item
    return value.decode() if isinstance(value, bytes) else value


def get_immutable(c):
    session.dht_get_immutable_item(sha1(c))
    alert = wait(lt.dht_immutable_item_alert, lambda _: True)
    return text_of(alert.item) if alert else None


def put_mutable(c):
    key = bytes.fromhex(c["key"])
    session.dht_put_mutable_item(expanded(c["seed"]), key, c["text"].encode(), c["salt"].encode())
    alert = wait(lt.dht_put_alert, lambda a: bytes(a.public_key) == key)
    return [alert.seq, alert.num_success] if alert else None


def get_mutable(c):
    session.dht_get_mutable_item(bytes.fromhex(c["key"]), c["salt"].encode())
    alert = wait(lt.dht_mutable_item_alert, lambda a: a.authoritative)
    return [alert.seq, text_of(alert.item)] if alert else None


commands = {f.__name__: f for f in (
    meet, nodes, announce, get_peers, put_immutable, get_immutable, put_mutable, get_mutable,
)}

for line in sys.stdin:
    command = json.loads(line)
    print(json.dumps(commands[command["do"]](command)), flush=True)
