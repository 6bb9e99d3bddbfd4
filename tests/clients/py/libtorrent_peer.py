"""A libtorrent session that obeys JSON lines on stdin and answers each with one on stdout.

argv[1] is a JSON object of settings. What it can be told is in
`commands` at the end.
"""

import json
import os
import sys
import time

import libtorrent as lt

PATIENCE = 20  # seconds that a lookup in the DHT may take

settings = {
    "enable_dht": False,
    "enable_lsd": False,
    "enable_upnp": False,
    "enable_natpmp": False,
    "enable_incoming_utp": False,
    "enable_outgoing_utp": False,
    "in_enc_policy": 2,
    "out_enc_policy": 2,
    "allow_multiple_connections_per_ip": True,
    "dht_bootstrap_nodes": "",
    "alert_mask": lt.alert.category_t.status_notification
    | lt.alert.category_t.error_notification
    | lt.alert.category_t.storage_notification
    | lt.alert.category_t.tracker_notification
    | lt.alert.category_t.dht_notification,
}
settings.update(json.loads(sys.argv[1]))
params = lt.session_params()
params.settings = settings
session = lt.session(params)

handles = {}
flushed = set()
tracker_says = {}


def key_of(handle):
    return str(handle.info_hashes().v1)


def hear_alerts():
    for alert in session.pop_alerts():
        hear(alert)


def wait_alert(kind, wanted):
    """The first alert of this kind that is wanted, or None; the others are heard."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        session.wait_for_alert(200)
        found = None
        for alert in session.pop_alerts():
            if found is None and isinstance(alert, kind) and wanted(alert):
                found = alert
            else:
                hear(alert)
        if found is not None:
            return found
    return None


def hear(alert):
    if isinstance(alert, lt.torrent_finished_alert):
        # Every piece is verified, but some may not be written yet: the answer to this says when they are.
        alert.handle.flush_cache()
    elif isinstance(alert, lt.cache_flushed_alert):
        flushed.add(key_of(alert.handle))
    elif isinstance(alert, (lt.tracker_reply_alert, lt.tracker_error_alert, lt.tracker_warning_alert)):
        tracker_says.setdefault(key_of(alert.handle), []).append(alert.message())
    elif alert.category() & lt.alert.category_t.error_notification:
        print(alert.message(), file=sys.stderr, flush=True)


def add(c):
    p = lt.add_torrent_params()
    p.ti = lt.torrent_info(c["torrent"])
    p.save_path = c["folder"]
    p.flags &= ~(lt.torrent_flags.auto_managed | lt.torrent_flags.paused)
    handle = session.add_torrent(p)
    handles[key_of(handle)] = handle
    return {}


def connect(c):
    handles[c["torrent"]].connect_peer((c["ip"], c["port"]))
    return {}


def status(c):
    s = handles[c["torrent"]].status()
    return {
        "state": str(s.state).rsplit(".", 1)[-1],
        "done": s.total_wanted_done,
        "total": s.total_wanted,
        "pieces": s.num_pieces,
        "flushed": c["torrent"] in flushed,
        "uploaded": s.total_payload_upload,
        "downloaded": s.total_payload_download,
        "error": s.errc.message() if s.errc.value() else "",
        "tracker": tracker_says.get(c["torrent"], []),
    }


def limit(c):
    # A limit of the torrent's own: those of the session do not hold for loopback.
    handles[c["torrent"]].set_upload_limit(c["rate"])
    handles[c["torrent"]].set_download_limit(c["rate"])
    return {}


def peers(c):
    return {
        "peers": [
            {
                "ip": p.ip[0],
                "port": p.ip[1],
                "client": p.client.decode(errors="replace") if isinstance(p.client, bytes) else p.client,
                "id": str(p.pid),
            }
            for p in handles[c["torrent"]].get_peer_info()
            if not p.flags & (lt.peer_info.handshake | lt.peer_info.connecting)
        ]
    }


def reannounce(c):
    handles[c["torrent"]].force_reannounce()
    return {}


def remove(c):
    session.remove_torrent(handles.pop(c["torrent"]))
    return {}


def listening(c):
    return {"port": session.listen_port() if session.is_listening() else 0}


def dht_announce(c):
    """Looks for peers by the DHT, and announces the torrent there."""
    handles[c["torrent"]].force_dht_announce()
    return {}


def dht_nodes(_):
    session.post_dht_stats()
    alert = wait_alert(lt.dht_stats_alert, lambda _: True)
    return {"nodes": sum(bucket["num_nodes"] for bucket in alert.routing_table) if alert else 0}


def dht_put(c):
    """Stores a text as an immutable item (BEP 44): its target, and how many nodes took it."""
    target = session.dht_put_immutable_item(c["text"].encode())
    alert = wait_alert(lt.dht_put_alert, lambda a: a.target == target)
    return {"target": str(target), "nodes": alert.num_success if alert else 0}


def dht_get(c):
    """The text of an immutable item."""
    target = lt.sha1_hash(bytes.fromhex(c["target"]))
    session.dht_get_immutable_item(target)
    alert = wait_alert(lt.dht_immutable_item_alert, lambda a: a.target == target)
    item = alert.item if alert else None
    value = item.get("value", item) if isinstance(item, dict) else item
    return {"text": value.decode() if isinstance(value, bytes) else value}


commands = {
    f.__name__: f
    for f in (
        add,
        connect,
        status,
        limit,
        peers,
        reannounce,
        remove,
        listening,
        dht_announce,
        dht_nodes,
        dht_put,
        dht_get,
    )
}
for line in sys.stdin:
    command = json.loads(line)
    hear_alerts()
    try:
        answer = commands[command["do"]](command)
    except Exception as error:  # told to the test, which decides
        answer = {"failed": repr(error)}
    print(json.dumps(answer), flush=True)
os._exit(0)
