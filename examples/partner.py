#!/usr/bin/env python3
"""A partner of Atelier in Python 3.9 or newer, with nothing but its standard library.

    ATELIER_URL=http://127.0.0.1:8080 ATELIER_KEY=atl_… python3 partner.py place ring.stl PO-17 250.00
    python3 partner.py follow            # every change once, from where the last run ended; --once: what there is now
    python3 partner.py reconcile         # exit 1 when the two sides do not agree
    python3 partner.py subscribe https://example.org/atelier    # messages go there from now on; prints their secret
    python3 partner.py receive 8443      # what is sent there, once it is verified; ATELIER_WEBHOOK_SECRET=whsec_…
    python3 partner.py verify ID TIMESTAMP SIGNATURE < body    # is this webhook Atelier's? exit 1 when it is not

What it has learned it keeps in the file ATELIER_STATE (partner-state.json).
"""

import base64, hashlib, hmac, http.client, http.server, json, os, sys, time, urllib.error, urllib.parse, urllib.request, uuid

STATE = os.environ.get("ATELIER_STATE", "partner-state.json")
# A webhook that is older, or from the future, is not believed: somebody may have kept it.
TOLERANCE_S = 5 * 60
# Messages are smaller than 20 kB.
BODY_MAX = 64 * 1024


def call(method, path, body=None, content_type="application/json", key=None):
    """The answer's JSON. Every call here can be repeated, so whatever may pass is waited for."""
    for attempt in range(10):
        request = urllib.request.Request(os.environ["ATELIER_URL"] + path, data=body, method=method)
        request.add_header("Authorization", "Bearer " + os.environ["ATELIER_KEY"])
        if body is not None:
            request.add_header("Content-Type", content_type)
        if key is not None:
            request.add_header("Idempotency-Key", key)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                if answer.status != 202:
                    return json.load(answer)
                pause = 1  # durable, and not decided yet: the same call again tells
        except urllib.error.HTTPError as refused:
            if refused.code not in (429, 502, 503, 504):
                sys.exit(f"{method} {path}: {refused.code} {refused.read().decode()}")
            pause = int(refused.headers.get("Retry-After", "1"))
        except (OSError, http.client.HTTPException):
            pause = min(2**attempt, 30)  # nobody listens, or the answer was lost, whole or in the middle
        time.sleep(pause)
    sys.exit(f"{method} {path}: no answer that lasts; try again later")


def place(file, reference, max_price):
    """One call, idempotent by the reference: to be sent again until it is answered. Prices up to the limit are approved."""
    order = {
        "reference": reference,
        "item": {"material": "silver-925", "quantity": 1, "finish": "polished"},
        "terms": {"approve": "at_once", "max_price": {"amount": max_price, "currency": "EUR"}},
    }
    boundary = uuid.uuid4().hex
    with open(file, "rb") as model:
        parts = [
            ('name="order"', "application/json", json.dumps(order).encode()),
            ('name="model"; filename="model.stl"', "model/stl", model.read()),
        ]
    body = b""
    for name, media, content in parts:
        body += f"--{boundary}\r\nContent-Disposition: form-data; {name}\r\nContent-Type: {media}\r\n\r\n".encode() + content + b"\r\n"
    body += f"--{boundary}--\r\n".encode()
    print(json.dumps(call("POST", "/partner/v1/orders", body, f"multipart/form-data; boundary={boundary}")))


def load():
    try:
        with open(STATE) as file:
            return json.load(file)
    except FileNotFoundError:
        return {"cursor": None, "orders": {}}


def keep(state):
    """The cursor together with what was done about its entries: after a crash neither is ahead of the other."""
    with open(STATE + ".new", "w") as file:
        json.dump(state, file)
        file.flush()
        os.fsync(file.fileno())
    os.replace(STATE + ".new", STATE)


def follow(once):
    state = load()
    while True:
        query = {"limit": "100", "wait_s": "0" if once else "30"}
        if state["cursor"]:
            query["cursor"] = state["cursor"]
        page = call("GET", "/partner/v1/feed?" + urllib.parse.urlencode(query))
        for entry in page["items"]:
            # The same change may come twice, also by a webhook; the version tells.
            if state["orders"].get(entry["order_id"], 0) < entry["version"]:
                print(json.dumps(entry))
                state["orders"][entry["order_id"]] = entry["version"]
        state["cursor"] = page["next"]
        keep(state)
        if once and not page["items"]:
            return


def reconcile():
    orders = [{"order_id": order, "version": version} for order, version in load()["orders"].items()]
    agreed = True
    for at in range(0, len(orders), 1000):
        found = call("POST", "/partner/v1/reconcile", json.dumps({"orders": orders[at : at + 1000]}).encode())
        agreed = agreed and not found["differing"] and not found["unknown"]
        print(json.dumps(found))
    sys.exit(0 if agreed else 1)


def subscribe(url):
    """Once per address, however often it is called. The secret is in the answer; keep it, for an hour the same call shows it again."""
    key = hashlib.sha256(url.encode()).hexdigest()
    print(json.dumps(call("POST", "/partner/v1/webhooks", json.dumps({"url": url}).encode(), key=key)))


def verified(secret, message_id, timestamp, signatures, body, now):
    """Whether a webhook is Atelier's, as the Standard Webhooks specification has it. `body`: its bytes, as they came."""
    if not timestamp.isdigit() or abs(now - int(timestamp)) > TOLERANCE_S:
        return False
    key = base64.b64decode(secret.removeprefix("whsec_"))
    wanted = hmac.new(key, f"{message_id}.{timestamp}.".encode() + body, hashlib.sha256).digest()
    # Several while the secret is being changed; compared in constant time.
    given = [signature[3:] for signature in signatures.split() if signature.startswith("v1,")]
    return any(hmac.compare_digest(base64.b64encode(wanted).decode(), signature) for signature in given)


class Receiver(http.server.BaseHTTPRequestHandler):
    """Confirms what is Atelier's. (What speaks TLS stands before it.) What is not confirmed comes again."""

    def do_POST(self):
        length = int(self.headers.get("Content-Length", "0"))
        body = self.rfile.read(min(length, BODY_MAX))
        head = [self.headers.get(name, "") for name in ("webhook-id", "webhook-timestamp", "webhook-signature")]
        good = verified(os.environ["ATELIER_WEBHOOK_SECRET"], *head, body, time.time())
        if good:
            print(body.decode(), flush=True)  # first to where it is safe, then confirmed
        self.send_response(204 if good else 401)
        self.end_headers()

    def log_message(self, *_):
        pass


if __name__ == "__main__":
    args = sys.argv[1:]
    if args[:1] == ["place"] and len(args) == 4:
        place(*args[1:])
    elif args[:1] == ["follow"]:
        follow("--once" in args)
    elif args == ["reconcile"]:
        reconcile()
    elif args[:1] == ["subscribe"] and len(args) == 2:
        subscribe(args[1])
    elif args[:1] == ["receive"] and len(args) == 2:
        http.server.ThreadingHTTPServer(("127.0.0.1", int(args[1])), Receiver).serve_forever()
    elif args[:1] == ["verify"] and len(args) == 4:
        good = verified(os.environ["ATELIER_WEBHOOK_SECRET"], *args[1:], sys.stdin.buffer.read(), time.time())
        sys.exit(0 if good else 1)
    else:
        sys.exit(__doc__)
