"""An SMTP server for tests: aiosmtpd with STARTTLS and an account, or TLS from the first byte.

Usage: server.py FOLDER CERTIFICATE KEY starttls|tls

Writes each message to FOLDER, its number as the name. What stands in FOLDER/refuse is what
the server answers to every message instead, for example "451 later" or "550 nobody".
"""

import pathlib
import ssl
import sys
import threading

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult

folder, certificate, key, mode = sys.argv[1:]
folder = pathlib.Path(folder)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(certificate, key)


class Handler:
    count = 0

    async def handle_DATA(self, server, session, envelope):
        refuse = folder / "refuse"
        if refuse.exists():
            return refuse.read_text().strip()
        Handler.count += 1
        (folder / f"{Handler.count}.eml").write_bytes(envelope.content)
        return "250 taken"


def authenticate(server, session, envelope, mechanism, data):
    good = data.login == b"chayan" and data.password == b"fictional"
    return AuthResult(success=good)


class Server(Controller):
    def factory(self):
        starttls = mode == "starttls"
        return SMTP(
            self.handler,
            authenticator=authenticate,
            auth_required=True,
            auth_require_tls=starttls,
            require_starttls=starttls,
            tls_context=context if starttls else None,
        )


server = Server(
    Handler(),
    hostname="127.0.0.1",
    port=int((folder / "port").read_text()),
    ssl_context=None if mode == "starttls" else context,
)
server.start()
print("ready", flush=True)
threading.Event().wait()
