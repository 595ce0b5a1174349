"""Stands before a service and notes each request: method, path and status, with `{id}` and `{cursor}` for those.

    python recorder.py http://127.0.0.1:8080 notes.txt

prints its own address, and goes on until it is killed.
"""

import re
import sys
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

CURSOR = re.compile(r"(?<=cursor=)[^&]+")
ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
# They speak of one connection; the recorder has two.
OF_THE_CONNECTION = {"connection", "keep-alive", "transfer-encoding"}


def recorder(service: str, notes: str) -> type[BaseHTTPRequestHandler]:
    """A handler that passes requests on to a service and notes them in a file."""
    host = urlsplit(service).netloc

    class Recorder(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def pass_on(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            connection = HTTPConnection(host, timeout=30)
            connection.request(self.command, self.path, body or None, dict(self.headers.items()))
            answer = connection.getresponse()
            content = answer.read()
            with open(notes, "a", encoding="utf-8") as file:
                path = CURSOR.sub("{cursor}", ID.sub("{id}", self.path))
                file.write(f"{self.command} {path} {answer.status}\n")
            self.send_response_only(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in OF_THE_CONNECTION | {"content-length"}:
                    self.send_header(name, value)
            if answer.status not in (204, 304):
                self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)
            connection.close()

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = pass_on

        def log_message(self, format: str, *args: object) -> None:
            """The notes are enough."""

    return Recorder


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", 0), recorder(*sys.argv[1:]))
    print(f"http://127.0.0.1:{server.server_port}", flush=True)
    server.serve_forever()
