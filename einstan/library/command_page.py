"""``einstan page``: the page that derives and checks in a browser, served on this machine, or written into a folder."""

from __future__ import annotations

import argparse
import base64
import tempfile
import webbrowser
import zlib
from contextlib import suppress
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import PurePath
from typing import Any

from rich.console import Console

from einstan.language.errors import DataError
from einstan.library.site import write_site
from einstan.library.texts import read

HOST = "127.0.0.1"  # nobody else is served


def run(options: argparse.Namespace, console: Console) -> int:
    fragment = fragment_of(read(options.file, "cannot be read", "name a document")) if options.file else ""
    if options.write is not None:
        report(write_site(options.write, options.packages, options.numpy), console)
        console.out(f"the page is in {options.write}: any server of files can serve it", highlight=False)
        return 0
    with tempfile.TemporaryDirectory(prefix="einstan-page-") as folder:
        report(write_site(folder, options.packages, options.numpy), console)
        with server_of(folder, options.port) as server:
            address = f"http://{HOST}:{server.server_address[1]}/{fragment}"
            console.out(f"{address}\nCtrl-C ends it", highlight=False)
            if not options.no_browser:
                webbrowser.open(address)
            server.serve_forever()
    return 0


def report(said: list[str], console: Console) -> None:
    for line in said:
        console.out(f"  {line}", highlight=False)


def server_of(folder: str, port: int) -> ThreadingHTTPServer:
    """A server of a folder, at a port of this machine, or at any that is free for 0."""
    try:
        return ThreadingHTTPServer((HOST, port), partial(Handler, directory=folder))
    except (OSError, OverflowError) as problem:
        raise DataError(f"port {port} cannot be had: {problem}", repair="--port 0") from problem


# Whatever the system takes them for: a browser runs no other.
TYPES = {".mjs": "text/javascript", ".js": "text/javascript", ".wasm": "application/wasm", ".woff2": "font/woff2"}


class Handler(SimpleHTTPRequestHandler):
    """Files, of which a browser asks each time whether they are new; nothing is logged."""

    def guess_type(self, path: Any) -> str:
        return TYPES.get(PurePath(path).suffix) or super().guess_type(path)

    def end_headers(self) -> None:
        self.send_header("Cache-Control", "no-cache")
        super().end_headers()

    def copyfile(self, source: Any, outputfile: Any) -> None:
        with suppress(ConnectionError):  # a browser that has gone on to another page
            super().copyfile(source, outputfile)

    def log_message(self, format: str, *args: Any) -> None:
        pass


def fragment_of(text: str) -> str:
    """A text as the end of the address that opens the page with it: deflated, in base64 for addresses."""
    made = zlib.compressobj(9, wbits=-15)
    data = made.compress(text.encode()) + made.flush()
    return "#z=" + base64.urlsafe_b64encode(data).decode().rstrip("=")
