"""A whole OpenStack Swift with its S3 API in one process, on loopback, with one replica.

    python swift_one.py FOLDER

Access key `test:tester`, secret `testing`. Prints `ready http://127.0.0.1:PORT` when it listens.
Runs in a separate environment (see `swift_env`), where eventlet may replace the standard
library's sockets.
"""

import sys
from pathlib import Path

import eventlet

eventlet.monkey_patch(all=False, socket=True, select=True, thread=True)

from eventlet import listen, wsgi  # noqa: E402
from swift.common import utils  # noqa: E402

FILTERS = {
    "catch_errors": "",
    "gatekeeper": "",
    "listing_formats": "",
    "bulk": "",
    "s3api": "location = us-east-1\nstorage_domain = localhost\n",
    "tempauth": "user_test_tester = testing .admin\n",
    "copy": "",
    "slo": "",
    "symlink": "",
}


class Quiet:
    """A log that keeps nothing."""

    def write(self, *_):
        pass

    info = debug = write


def configure(root):
    """Write Swift's configuration beneath `root`, and make Swift read that and no other."""
    (root / "devices" / "d1").mkdir(parents=True, exist_ok=True)
    (root / "swift.conf").write_text(
        "[swift-hash]\nswift_hash_path_suffix = mirror\nswift_hash_path_prefix = mirror\n"
        "[storage-policy:0]\nname = p0\ndefault = yes\n"
    )
    (root / "proxy.conf").write_text(
        f"[DEFAULT]\nswift_dir = {root}\n"
        f"[pipeline:main]\npipeline = {' '.join(FILTERS)} proxy-server\n"
        "[app:proxy-server]\nuse = egg:swift#proxy\naccount_autocreate = true\n"
        "conn_timeout = 5\nnode_timeout = 30\n"
        + "".join(f"[filter:{name}]\nuse = egg:swift#{name}\n{o}" for name, o in FILTERS.items())
    )
    # Swift reads this file while it is imported, from a fixed place, so the path is set before.
    utils.SWIFT_CONF_FILE = str(root / "swift.conf")
    utils.HASH_PATH_PREFIX = utils.HASH_PATH_SUFFIX = b""
    utils.validate_configuration()


def serve(sock, app):
    from swift.common.wsgi import SwiftHttpProtocol

    wsgi.server(
        sock,
        app,
        Quiet(),
        custom_pool=eventlet.GreenPool(1024),
        protocol=SwiftHttpProtocol,
        log_output=False,
        capitalize_response_headers=False,
    )


def start_back_ends(root):
    """One account, container and object server each, and the rings that lead to them."""
    from swift.account.server import AccountController
    from swift.common import constraints, storage_policy
    from swift.common.ring.builder import RingBuilder
    from swift.container.server import ContainerController
    from swift.obj.server import ObjectController

    constraints.reload_constraints()
    storage_policy.reload_storage_policies()
    options = {
        "swift_dir": str(root),
        "devices": str(root / "devices"),
        "mount_check": "false",
        "disable_fallocate": "true",
        "fallocate_reserve": "0",
        "log_level": "ERROR",
    }
    kinds = {"account": AccountController, "container": ContainerController}
    for kind, controller in (kinds | {"object": ObjectController}).items():
        sock = listen(("127.0.0.1", 0), backlog=1024)
        place = {"ip": "127.0.0.1", "port": sock.getsockname()[1]}
        place |= {f"replication_{name}": value for name, value in place.items()}
        ring = RingBuilder(4, 1, 0)
        ring.add_dev({"id": 0, "region": 1, "zone": 1, "device": "d1", "weight": 1.0, **place})
        ring.rebalance()
        ring.get_ring().save(str(root / f"{kind}.ring.gz"))
        eventlet.spawn(serve, sock, controller(options))


def main():
    root = Path(sys.argv[1]).resolve()
    configure(root)
    start_back_ends(root)
    from swift.common.wsgi import loadapp

    app = loadapp(str(root / "proxy.conf"))
    sock = listen(("127.0.0.1", 0), backlog=1024)
    print(f"ready http://127.0.0.1:{sock.getsockname()[1]}", flush=True)  # noqa: T201
    serve(sock, app)


if __name__ == "__main__":
    main()
