"""Services that do what services should not: `python bad_services.py KIND PORT MARK`.

On 127.0.0.1; each stops by itself after a minute. MARK tells whose it is.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

LASTS_S = 60
served = 0


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_GET(self):
        self.say(200, b"{}")

    def do_POST(self):
        global served
        self.rfile.read(int(self.headers["Content-Length"]))
        served += 1
        getattr(self, f"be_{KIND}", self.be_good)()

    def say(self, code, body, length=None):
        self.send_response(code)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        self.wfile.write(body)

    def be_good(self):
        self.say(200, json.dumps({"text": " well ", "language": "en"}).encode())

    def be_error(self):
        self.say(500, b"no such file: model.bin")

    def be_busy(self):
        self.say(503, b"come back later")

    def be_sometimes_busy(self):
        self.be_good() if served % 3 else self.be_busy()

    def be_hanging(self):
        time.sleep(LASTS_S)

    def be_half(self):
        self.say(200, b'{"text": "we', length=400)
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    def be_closing(self):
        self.connection.shutdown(socket.SHUT_RDWR)
        self.close_connection = True

    def be_html(self):
        self.say(200, b"<html>welcome</html>")

    def be_elsewhere(self):
        self.send_response(307)
        self.send_header("Location", "http://127.0.0.1:9/v1/audio/transcriptions")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def be_dying(self):
        if served > 6:
            os.kill(os.getpid(), signal.SIGKILL)
        self.be_good()


def main():
    end = threading.Timer(LASTS_S, os._exit, [1])
    end.daemon = True
    end.start()
    if KIND == "not_starting":
        sys.exit("no model is loaded: model.bin is missing")
    if KIND == "never_ready":
        time.sleep(LASTS_S)
    if KIND == "stubborn":  # it does not end when it is asked to, and has a helper elsewhere
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        sleep = f"import time; time.sleep({LASTS_S})"
        subprocess.Popen([sys.executable, "-c", sleep, sys.argv[3]], start_new_session=True)
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[2])), Handler).serve_forever()


if __name__ == "__main__":
    KIND = sys.argv[1]
    main()
