"""A libtorrent session that obeys JSON lines on stdin and answers each with one on stdout.

argv[1] is a JSON object of settings. What it can be told is in
`commands` at the end.
"""

import json
import os
import sys

import libtorrent as lt

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
    | lt.alert.category_t.tracker_notification,
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


def magnet(c):
    p = lt.parse_magnet_uri(c["link"])
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


commands = {f.__name__: f for f in (add, magnet, connect, status, limit, peers, reannounce, remove, listening)}
for line in sys.stdin:
    command = json.loads(line)
    hear_alerts()
    try:
        answer = commands[command["do"]](command)
    except Exception as error:  # told to the test, which decides
        answer = {"failed": repr(error)}
    print(json.dumps(answer), flush=True)
os._exit(0)
