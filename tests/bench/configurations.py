"""The settings of the servers beside ours: each chosen so that its server does its best."""

from pathlib import Path

from tests.bench.client import HOST

APACHE_MODULES = Path("/usr/lib/apache2/modules")

APACHE = """\
ServerRoot "{home}"
ServerName localhost
Listen {host}:{port}
PidFile "{home}/apache.pid"
DefaultRuntimeDir "{home}"
ErrorLog "{home}/error.log"
LogLevel crit
LoadModule mpm_event_module {modules}/mod_mpm_event.so
LoadModule authz_core_module {modules}/mod_authz_core.so
LoadModule mime_module {modules}/mod_mime.so
LoadModule dav_module {modules}/mod_dav.so
LoadModule dav_fs_module {modules}/mod_dav_fs.so
TypesConfig /etc/mime.types
EnableSendfile On
KeepAlive On
MaxKeepAliveRequests 0
DocumentRoot "{root}"
DavLockDB "{home}/locks"
<Directory "{root}">
    Dav On
    DavDepthInfinity On
    AllowOverride None
    Require all granted
</Directory>
"""

NGINX = """\
load_module {module};
daemon off;
{user}worker_processes auto;
pid {home}/nginx.pid;
error_log {home}/error.log crit;
events {{ }}
http {{
    include /etc/nginx/mime.types;
    access_log off;
    sendfile on;
    tcp_nopush off;
    keepalive_requests 1000000;
    client_max_body_size 0;
    client_body_temp_path {home}/bodies;
    proxy_temp_path {home}/proxy;
    fastcgi_temp_path {home}/fastcgi;
    uwsgi_temp_path {home}/uwsgi;
    scgi_temp_path {home}/scgi;
    dav_ext_lock_zone zone=locks:10m timeout=1h;
    server {{
        listen {host}:{port};
        location / {{
            root "{root}";
            dav_methods PUT DELETE MKCOL COPY MOVE;
            dav_ext_methods PROPFIND OPTIONS LOCK UNLOCK;
            dav_ext_lock zone=locks;
        }}
    }}
}}
"""

LIGHTTPD = """\
server.bind = "{host}"
server.port = {port}
server.document-root = "{root}"
server.errorlog = "{home}/error.log"
server.upload-dirs = ("{home}")
server.modules = ("mod_setenv", "mod_webdav", "mod_staticfile")
server.max-keep-alive-requests = 1000000
include_shell "/usr/share/lighttpd/create-mime.conf.pl"
webdav.activate = "enable"
webdav.is-readonly = "disable"
webdav.sqlite-db-name = "{home}/webdav.db"
webdav.opts = ("propfind-depth-infinity" => "enable")
$HTTP["request-method"] == "PROPFIND" {{
    setenv.set-request-header = ("Content-Type" => "application/xml")
}}
"""


def apache(root: Path, home: Path, port: int) -> str:
    """Apache with mod_dav over ``root``; what it writes itself lies in ``home``."""
    return APACHE.format(root=root, home=home, port=port, host=HOST, modules=APACHE_MODULES)


def nginx(root: Path, home: Path, port: int, module: Path, *, user: str = "") -> str:
    """nginx with dav-ext over ``root``; ``user`` is whom its workers run as, where it is root."""
    line = f"user {user};\n" if user else ""
    return NGINX.format(root=root, home=home, port=port, host=HOST, module=module, user=line)


def wsgidav(root: Path, port: int) -> dict[str, object]:
    """Stock WsgiDAV over ``root``: anonymous, properties and locks stored in memory."""
    return {
        "host": HOST,
        "port": port,
        "provider_mapping": {"/": str(root)},
        "simple_dc": {"user_mapping": {"*": True}},
        "property_manager": True,
        "lock_storage": True,
        "verbose": 0,
    }


def lighttpd(root: Path, home: Path, port: int) -> str:
    """lighttpd with mod_webdav over ``root``; what it writes itself lies in ``home``.

    It answers 415 to a PROPFIND that does not tell the type of its body, as rclone's does not.
    One process, as it comes: two get in each other's way at its database and answer 500.
    """
    return LIGHTTPD.format(root=root, home=home, port=port, host=HOST)


def asgiwebdav(root: Path) -> dict[str, object]:
    """asgiwebdav over ``root``: anonymous, with properties, which it does not store by itself."""
    return {
        "anonymous": {"enable": True},
        "provider_mapping": [
            {"prefix": "/", "uri": f"file://{root}", "ignore_property_extra": False}
        ],
        "hide_file_in_dir": {"enable": False},
        "logging": {"level": "CRITICAL"},
    }


def copyparty(root: Path, home: Path) -> list[str]:
    """The options of copyparty over ``root``: everybody may do everything, Depth infinity too."""
    return [
        *("-v", f"{root}::rwmd.", "-ed", "--daw", "--dav-inf"),
        # No log, no TLS, no second digest of what is uploaded, nothing of its own in the tree.
        *("-q", "--http-only", "--put-ck", "no", "--hist", str(home), "--no-thumb"),
    ]
