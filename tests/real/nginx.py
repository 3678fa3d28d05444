"""nginx before the sandbox's simulators, with one way of answering on each port."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Final

from tests.real.server import HOST, Certificate, ForegroundServer, free_ports, program

#: Servers by name, each with its directives. ``{http}`` is the simulators' port, ``{name}`` another
#: server's; ``{silent}`` is a port that takes connections and never answers, ``{closed}`` takes none.
SERVERS: Final[dict[str, str]] = {
    "plain": "location / { proxy_pass http://127.0.0.1:{http}; }",
    "http-1.1": "location / { proxy_pass http://127.0.0.1:{http}; proxy_http_version 1.1; }",
    "buffered-nothing": "location / { proxy_pass http://127.0.0.1:{http}; proxy_buffering off; "
    "proxy_request_buffering off; proxy_http_version 1.1; }",
    # A filter of the body takes its length away: the response is chunked.
    "chunked": "location / { proxy_pass http://127.0.0.1:{http}; sub_filter_types *; "
    "sub_filter no-such-text no-such-text; }",
    # Without chunks its end is that of the connection, as in HTTP/1.0.
    "until-close": "chunked_transfer_encoding off; location / { proxy_pass http://127.0.0.1:{http}; "
    "sub_filter_types *; sub_filter no-such-text no-such-text; }",
    "gzip": "gzip on; gzip_types *; gzip_min_length 1; gzip_proxied any; "
    "location / { proxy_pass http://127.0.0.1:{http}; }",
    # A server that compresses without being asked to.
    "always-gzip": "location / { proxy_pass http://127.0.0.1:{gzip}; "
    "proxy_http_version 1.1; proxy_set_header Host $http_host; proxy_set_header Accept-Encoding gzip; }",
    "brotli": "brotli on; brotli_types *; brotli_min_length 1; "
    "location / { proxy_pass http://127.0.0.1:{http}; }",
    "closing": "keepalive_timeout 0; location / { proxy_pass http://127.0.0.1:{http}; }",
    "one-request": "keepalive_requests 1; location / { proxy_pass http://127.0.0.1:{http}; }",
    "brief": "keepalive_timeout 1s; location / { proxy_pass http://127.0.0.1:{http}; }",
    "tls": "proxy_set_header Host $http_host; proxy_set_header X-Forwarded-Proto https; "
    "ssl_certificate {folder}/cert.pem; ssl_certificate_key {folder}/key.pem; "
    "location / { proxy_pass http://127.0.0.1:{http}; }",
    "small": "client_max_body_size 1; location / { proxy_pass http://127.0.0.1:{http}; }",
    "gone": "location / { proxy_pass http://127.0.0.1:{closed}; }",
    "silent": "location / { proxy_pass http://127.0.0.1:{silent}; proxy_read_timeout 1s; }",
    **{
        f"redirect-{status}": f"return {status} http://127.0.0.1:{{http}}$request_uri;"
        for status in (301, 302, 303, 307, 308)
    },
}
REDIRECTS: Final = tuple(name for name in SERVERS if name.startswith("redirect-"))
#: Servers behind which every call must succeed.
TRANSPARENT: Final = tuple(
    name for name in SERVERS if name not in ("small", "gone", "silent", *REDIRECTS)
)


class Nginx(ForegroundServer):
    """One process with all servers. ``http``: the simulators' port, ``https``: of digital mail.

    ``soap``: the port of a server for digital mail, with the simulators' certificates.
    """

    name = "nginx"

    def __init__(self, http: int, https: int, certificates: Path) -> None:
        super().__init__()
        names = list(SERVERS)
        *ports, self.soap, closed = free_ports(len(names) + 2)
        self.ports = dict(zip(names, ports, strict=True))
        self._silent = socket.create_server((HOST, 0))
        self._words = {
            "http": http,
            "https": https,
            "closed": closed,
            "silent": self._silent.getsockname()[1],
            "folder": self.folder,
            **self.ports,
        }
        self._certificates = certificates

    @property
    def where(self) -> str:
        return ", ".join(f"{name} {port}" for name, port in self.ports.items())

    def start(self) -> None:
        self.certificate = Certificate(self.folder)
        (self.folder / "nginx.conf").write_text(self._config())
        self.spawn(
            [program("nginx"), "-p", self.folder, "-c", self.folder / "nginx.conf"],
            *self.ports.values(),
        )

    def stop(self) -> None:
        super().stop()
        self._silent.close()

    def requests(self) -> int:
        """Return how many requests it has logged."""
        log = self.folder / "access.log"
        return len(log.read_text().splitlines()) if log.exists() else 0

    def _config(self) -> str:
        servers = ""
        for name, directives in SERVERS.items():
            for word, value in self._words.items():
                directives = directives.replace(f"{{{word}}}", str(value))
            tls = " ssl" if name == "tls" else ""
            servers += f"server {{ listen {HOST}:{self.ports[name]}{tls}; {directives} }}\n"
        temporary = "".join(
            f"{kind}_temp_path {self.folder}/{kind};\n"
            for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        return (
            "daemon off;\nuser root;\nworker_processes 2;\n"
            f"pid {self.folder}/nginx.pid;\nerror_log stderr warn;\n"
            "load_module /usr/lib/nginx/modules/ngx_http_brotli_filter_module.so;\n"
            "events { worker_connections 512; }\nhttp {\n"
            f"access_log {self.folder}/access.log;\n{temporary}"
            "proxy_set_header Host $http_host;\nclient_max_body_size 100m;\n"
            f"{servers}{self._soap()}}}\n"
        )

    def _soap(self) -> str:
        """Return the server for digital mail: mutual TLS on both sides, gzip, another address."""
        folder = self._certificates
        return (
            f"server {{ listen {HOST}:{self.soap} ssl;\n"
            f"ssl_certificate {folder}/server.pem; ssl_certificate_key {folder}/server-key.pem;\n"
            f"ssl_client_certificate {folder}/ca.pem; ssl_verify_client on;\n"
            "gzip on; gzip_types *; gzip_min_length 1;\n"
            f"location / {{ proxy_pass https://127.0.0.1:{self._words['https']};\n"
            f"proxy_ssl_certificate {folder}/2120002411.pem; proxy_ssl_certificate_key {folder}/2120002411-key.pem;\n"
            f"sub_filter_types *; sub_filter_once off;\n"
            f"sub_filter 127.0.0.1:{self._words['https']} 127.0.0.1:{self.soap}; }} }}\n"
        )
