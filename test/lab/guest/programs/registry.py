"""Serves one OCI image layout as a registry does, for pulls only: registry.py PORT LAYOUT

GET and HEAD of /v2/NAME/manifests/REFERENCE and /v2/NAME/blobs/DIGEST (the OCI distribution specification). There is
one image, so NAME does not matter, and a tag stands for the only manifest.
"""

import json
import os
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Registry(BaseHTTPRequestHandler):
    layout = ""

    def do_HEAD(self):
        self.answer(with_body=False)

    def do_GET(self):
        self.answer(with_body=True)

    def answer(self, with_body):
        with open(os.path.join(self.layout, "index.json")) as file:
            manifest = json.load(file)["manifests"][0]
        digest = self.path.rpartition("/")[2]
        if not digest.startswith("sha256:"):
            digest = manifest["digest"]
        blob = os.path.join(self.layout, "blobs", "sha256", os.path.basename(digest[7:]))
        if not os.path.isfile(blob):
            self.send_error(404)
            return
        is_manifest = digest == manifest["digest"]
        self.send_response(200)
        self.send_header("Content-Type", manifest["mediaType"] if is_manifest else "application/octet-stream")
        self.send_header("Content-Length", str(os.path.getsize(blob)))
        self.send_header("Docker-Content-Digest", digest)
        self.end_headers()
        if with_body:
            with open(blob, "rb") as file:
                self.wfile.write(file.read())


Registry.layout = sys.argv[2]
ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Registry).serve_forever()
